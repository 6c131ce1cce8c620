// Appends a request's events to a stream: claim-check, pack, one call per piece to the partitions, side by side. What
// can be refused is refused before any event is appended; what fails half-way says how far it came.
import { isoTime } from '../../shared/iso-time.ts';
import { CONNECTIONS_MAX } from '../../shared/limits.ts';
import { partitionOf } from '../../shared/mapreduce/hash.ts';
import type { Claim } from '../../shared/schemas/claim.ts';
import type { Appended } from '../../shared/schemas/stream.ts';
import { checkIn } from '../claim-check/check-in.edge.ts';
import type { Env } from '../platform/env.ts';
import { newId } from '../platform/new-id.edge.ts';
import { logObject } from '../stubs.ts';
import { ProblemError } from '../platform/problem.ts';
import { sha256Hex } from '../platform/sha256.ts';
import { sideBySide } from '../platform/side-by-side.ts';
import type { NewEvent } from './events.ts';
import type { Append, AppendOutcome, LogRpc } from '../contracts/log.rpc.ts';
import type { PartitionRef, StreamDefinition } from '../contracts/names.ts';
import { byPartition, type Packing, piecesOf } from './pack.ts';
import { streamAgain } from './streams.edge.ts';

export interface AppendOptions {
  /** An idempotent producer. `sequences[i]` is event i's (not decreasing): what came before is a duplicate. */
  producer?: { id: string; sequences: number[] };
  /** Ids for events that have none: the same again when they are sent again, so that they go to the same partition. */
  ids?: string[];
  /** An Idempotency-Key and the digest of the body that came with it. */
  request?: { key: string; digest: string };
}

/**
 * Appends; events of one partition keep their order. Throws ProblemErrors: `not_found` (stream or claim), `gone` (a
 * claim), `conflict` (the key came with another body), `invalid_request`, `too_large`, `stream_full`, `unavailable`.
 * After the last two a part of the events may be in the stream: sent again by the same producer, with the same key
 * or with the same ids, only the others are appended.
 */
export async function appendEvents(
  env: Env,
  stream: StreamDefinition,
  events: NewEvent[],
  options: AppendOptions = {},
): Promise<Appended> {
  if (events.length === 0) return { accepted: 0, duplicates: 0, offsets: [] };
  const nowMs = Date.now();
  try {
    await claimRequest(env, stream, options);
    const claims = await checkIn(env, events, stream.claimCheckBytes, nowMs);
    return await new Appending(env, stream, events, claims, options, nowMs).run();
  } catch (error) {
    if (!(error instanceof StreamReplaced)) throw error;
    // The definition was out of date, and nothing was appended to what is no longer there. Once more.
    await claimRequest(env, error.stream, options);
    const claims = await checkIn(env, events, error.stream.claimCheckBytes, nowMs);
    return await new Appending(env, error.stream, events, claims, options, nowMs).run();
  }
}

/** The stream was deleted and made again under the same name. */
class StreamReplaced extends ProblemError {
  readonly stream: StreamDefinition;

  constructor(stream: StreamDefinition) {
    super('conflict', `the stream ${stream.name} was deleted and made again meanwhile`);
    this.stream = stream;
  }
}

/** Throws `conflict` when the key came with another body. */
async function claimRequest(
  env: Env,
  stream: StreamDefinition,
  { request }: AppendOptions,
): Promise<void> {
  if (!request) return;
  const { key, digest } = request;
  const home = partitionOf(key, stream.partitions);
  const claimed = await askLog(env, stream, home, (log) => log.claimRequest(key, digest));
  if (claimed === 'conflict') {
    throw new ProblemError('conflict', 'this Idempotency-Key came with another body before');
  }
}

class Appending {
  readonly #env: Env;
  readonly #stream: StreamDefinition;
  readonly #events: NewEvent[];
  readonly #claims: Map<number, Claim>;
  readonly #options: AppendOptions;
  readonly #time: string;
  #accepted = 0;
  #duplicates = 0;
  readonly #offsets: Appended['offsets'] = [];
  readonly #full: string[] = [];

  constructor(
    env: Env,
    stream: StreamDefinition,
    events: NewEvent[],
    claims: Map<number, Claim>,
    options: AppendOptions,
    nowMs: number,
  ) {
    this.#env = env;
    this.#stream = stream;
    this.#events = events;
    this.#claims = claims;
    this.#options = options;
    this.#time = isoTime(nowMs);
  }

