// What others may ask of a BatchObject: the windows of one batch processor (of one generation of it). A window is
// ranges of the log, never a copy of events.
import type { List } from '../../shared/schemas/common.ts';
import type { MapReduceSpec, TaskError } from '../../shared/schemas/job.ts';
import type {
  Batch,
  BatchReason,
  DeadLetter,
  OpenWindow,
  PartitionLag,
  ProcessorCounters,
  ProcessorSpec,
  RedriveBody,
} from '../../shared/schemas/processor.ts';
import type { EventSource } from '../../shared/schemas/stream.ts';
import type { ConsumerConfig } from './consumer.rpc.ts';
import type { Point } from './log.rpc.ts';
import type { StreamDefinition } from './names.ts';

export interface BatchConfig {
  processor: string;
  processorUid: string;
  generation: number;
  version: number;
  spec: Extract<ProcessorSpec, { kind: 'batch' }>;
  streams: StreamDefinition[];
  program: { key: string; hash: string } | null;
  guard: boolean;
  paused: boolean;
}

/** Work for the dispatcher that a wake-up started. The lease is the number of the attempt: an older one reports nothing. */
export type BatchWork = { window: number; lease: number } & (
  | {
      kind: 'function';
      program: Pick<
        ConsumerConfig,
        'programKey' | 'programHash' | 'guard' | 'types' | 'services' | 'params' | 'version'
      >;
      batch: { reason: BatchReason; events: number; bytes: number; attempt: number };
      ranges: BatchRange[];
      emit: Emit;
    }
  /** Its code has run already, by somebody who died: what it decided is to be appended and reported. */
  | { kind: 'effects'; emit: Emit; effects: BatchEffects }
  | {
      kind: 'job';
      spec: MapReduceSpec;
      idempotencyKey: string;
      /** The job that failed: tried again where that is possible. */
      retryJob: string | null;
    }
);

/** Where outputs go: appended once, under this producer, from this sequence on. */
export interface Emit {
  output: string | null;
  source: EventSource;
  producer: string;
  firstSequence: number;
  /** The ids of outputs that the code gave none begin so. */
  idPrefix: string;
}

/** What a window's code decided: NDJSON of EventInput. Stored before anything is appended. */
export interface BatchEffects {
  outputs: string;
  log: string[];
}

export type BatchReport =
  | {
      kind: 'done';
      emitted: number;
      duplicates: number;
      log: string[];
      operations: Record<string, number>;
    }
  /** `final`: another try would end the same way. */
  | { kind: 'failed'; error: TaskError; final: boolean; log: string[] }
  | { kind: 'submitted'; job: string }
  /** Retention took what lies before `first` of one of its ranges. */
  | { kind: 'expired'; streamUid: string; partition: number; first: number }
  /** Not the window's fault: the output is full, the program or R2 cannot be reached. */
  | { kind: 'blocked'; reason: string };

export interface BatchStatus {
  lag: Omit<PartitionLag, 'lag'>[];
  openWindow: OpenWindow;
  counters: ProcessorCounters;
  latency: number[];
  deadLetters: number;
  log: string[];
  operations: Record<string, number>;
}

export interface BatchRpc {
  configure(config: BatchConfig, startFrom: Point): Promise<void>;
  /** A wake-up of one partition: counts what came, fires when a bound is met. */
  look(streamUid: string, partition: number): Promise<void>;
  /** A wake-up of a window that fired: the work, with its lease. Null: somebody has it, it has run, or it may not. */
  begin(window: number): Promise<BatchWork | null>;
  /** A run goes on. False: its lease is over, stop. */
  alive(window: number, lease: number): Promise<boolean>;
  /** Keeps what is about to be appended. False: the lease is over, and nothing may be appended. */
  prepare(window: number, lease: number, effects: BatchEffects): Promise<boolean>;
  /** Ends a run's lease; `more`: answers the next window's work, if there is one. */
  report(
    window: number,
    lease: number,
    report: BatchReport,
    more: boolean,
  ): Promise<BatchWork | null>;
  drain(): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends it for good, for a replay that takes over: the ends of what was run, by partition. */
  stop(): Promise<{ streamUid: string; partition: number; committed: number }[]>;
  committed(): Promise<{ streamUid: string; partition: number; committed: number }[]>;
  status(): Promise<BatchStatus | null>;
  batches(cursor: string | undefined, limit: number): Promise<List<Batch>>;
  deadLetters(cursor: string | undefined, limit: number): Promise<List<DeadLetter>>;
  redrive(body: RedriveBody): Promise<number>;
  delete(): Promise<void>;
}

/** Offsets [from, to) of one partition. */
export interface BatchRange {
  stream: string;
  streamUid: string;
  partition: number;
  from: number;
  to: number;
}
