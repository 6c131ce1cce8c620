// What "lastRun" means: in each partition from where the last run whose job is done left off (a failed run's events
// are read again), else from the oldest event, up to what `to` means now. Pure.
import type { StreamRange } from '../../shared/schemas/job.ts';

/** Up to where a stream was read by the last run whose job is done. */
export interface Covered {
  /** The run. */
  seq: number;
  streamUid: string;
  /** By partition; not included. */
  ends: Record<number, number>;
}

/** What is left of `everything` (from the oldest event that is there), and how many events retention took unread. */
export function goOn(
  everything: StreamRange[],
  covered: Pick<Covered, 'ends'> | null,
): { ranges: StreamRange[]; lost: number } {
  let lost = 0;
  const ranges = everything.map(({ partition, from, to }) => {
    const end = covered?.ends[partition];
    if (end === undefined) return { partition, from, to };
    lost += Math.max(0, from - end);
    const begin = Math.max(from, end);
    // `to` may lie before what was read already: then there is nothing new.
    return { partition, from: begin, to: Math.max(begin, to) };
  });
  return { ranges, lost };
}

/** How far a done job has read; null: its input is no stream. */
export function coveredBy(
  seq: number,
  streamUid: string | null,
  ranges: StreamRange[] | undefined,
): Covered | null {
  if (streamUid === null || !ranges) return null;
  return {
    seq,
    streamUid,
    ends: Object.fromEntries(ranges.map(({ partition, to }) => [partition, to])),
  };
}
