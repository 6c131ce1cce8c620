// What others may ask of a ScheduleObject: one schedule, its runs, and the alarm of its next one.
import type { Schedule, ScheduleRun, ScheduleSpec } from '../../shared/schemas/schedule.ts';

export interface ScheduleRpc {
  /**
   * Creates or changes it: from now on by the new plan. A paused one stays paused. "deleted": this unique id is
   * used up, and would be a schedule that the catalog does not know.
   */
  put(name: string, uid: string, spec: ScheduleSpec): Promise<Schedule | 'deleted'>;
  /** With the states that the jobs have now. */
  get(): Promise<Schedule | null>;
  /** Runs now, beside the plan. "conflict": one that was asked for waits already. */
  run(): Promise<ScheduleRun | 'conflict' | null>;
  pause(): Promise<Schedule | null>;
  /** From the next time on: what passed meanwhile is not made up for. */
  resume(): Promise<Schedule | null>;
  /** For good. Its jobs stay. */
  delete(): Promise<void>;
}
