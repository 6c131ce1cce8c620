// A stream's range as a job's input: looks up what the partitions hold, and where the events of the range lie.
// It is pinned in the logs, so that retention leaves it alone while the job reads it.
import { SPLIT_MAX_BYTES } from '../../../shared/limits.ts';
import type { StreamInput, StreamRange } from '../../../shared/schemas/job.ts';
import type { Env } from '../../platform/env.ts';
import { catalog, logObject } from '../../stubs.ts';
import { notFound, ProblemError } from '../../platform/problem.ts';
import type { StreamDefinition } from '../../contracts/names.ts';
import type { Piece, PinnedStream } from '../../contracts/job.rpc.ts';
import { type Held, invalid, resolveRanges } from './stream-range.ts';

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

/** Pins the ranges and says where their events lie, in pieces of at most about `splitBytes`. Throws `gone`. */
export async function pinStream(
  env: Env,
  job: string,
  stream: StreamDefinition,
  ranges: StreamRange[],
  splitBytes: number,
): Promise<{ pinned: PinnedStream; pieces: Piece[] }> {
  const reading = ranges.filter(({ from, to }) => from < to);
  const pinned: PinnedStream = {
    uid: stream.uid,
    partitions: reading.map(({ partition }) => partition),
    bytes: 0,
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
    const pieces = found.flat().map(({ key, start, end }) => ({ key, start, end }));
    for (const { start, end } of pieces) pinned.bytes += end - start;
    return { pinned, pieces };
  } catch (error) {
    await unpinStream(env, job, pinned);
    throw error;
  }
}

export async function unpinStream(
  env: Env,
  job: string,
  stream: PinnedStream | null,
): Promise<void> {
  if (!stream) return;
  await Promise.all(
    stream.partitions.map((partition) => logObject(env, { uid: stream.uid, partition }).unpin(job)),
  );
}
