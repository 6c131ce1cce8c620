// What consuming touches: the consumer's object, the log, the isolate, the output stream, the clock. Tests give
// it others.
import type { TaskError } from '../../../shared/schemas/job.ts';
import type {
  ConsumerConfig,
  ConsumerRpc,
  ConsumerWork,
  RunCall,
  RunOutcome,
} from '../../contracts/consumer.rpc.ts';
import type { OutputEvents } from '../../outputs/effects.ts';
import type { PartitionRef } from '../../contracts/names.ts';
import type { ReadEvents } from '../../log/read-events.ts';

export type ConsumerSide = Pick<
  ConsumerRpc,
  'begin' | 'prepare' | 'renew' | 'report' | 'rest' | 'leave'
>;

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

export type WorkOf<Kind extends ConsumerWork['kind']> = Extract<ConsumerWork, { kind: Kind }>;
