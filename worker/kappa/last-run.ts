// What "lastRun" means: in each partition from where the last run whose job is done left off (a failed run's events
// are read again), else from the oldest event, up to what `to` means now.
import type { StreamInput, StreamRange } from '../../shared/schemas/job.ts';
import { rangesOfInput } from '../mapreduce/stream-input.ts';
import type { Env } from '../platform/env.ts';
import type { StreamDefinition } from '../streaming/names.ts';
import type { Covered } from './schedule-store.ts';

/** The ranges to read, and how many events retention took before they were read. Throws ProblemError. */
export async function rangesSinceLastRun(
  env: Env,
  stream: StreamDefinition,
  { to }: StreamInput,
  covered: Covered | null,
): Promise<{ ranges: StreamRange[]; lost: number }> {
  const everything = await rangesOfInput(env, stream, {
    stream: stream.name,
    from: 'earliest',
    ...(to === undefined ? {} : { to }),
  });
  return goOn(everything, covered?.streamUid === stream.uid ? covered : null);
}

/** `everything`: from the oldest event that is there. */
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
