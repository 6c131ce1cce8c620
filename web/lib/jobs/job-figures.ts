// What a list says of a job in figures: how far, how long, how fast. Pure.
import type { AnyJobSummary } from '../../../shared/schemas/jobs.ts';
import { bytes, plural } from '../format.ts';

export type StageShare = { mapped: number; reduced: number } | { steps: number };

/** Each stage from 0 to 1. A job that has not been planned yet has done nothing of either. */
export function stageShare(job: AnyJobSummary): StageShare {
  if (job.kind === 'dag') {
    const { steps, done, skipped } = job.progress;
    return { steps: (done + skipped) / Math.max(1, steps) };
  }
  const { progress, state } = job;
  if (state === 'done') return { mapped: 1, reduced: 1 };
  return {
    mapped: progress.splits > 0 ? progress.mapped / progress.splits : 0,
    reduced: progress.partitions > 0 ? progress.reduced / progress.partitions : 0,
  };
}

/** From its start to its end, or to now; null before it starts. */
export function elapsedMs(
  job: Pick<AnyJobSummary, 'startedAt' | 'finishedAt'>,
  nowMs: number,
): number | null {
  if (job.startedAt === null) return null;
  const end = job.finishedAt === null ? nowMs : Date.parse(job.finishedAt);
  return Math.max(0, end - Date.parse(job.startedAt));
}

/** One line under the name: what it does now, or why it does nothing, or what came out. */
export function statusLine(job: AnyJobSummary): string {
  const { state } = job;
  if (state === 'failed' && job.error) return job.error.message;
  if (job.reason) return job.reason;
  if (job.kind === 'dag') {
    const { done, skipped, steps } = job.progress;
    return `${done} of ${steps} steps done${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  }
  const { progress, counters } = job;
  if (state === 'mapping') return `${progress.mapped} of ${progress.splits} splits mapped`;
  if (state === 'reducing')
    return `${progress.reduced} of ${progress.partitions} partitions reduced`;
  if (state === 'done') return `${counters.keysOut.toLocaleString('en-US')} keys`;
  return '';
}

/** How large the work is. */
export function sizeText(job: AnyJobSummary): string {
  if (job.kind === 'dag') return plural(job.progress.steps, 'step');
  return job.inputBytes > 0 ? bytes(job.inputBytes) : plural(job.progress.splits, 'split');
}
