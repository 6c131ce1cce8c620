// What others may ask of a ConsumerObject: the place of one processor in one partition. It holds the committed
// offset, the lease, the retries and the dead letters; it never sees the events that go well.
import type { List } from '../../shared/schemas/common.ts';
import type { TaskError } from '../../shared/schemas/job.ts';
import type {
  DeadLetter,
  PartitionLag,
  ProcessorCounters,
  RedriveBody,
  RetrySpec,
  ServiceSpec,
} from '../../shared/schemas/processor.ts';
import type { Json } from '../../shared/schemas/common.ts';
import type { z } from 'zod';
import type { ConsumerRef } from './names.ts';

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
  services: Record<string, z.infer<typeof ServiceSpec>>;
  params: Json;
  retry: RetrySpec;
  paused: boolean;
}

/** Work for whoever a bell woke. A lease is fenced by its number: an older one commits nothing. */
export type ConsumerWork =
  | {
      kind: 'events';
      lease: number;
      config: ConsumerConfig;
      from: number;
      /** While a batch is tried again, or bisected, no more than up to here (not included). */
      to: number | null;
      attempt: number;
    }
  | {
      kind: 'redrive';
      lease: number;
      config: ConsumerConfig;
      letters: { id: string; offset: number; line: string; attempt: number }[];
    };

/** Failed for reasons that are not the events' fault: the output is full, the program or R2 cannot be reached. */
export interface Blocked {
  kind: 'blocked';
  reason: string;
}

export type Report =
  | {
      kind: 'ran';
      /** The batch was [from, to). */
      from: number;
      to: number;
      processed: number;
      passedOver: number;
      emitted: number;
      duplicates: number;
      /**
       * Effects are there for all events before the first failure, or for all that did not fail when `final`.
       * `line` is the event, for the dead letters.
       */
      failures: { offset: number; line: string; error: TaskError }[];
      /** Log₂ buckets of milliseconds from append to now: see latency.ts. */
      latency: number[];
      log: string[];
      operations: Record<string, number>;
    }
  /** The isolate died and nobody knows of which event; the batch had these bounds. */
  | { kind: 'crashed'; from: number; to: number; error: TaskError; line: string | null }
  /** Retention took [from, to) before it was read. */
  | { kind: 'expired'; from: number; to: number }
  | {
      kind: 'redriven';
      letters: { id: string; error: TaskError | null }[];
      emitted: number;
      log: string[];
    }
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
  configure(config: ConsumerConfig, startFrom: import('./log.rpc.ts').Point): Promise<void>;
  /** Null: leased by somebody else (who will look again), paused, resting, or stopped. */
  begin(): Promise<ConsumerWork | null>;
  /** Takes a report and gives the next work of the same lease; null: leave, the lease is over. */
  report(lease: number, report: Report): Promise<ConsumerWork | null>;
  /**
   * Nothing more was found at `at`. True: the lease is over. False: go on, a bell came meanwhile.
   * `again` also ends the lease: the next bell goes on.
   */
  rest(lease: number, at: number): Promise<boolean>;
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
  /** Takes over another generation's dead letters. */
  adopt(letters: AdoptedLetter[]): Promise<void>;
  /** All dead letters with their event lines, for `adopt`. */
  surrender(): Promise<AdoptedLetter[]>;
  forget(): Promise<void>;
}

export interface AdoptedLetter {
  id: string;
  offset: number;
  line: string;
  error: TaskError;
  attempts: number;
  atMs: number;
}
