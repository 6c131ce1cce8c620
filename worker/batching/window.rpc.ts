// What others may ask of a WindowObject: the windows of one batch processor (of one generation of it). A window is
// ranges of the log, never a copy of events.
import type { List } from '../../shared/schemas/common.ts';
import type {
  Batch,
  DeadLetter,
  PartitionLag,
  ProcessorCounters,
  ProcessorSpec,
  RedriveBody,
} from '../../shared/schemas/processor.ts';
import type { Point } from '../streaming/log.rpc.ts';
import type { StreamDefinition } from '../streaming/names.ts';

export interface WindowConfig {
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

export interface WindowStatus {
  lag: Omit<PartitionLag, 'lag'>[];
  counters: ProcessorCounters;
  latency: number[];
  deadLetters: number;
  log: string[];
  operations: Record<string, number>;
}

export interface WindowRpc {
  configure(config: WindowConfig, startFrom: Point): Promise<void>;
  /** A bell of one partition: counts what came, fires when a bound is met. */
  look(streamUid: string, partition: number): Promise<void>;
  /** A bell of a window that fired: runs it (function, or the start of its job). */
  run(window: number): Promise<void>;
  drain(): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends it for good, for a replay that takes over: the ends of what was run, by partition. */
  stop(): Promise<{ streamUid: string; partition: number; committed: number }[]>;
  committed(): Promise<{ streamUid: string; partition: number; committed: number }[]>;
  status(): Promise<WindowStatus | null>;
  batches(cursor: string | undefined, limit: number): Promise<List<Batch>>;
  deadLetters(cursor: string | undefined, limit: number): Promise<List<DeadLetter>>;
  redrive(body: RedriveBody): Promise<number>;
  forget(): Promise<void>;
}
