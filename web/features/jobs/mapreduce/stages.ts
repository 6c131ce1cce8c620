// The five stages of a job as they stand, from its state and progress. Pure.
import type { Job } from '../../../../shared/schemas/job.ts';

export const STAGE_NAMES = ['split', 'map', 'shuffle', 'reduce', 'result'] as const;
export type StageName = (typeof STAGE_NAMES)[number];

export interface StageView {
  name: StageName;
  state: 'waiting' | 'active' | 'done' | 'failed';
  /** 0 to 1 where a bar says something; null elsewhere. */
  share: number | null;
}

export function stagesOf(job: Pick<Job, 'state' | 'progress' | 'error'>): StageView[] {
  const { splits, mapped, partitions, reduced } = job.progress;
  const mapShare = splits > 0 ? mapped / splits : job.state === 'done' ? 1 : 0;
  const reduceShare = partitions > 0 ? reduced / partitions : 0;
  const mapDone =
    job.state === 'done' || job.state === 'reducing' || (splits > 0 && mapped >= splits);
  const ended = job.state === 'failed' || job.state === 'cancelled';
  const failed = job.state === 'failed';
  const doneOr = (done: boolean, active: boolean, lost: boolean): StageView['state'] =>
    done ? 'done' : lost ? 'failed' : active ? 'active' : 'waiting';
  const planned = splits > 0 || mapDone;
  return [
    {
      name: 'split',
      state: doneOr(planned, !ended, failed && !planned),
      share: null,
    },
    {
      name: 'map',
      state: doneOr(mapDone, job.state === 'mapping', failed && planned && !mapDone),
      share: mapShare,
    },
    { name: 'shuffle', state: doneOr(mapDone, job.state === 'mapping', false), share: null },
    {
      name: 'reduce',
      state: doneOr(job.state === 'done', job.state === 'reducing', failed && mapDone),
      share: job.state === 'done' ? 1 : reduceShare,
    },
    { name: 'result', state: doneOr(job.state === 'done', false, false), share: null },
  ];
}
