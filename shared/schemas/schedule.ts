// Schedules: MapReduce jobs by cron (the Kappa pattern's second reading of a stream).
import * as z from 'zod';
import { IsoTime } from './common.ts';
import { JOB_STATES, MapReduceSpec } from './job.ts';

/** `PUT /api/schedules/:name`. */
export const ScheduleSpec = z
  .strictObject({
    cron: z.string().min(1).max(200),
    timezone: z.string().min(1).max(100).default('UTC'),
    job: MapReduceSpec,
  })
  .meta({ id: 'ScheduleSpec' });
export type ScheduleSpec = z.infer<typeof ScheduleSpec>;
export type ScheduleSpecInput = z.input<typeof ScheduleSpec>;

export const ScheduleRun = z
  .object({
    job: z
      .string()
      .nullable()
      .meta({ description: 'null while it waits, and for a run that was missed or refused' }),
    state: z.enum([...JOB_STATES, 'missed', 'refused']),
    at: IsoTime.meta({ description: 'the time that it was due' }),
    startedAt: IsoTime.nullable(),
    manual: z.boolean(),
    reason: z.string(),
  })
  .meta({ id: 'ScheduleRun' });
export type ScheduleRun = z.infer<typeof ScheduleRun>;

export const Schedule = z
  .object({
    name: z.string(),
    cron: z.string(),
    timezone: z.string(),
    job: MapReduceSpec,
    state: z.enum(['active', 'paused']),
    createdAt: IsoTime,
    nextRuns: z.array(IsoTime),
    runs: z.array(ScheduleRun).meta({ description: 'newest first' }),
  })
  .meta({ id: 'Schedule' });
export type Schedule = z.infer<typeof Schedule>;