  async run(): Promise<Appended> {
    const { producer, request } = this.#options;
    const packing: Packing = {
      partitions: this.#stream.partitions,
      idBase: await this.#idBase(),
      ids: this.#options.ids,
      time: this.#time,
      claims: this.#claims,
      sequences: producer?.sequences ?? null,
      repeatable: request !== undefined,
    };
    const partitions = [...byPartition(this.#events, packing)];
    try {
      await sideBySide(partitions, CONNECTIONS_MAX, ([partition, places]) =>
        this.#appendTo(partition, places, packing),
      );
    } catch (error) {
      throw this.#shown(error);
    }
    if (this.#full.length > 0) {
      throw new ProblemError('stream_full', `${this.#full.join('; ')}; ${this.#soFar()}`);
    }
    this.#offsets.sort((a, b) => a.partition - b.partition || a.first - b.first);
    return { accepted: this.#accepted, duplicates: this.#duplicates, offsets: this.#offsets };
  }

  /** A request that comes again has the same ids, and so the same partitions. */
  async #idBase(): Promise<string> {
    const { request } = this.#options;
    if (!request) return newId('event', Date.now());
    return `event_${(await sha256Hex(`${this.#stream.uid}/${request.key}`)).slice(0, 20)}`;
  }

  async #appendTo(partition: number, places: number[], packing: Packing): Promise<void> {
    const { producer, request } = this.#options;
    let piece = 0;
    for (const { sequences, ...packed } of piecesOf(this.#events, places, packing)) {
      const batch: Append = {
        ...packed,
        producer: producer && sequences ? { id: producer.id, sequences } : null,
        request: request ? { key: request.key, piece: piece++ } : null,
      };
      const outcome = await askLog(this.#env, this.#stream, partition, (log) => log.append(batch));
      if (!this.#took(partition, outcome)) return;
    }
  }

  /** False: the partition takes no more. */
  #took(partition: number, outcome: Exclude<AppendOutcome, { kind: 'unknown' }>): boolean {
    if (outcome.kind === 'full') {
      const { bytes, maxBytes } = outcome;
      this.#full.push(`partition ${partition} is full: it has ${bytes} of ${maxBytes} bytes`);
      return false;
    }
    const { accepted, duplicates, first } = outcome;
    this.#accepted += accepted;
    this.#duplicates += duplicates;
    if (first === null || accepted === 0) return true;
    const last = first + accepted - 1;
    const before = this.#offsets.findLast((range) => range.partition === partition);
    if (before?.last === first - 1) before.last = last;
    else this.#offsets.push({ partition, first, last });
    return true;
  }

  #soFar(): string {
    const there = this.#duplicates > 0 ? `, ${this.#duplicates} were there already` : '';
    return `${this.#accepted} of the ${this.#events.length} events were appended${there}`;
  }

  /** What the platform may do at any time is no fault of ours: sent again, it will probably work. */
  #shown(error: unknown): unknown {
    if (!isPassing(error)) return error;
    console.error(error);
    return new ProblemError(
      'unavailable',
      `a partition could not be reached; ${this.#soFar()}, and maybe more: send them again with the same ids or the same Idempotency-Key`,
    );
  }
}

/** The platform's word for a DO that moved, was restarted, or has too much to do. */
const isPassing = (error: unknown): boolean =>
  error instanceof Error &&
  (('retryable' in error && error.retryable === true) ||
    ('overloaded' in error && error.overloaded === true));

/** Asks a partition; one that is unknown is asked once more when the stream is still the same. */
async function askLog<Answer>(
  env: Env,
  { name, uid }: StreamDefinition,
  partition: number,
  ask: (log: LogRpc) => Promise<Answer>,
): Promise<Exclude<Answer, 'unknown' | { kind: 'unknown' }>> {
  const ref: PartitionRef = { stream: name, uid, partition };
  for (let tries = 1; ; tries++) {
    const answer = await ask(logObject(env, ref));
    if (!isUnknown(answer)) return answer as Exclude<Answer, 'unknown' | { kind: 'unknown' }>;
    if (tries > 1) {
      throw new ProblemError('unavailable', `partition ${partition} of ${name} is not there yet`);
    }
    const current = await streamAgain(env, ref);
    if (current.uid !== uid) throw new StreamReplaced(current);
  }
}

const isUnknown = (answer: unknown): boolean =>
  answer === 'unknown' ||
  (typeof answer === 'object' && answer !== null && 'kind' in answer && answer.kind === 'unknown');
