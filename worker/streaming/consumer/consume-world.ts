// What consuming touches: the consumer's object, the log, the isolate, the output stream, the clock. Tests give
// it others.
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { ProcessOutcome } from '../../../shared/streaming/process.ts';
import type { ConsumerConfig, ConsumerRpc, ConsumerWork } from './consumer.rpc.ts';
import type { OutputEvents } from './effects.ts';
import type { PartitionRef } from '../names.ts';
import type { ReadEvents } from '../read-events.ts';

export type ConsumerSide = Pick<
  ConsumerRpc,
  'begin' | 'prepare' | 'renew' | 'report' | 'rest' | 'leave'
>;

export interface ConsumeWorld {
  consumer: ConsumerSide;
  read(
    source: PartitionRef,
    from: number,
    bounds: { maxEvents: number; maxBytes: number },
  ): Promise<ReadEvents>;
  run(config: ConsumerConfig, batch: { text: string; attempt: number }): Promise<ProcessOutcome>;
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
