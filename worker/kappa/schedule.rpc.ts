// What others may ask of a ScheduleObject: one schedule, its runs, and the alarm of its next one.
import type { Schedule, ScheduleRun, ScheduleSpec } from '../../shared/schemas/schedule.ts';

export interface ScheduleRpc {
  put(name: string, uid: string, spec: ScheduleSpec): Promise<Schedule>;
  get(): Promise<Schedule | null>;
  /** Runs now, beside the plan. */
  run(): Promise<ScheduleRun | null>;
  pause(): Promise<Schedule | null>;
  resume(): Promise<Schedule | null>;
  forget(): Promise<boolean>;
}
