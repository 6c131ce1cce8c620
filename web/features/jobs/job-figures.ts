// What a list says of a job in figures: how far, how long, how fast. Pure.
import type { JobSummary } from '../../../shared/schemas/job.ts';

export interface StageShare {
  mapped: number;
  reduced: number;
}

/** Each stage from 0 to 1. A job that has not been planned yet has done nothing of either. */
export function stageShare({ progress, state }: JobSummary): StageShare {
  if (state === 'done') return { mapped: 1, reduced: 1 };
  return {
    mapped: progress.splits > 0 ? progress.mapped / progress.splits : 0,
    reduced: progress.partitions > 0 ? progress.reduced / progress.partitions : 0,
  };
}

/** From its start to its end, or to now; null before it starts. */
export function elapsedMs(job: JobSummary, nowMs: number): number | null {
  if (job.startedAt === null) return null;
  const end = job.finishedAt === null ? nowMs : Date.parse(job.finishedAt);
  return Math.max(0, end - Date.parse(job.startedAt));
}

/** One line under the name: what it does now, or why it does nothing, or what came out. */
export function statusLine(job: JobSummary): string {
  const { progress, counters, state } = job;
  if (state === 'failed' && job.error) return job.error.message;
  if (job.reason) return job.reason;
  if (state === 'mapping') return `${progress.mapped} of ${progress.splits} splits mapped`;
  if (state === 'reducing')
    return `${progress.reduced} of ${progress.partitions} partitions reduced`;
  if (state === 'done') return `${counters.keysOut.toLocaleString('en-US')} keys`;
  return '';
}
