// What a job's points in a stream mean: the offsets of each partition, from what the partitions hold.
import type { StreamPoint } from '../../../shared/schemas/common.ts';
import type { StreamInput, StreamRange } from '../../../shared/schemas/job.ts';
import { ProblemError } from '../../platform/problem.ts';

/** What a partition holds: offsets [first, next). */
export interface Held {
  partition: number;
  first: number;
  next: number;
}

/** The offsets of a partition that points stand for; times are looked up by the log. */
export type OffsetAt = (partition: number, timeMs: number) => Promise<number>;

export const invalid = (path: string, message: string) =>
  new ProblemError('invalid_request', message, [{ path: `input.${path}`, message }]);

/** Explicit offsets below what is still there are refused; "earliest", times and offsets past the end are clamped. */
export async function resolveRanges(
  input: StreamInput,
  held: Held[],
  offsetAt: OffsetAt,
): Promise<StreamRange[]> {
  const { ranges, from = 'earliest', to = 'latest' } = input;
  if (ranges) {
    return ranges.map((range, i) => {
      const here = held[i];
      if (!here) throw new Error(`nothing is known of partition ${range.partition}`);
      if (range.from < range.to) assertThere(range.from, here, `ranges.${i}.from`);
      return clamp(range.from, range.to, here);
    });
  }
  if (from === 'lastRun') {
    throw invalid('from', '"lastRun" is for the jobs of schedules: this one had no run before');
  }
  if (isAfter(from, to)) throw invalid('to', 'must not be before `from`');
  const offsetOf = async (point: StreamPoint, here: Held): Promise<number> => {
    if (typeof point === 'number') return point;
    if (point === 'earliest') return here.first;
    if (point === 'latest') return here.next;
    return offsetAt(here.partition, Date.parse(point));
  };
  return Promise.all(
    held.map(async (here) => {
      if (typeof from === 'number') assertThere(from, here, 'from');
      if (typeof to === 'number') assertThere(to, here, 'to');
      const [first, end] = await Promise.all([offsetOf(from, here), offsetOf(to, here)]);
      return clamp(first, end, here);
    }),
  );
}

function clamp(from: number, to: number, { partition, first, next }: Held): StreamRange {
  const within = (offset: number) => Math.min(next, Math.max(first, offset));
  // Points of different kinds may cross in one partition and not in another: nothing lies between them there.
  return { partition, from: within(from), to: Math.max(within(from), within(to)) };
}

/** Whether no partition can have anything between two points, by what they say alone. */
function isAfter(from: StreamPoint, to: StreamPoint): boolean {
  if (typeof from === 'number' && typeof to === 'number') return from > to;
  if (from === 'latest') return to !== 'latest';
  if (to === 'earliest') return from !== 'earliest';
  if (typeof from !== 'string' || typeof to !== 'string') return false;
  return Date.parse(from) > Date.parse(to); // "earliest" and "latest" are no times: never after.
}

function assertThere(offset: number, { partition, first }: Held, path: string): void {
  if (offset >= first) return;
  const message = `offset ${offset} of partition ${partition} is gone; the first available is ${first}`;
  throw new ProblemError('gone', message, [{ path: `input.${path}`, message }]);
}
