// What others may ask of a ConsumerObject: the place of one processor in one partition. It holds the committed
// offset, the lease, the retries and the dead letters; it never sees the events that go well.
import type { Json, List } from '../../shared/schemas/common.ts';
import type { TaskError } from '../../shared/schemas/job.ts';
import type {
  DeadLetter,
  PartitionLag,
  ProcessorCounters,
  RedriveBody,
  RetrySpec,
  ServiceSpec,
} from '../../shared/schemas/processor.ts';
import type { Routing } from './shard.rpc.ts';
import type { Point } from './log.rpc.ts';
import type { ConsumerRef } from './names.ts';
import type { ProcessOutcome } from '../../shared/streaming/process.ts';

/** What a consumer has to know of its processor. */
export interface ConsumerConfig {
  ref: ConsumerRef;
  version: number;
  /** R2 key and SHA-256 of the compiled program. */
  programKey: string;
  programHash: string;
  guard: boolean;
  types: string[] | null;
  output: string | null;
  services: Record<string, ServiceSpec>;
  params: Json;
  retry: RetrySpec;
  paused: boolean;
  /** A replay: this generation tells its processor when it has caught up. */
  rebuilding: boolean;
  /** Keyed processors: events go to shards, by key. Null: the code runs on its own. Older rows have no such field. */
  routing?: Routing | null;
}

/** Outputs as NDJSON of EventInput, in order, with each one's sequence (rising) for an idempotent producer. */
export interface Outputs {
  producer: string;
  text: string;
  /** The offset that each output comes from. */
  offsets: number[];
}

/**
 * What a run decided: what is appended, and what is then reported. It is stored before anything is appended, so
 * that the dispatcher after a crash finishes it instead of running the code again, which might decide otherwise.
 */
export interface Effects {
  output: string;
  version: number;
  outputs: Outputs[];
  report: RanReport | RedrivenReport;
}

/** Work for the dispatcher that a wake-up started. A lease is fenced by its number: an older one commits nothing. */
export type ConsumerWork =
  | {
      kind: 'events';
      lease: number;
      config: ConsumerConfig;
      from: number;
      /** While a batch is tried again, or bisected, no more than up to here (not included). */
      to: number | null;
      attempt: number;
      /** The last attempt: what fails now goes to the dead letters. */
      final: boolean;
    }
  | {
      kind: 'redrive';
      lease: number;
      config: ConsumerConfig;
      letters: { id: string; offset: number; line: string; attempt: number }[];
    }
  /** Decided by somebody who died: to be appended and reported. */
  | { kind: 'effects'; lease: number; config: ConsumerConfig; effects: Effects };

/** Failed for reasons that are not the events' fault: the output is full, the program or R2 cannot be reached. */
export interface Blocked {
  kind: 'blocked';
  reason: string;
}

export interface EventFailure {
  offset: number;
  /** The event, for the dead letters; empty while it will be tried again. */
  line: string;
  error: TaskError;
}

export interface RanReport {
  kind: 'ran';
  /** The batch was [from, to). */
  from: number;
  to: number;
  /** Failures are dead letters; otherwise effects are there for the events before the first failure only. */
  final: boolean;
  processed: number;
  passedOver: number;
  emitted: number;
  duplicates: number;
  failures: EventFailure[];
  /** Events whose outputs the output stream will never take: dead letters at once. */
  refused: EventFailure[];
  /** Log₂ buckets of milliseconds from append to now: see latency.ts. */
  latency: number[];
  log: string[];
  operations: Record<string, number>;
}

export interface RedrivenReport {
  kind: 'redriven';
  /** `attempt`: which one this was, so that what was dead-lettered anew meanwhile stays. Older rows have no such field. */
  letters: { id: string; offset: number; attempt?: number; error: TaskError | null }[];
  emitted: number;
  duplicates: number;
  log: string[];
  operations: Record<string, number>;
}

export type Report =
  | RanReport
  | RedrivenReport
  /** The isolate died, and it is unknown which event killed it; the batch had these bounds. `line`: of a single event. */
  | { kind: 'crashed'; from: number; to: number; error: TaskError; line: string | null }
  /** Retention took [from, to) before it was read. */
  | { kind: 'expired'; from: number; to: number }
  | Blocked;

export interface ConsumerStatus {
  lag: Omit<PartitionLag, 'lag'>;
  counters: ProcessorCounters;
  /** Buckets of the last minutes. */
  latency: number[];
  deadLetters: number;
  log: string[];
  operations: Record<string, number>;
}

export interface ConsumerRpc {
  /** Subscribes to the partition, or takes over a changed definition. Idempotent. */
  configure(config: ConsumerConfig, startFrom: Point): Promise<void>;
  /** Null: leased by somebody else (who will look again), paused, resting, or stopped. */
  begin(): Promise<ConsumerWork | null>;
  /** Keeps what is about to be appended. False: the lease is somebody else's by now, and nothing may be appended. */
  prepare(lease: number, effects: Effects): Promise<boolean>;
  /** The batch still runs. False: the lease is lost. */
  renew(lease: number): Promise<boolean>;
  /** Takes a report and gives the next work of the same lease; null: leave, the lease is over. */
  report(lease: number, report: Report): Promise<ConsumerWork | null>;
  /** Nothing more was found at `at`: answers null, and the lease is over, unless there is something to do after all. */
  rest(lease: number, at: number): Promise<ConsumerWork | null>;
  /** Ends the lease though there may be more to do: the next wake-up is sent. */
  leave(lease: number): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends the lease for good, for a replay that takes over: answers the committed offset. */
  stop(): Promise<number>;
  committed(): Promise<number>;
  status(): Promise<ConsumerStatus | null>;
  deadLetters(cursor: string | undefined, limit: number): Promise<List<DeadLetter>>;
  /** How many are to be run again; those of `ids` that are not here are not counted. */
  redrive(body: RedriveBody, fromMs: number): Promise<number>;
  /** Takes another generation's dead letters from before this one's start: it read all later events itself. */
  receiveDeadLetters(letters: Letter[]): Promise<void>;
  /**
   * Adds events that a shard lost (a join that timed out), and counts them. Idempotent by offset while they lie here. Answers why it takes none, or null.
   */
  addDeadLetters(letters: Letter[]): Promise<string | null>;
  /** Dead letters after the offset `after` with their event lines, some MiB of them; empty: that was all. */
  deadLettersToTransfer(after: number): Promise<Letter[]>;
  delete(): Promise<void>;
}

/** A dead letter with its event. */
export interface Letter {
  id: string;
  offset: number;
  line: string;
  error: TaskError;
  attempts: number;
  atMs: number;
}

/** A batch to be run. Shards need to know more of it than an isolate does. */
export interface RunCall {
  /** Event lines (NDJSON). */
  text: string;
  attempt: number;
  final: boolean;
  redrive: boolean;
  /** Events from `offset` on (until the next entry) were appended at `atMs`. */
  appendedAt: { offset: number; atMs: number }[];
  /** Everything before is committed; 0 where nothing is to follow from that. */
  settled: number;
}

export interface RunOutcome extends ProcessOutcome {
  /** Events that no further attempt would help: not among the failures, nor among those processed. */
  refused?: { offset: number; error: TaskError }[];
}
