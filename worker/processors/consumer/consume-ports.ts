// What consuming touches: the consumer's object, the log, the isolate, the output stream, the clock. Tests give
// it others.
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { ProcessOutcome } from '../../../shared/streaming/process.ts';
import type { ConsumerConfig, ConsumerRpc, ConsumerWork } from '../../contracts/consumer.rpc.ts';
import type { OutputEvents } from './effects.ts';
import type { PartitionRef } from '../../contracts/names.ts';
import type { ReadEvents } from '../../log/read-events.ts';

export type ConsumerSide = Pick<
  ConsumerRpc,
  'begin' | 'prepare' | 'renew' | 'report' | 'rest' | 'leave'
>;

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

export interface ConsumePorts {
  consumer: ConsumerSide;
  read(
    source: PartitionRef,
    from: number,
    bounds: { maxEvents: number; maxBytes: number },
  ): Promise<ReadEvents>;
  run(config: ConsumerConfig, call: RunCall): Promise<RunOutcome>;
  /** The partition was read to its end: for those who keep event time. */
  rested(config: ConsumerConfig, at: number): Promise<void>;
  /** Throws OutputMissingError when there is no such stream. */
  append(
    output: string,
    outputs: OutputEvents,
    producer: string,
  ): Promise<{ accepted: number; duplicates: number }>;
  /** What killed the isolate; null for everything that is not the code's fault. */
  crashOf(error: unknown): TaskError | null;
  nowMs(): number;
  /** Calls `work` again and again until the answer is called. */
  every(ms: number, work: () => void): () => void;
}

export class OutputMissingError extends Error {}

export type WorkOf<Kind extends ConsumerWork['kind']> = Extract<ConsumerWork, { kind: Kind }>;
