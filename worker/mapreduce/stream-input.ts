// A stream's range as a job's input: which offsets each partition has between two points, and where those events
// lie. The range is pinned in the logs, so that retention leaves it alone while the job reads it.
import { SPLIT_MAX_BYTES } from '../../shared/limits.ts';
import type { StreamPoint } from '../../shared/schemas/common.ts';
import type { StreamInput, StreamRange } from '../../shared/schemas/job.ts';
import type { Env } from '../platform/env.ts';
import { catalog, logObject } from '../platform/objects.ts';
import { notFound, ProblemError } from '../platform/problem.ts';
import type { StreamDefinition } from '../streaming/names.ts';
import type { JobRecord } from './job-record.ts';
import type { PinnedStream } from './job.rpc.ts';

/** What a partition holds: offsets [first, next). */
export interface Held {
  partition: number;
  first: number;
  next: number;
}

/** The offsets of a partition that points stand for; times are looked up by the log. */
export type OffsetAt = (partition: number, timeMs: number) => Promise<number>;

const invalid = (path: string, message: string) =>
  new ProblemError('invalid_request', message, [{ path: `input.${path}`, message }]);

/** Finds the stream. Throws `not_found`, naming the field. */
export async function streamOfInput(env: Env, input: StreamInput): Promise<StreamDefinition> {
  const definition = await catalog(env).stream(input.stream);
  if (definition) return definition;
  const missing = notFound(`stream ${input.stream}`);
  missing.errors.push({ path: 'input.stream', message: missing.message });
  throw missing;
}

/** What the input means now, partition by partition. Throws `invalid_request` and `gone`. */
export async function rangesOfInput(
  env: Env,
  stream: StreamDefinition,
  input: StreamInput,
): Promise<StreamRange[]> {
  const partitions = input.ranges
    ? input.ranges.map(({ partition }) => partition)
    : Array.from({ length: stream.partitions }, (_, partition) => partition);
  const outside = partitions.findIndex((partition) => partition >= stream.partitions);
  if (outside >= 0) {
    const message = `the stream ${stream.name} has ${stream.partitions} partitions, the first is 0`;
    throw invalid(`ranges.${outside}.partition`, message);
  }
  const log = (partition: number) => logObject(env, { uid: stream.uid, partition });
  const held = await Promise.all(
    partitions.map(async (partition): Promise<Held> => {
      const status = await log(partition).status();
      return { partition, first: status?.first ?? 0, next: status?.next ?? 0 };
    }),
  );
  return resolveRanges(input, held, (partition, timeMs) => log(partition).resolve({ timeMs }));
}

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

/** Pins the ranges and says where their events lie, in pieces of at most about `splitBytes`. Throws `gone`. */
export async function pinStream(
  env: Env,
  job: string,
  stream: StreamDefinition,
  ranges: StreamRange[],
  splitBytes: number,
): Promise<PinnedStream> {
  const reading = ranges.filter(({ from, to }) => from < to);
  const pinned: PinnedStream = {
    uid: stream.uid,
    partitions: reading.map(({ partition }) => partition),
    bytes: 0,
    pieces: [],
  };
  try {
    const found = await Promise.all(
      reading.map(async (range) => {
        const log = logObject(env, { uid: stream.uid, partition: range.partition });
        const pieces = await log.pin(
          job,
          range.from,
          range.to,
          Math.min(splitBytes, SPLIT_MAX_BYTES),
        );
        const events = pieces.reduce((sum, piece) => sum + piece.events, 0);
        // Retention was faster.
        if (events !== range.to - range.from) {
          const first = (await log.status())?.first ?? range.to;
          const message = `events ${range.from} to ${first} of partition ${range.partition} are gone; the first available is ${first}`;
          throw new ProblemError('gone', message, [{ path: 'input', message }]);
        }
        return pieces;
      }),
    );
    for (const { key, start, end } of found.flat()) {
      pinned.pieces.push({ key, start, end });
      pinned.bytes += end - start;
    }
  } catch (error) {
    await unpinStream(env, job, pinned);
    throw error;
  }
  return pinned;
}

export async function unpinStream(
  env: Env,
  job: string,
  stream: JobRecord['submission']['stream'] | undefined,
): Promise<void> {
  if (!stream) return;
  await Promise.all(
    stream.partitions.map((partition) => logObject(env, { uid: stream.uid, partition }).unpin(job)),
  );
}
