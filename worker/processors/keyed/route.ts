// Brings a batch of one partition to the shards of its keys: each gets its lines in one call, and what they answer is
// put together to what running a batch comes to, so that the consumer need not know of shards.
import { CONNECTIONS_MAX, SKEW_DEFAULT_MS } from '../../../shared/limits.ts';
import { partitionOf } from '../../../shared/mapreduce/hash.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import { keyTaker } from '../../../shared/streaming/key-path.ts';
import { sideBySide } from '../../platform/side-by-side.ts';
import type { RunCall, RunOutcome } from '../../contracts/consumer.rpc.ts';
import { eventTimeMs } from '../../../shared/streaming/event-time.ts';
import type { Routed, RoutedBatch, Routing } from '../../contracts/shard.rpc.ts';

export type ApplyTo = (shard: number, batch: RoutedBatch) => Promise<Routed>;

/** Lines of a partition, by shard. */
interface Split {
  shards: Map<number, { lines: string[]; keys: string[] }>;
  /** Offsets of the events that shards get. */
  taken: number[];
  /** Offsets of events of other types. */
  passedOver: number[];
  /** Events without a usable key: no attempt makes one. */
  refused: { offset: number; error: TaskError }[];
  maxTimeMs: number | null;
}

/** A shard's isolate died, and it is unknown which event killed it. */
export class RoutedCrashError extends Error {
  readonly error: TaskError;
  constructor(error: TaskError) {
    super(error.message);
    this.error = error;
  }
}

/** Throws RoutedCrashError, and other errors for what is not the events' fault. */
export async function route(
  routing: Routing,
  types: readonly string[] | null,
  call: RunCall,
  apply: ApplyTo,
): Promise<RunOutcome> {
  const split = splitLines(routing, types, call);
  const batches = batchesOf(routing, call, split);
  const answers = await sideBySide(batches, CONNECTIONS_MAX, ([shard, batch]) =>
    apply(shard, batch),
  );
  return together(split, answers);
}

function splitLines(
  { shards, keyBy, time, skewMs = SKEW_DEFAULT_MS }: Routing,
  types: readonly string[] | null,
  { text, appendedAt }: RunCall,
): Split {
  const takeKey = keyTaker(keyBy);
  const wanted = types && new Set(types);
  const split: Split = {
    shards: new Map(),
    taken: [],
    passedOver: [],
    refused: [],
    maxTimeMs: null,
  };
  let run = 0;
  for (const line of text === '' ? [] : text.split('\n')) {
    const event = JSON.parse(line) as { offset: number; type: string };
    const { offset, type } = event;
    if (wanted && !wanted.has(type)) {
      split.passedOver.push(offset);
      continue;
    }
    const taken = takeKey(event);
    if (!taken.ok) {
      split.refused.push({ offset, error: taken.error });
      continue;
    }
    const shard = partitionOf(taken.key, shards);
    let own = split.shards.get(shard);
    if (!own) split.shards.set(shard, (own = { lines: [], keys: [] }));
    own.lines.push(line);
    own.keys.push(taken.key);
    split.taken.push(offset);
    if (time === null) continue;
    while ((appendedAt[run + 1]?.offset ?? Infinity) <= offset) run++;
    const atMs = eventTimeMs(event, time);
    if (atMs === null || atMs > (appendedAt[run]?.atMs ?? Infinity) + skewMs) continue;
    if (split.maxTimeMs === null || atMs > split.maxTimeMs) split.maxTimeMs = atMs;
  }
  return split;
}

function batchesOf(
  { shards, source }: Routing,
  { appendedAt, attempt, final, redrive, settled }: RunCall,
  split: Split,
): [shard: number, batch: RoutedBatch][] {
  // What is run again moves no clock: it was there before.
  const clock = split.maxTimeMs === null || redrive ? null : { maxTimeMs: split.maxTimeMs };
  // How far event time has come is for all to know, also those whose keys are not among the batch's.
  const asked = clock
    ? Array.from({ length: shards }, (_, shard) => shard)
    : [...split.shards.keys()];
  return asked.map((shard) => {
    const { lines, keys } = split.shards.get(shard) ?? { lines: [], keys: [] };
    const text = lines.join('\n');
    return [shard, { source, text, keys, appendedAt, attempt, final, redrive, clock, settled }];
  });
}

function together(split: Split, answers: readonly Routed[]): RunOutcome {
  const failures: RunOutcome['failures'] = [];
  let stoppedAt: number | null = null;
  let crash: TaskError | null = null;
  for (const answer of answers) {
    if (answer.kind === 'blocked') throw new Error(answer.reason);
    if (answer.kind === 'crashed') {
      crash ??= answer.error;
      continue;
    }
    failures.push(...answer.failures);
    if (answer.stoppedAt !== null) stoppedAt = Math.min(stoppedAt ?? Infinity, answer.stoppedAt);
  }
  if (crash) throw new RoutedCrashError(crash);
  const end = stoppedAt ?? Infinity;
  const failed = failures.filter(({ offset }) => offset < end).sort((a, b) => a.offset - b.offset);
  const before = (offsets: number[]) => offsets.filter((offset) => offset < end).length;
  return {
    outputs: '',
    outputOffsets: [],
    processed: before(split.taken) - failed.length,
    passedOver: before(split.passedOver),
    failures: failed,
    refused: split.refused,
    stoppedAt,
    log: [],
  };
}
