// Jobs of both kinds: what may be submitted, and what is shown. `kind` tells them apart.
import * as z from 'zod';
import { DagJob, DagJobSummary, DagSpec } from './dag.ts';
import { Job, JobSummary, MapReduceSpec } from './job.ts';

export const JobSpec = z.discriminatedUnion('kind', [MapReduceSpec, DagSpec]);
export type JobSpec = z.infer<typeof JobSpec>;
export type JobSpecInput = z.input<typeof JobSpec>;

export const AnyJob = z.discriminatedUnion('kind', [Job, DagJob]);
export type AnyJob = z.infer<typeof AnyJob>;

export const AnyJobSummary = z.discriminatedUnion('kind', [JobSummary, DagJobSummary]);
export type AnyJobSummary = z.infer<typeof AnyJobSummary>;
