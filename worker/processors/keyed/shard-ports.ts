// What a shard touches besides its own tables: the output streams, the consumers' dead letters, the clock.
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { Letter } from '../../contracts/consumer.rpc.ts';
import type { OutputEvents } from '../../outputs/effects.ts';
import type { ConsumerRef } from '../../contracts/names.ts';

export interface ShardPorts {
  nowMs(): number;
  /** From 0 to 1. */
  random(): number;
  /** Throws OutputMissingError when there is no such stream. */
  append(
    stream: string,
    events: OutputEvents,
    producer: string,
  ): Promise<{ accepted: number; duplicates: number }>;
  /** Answers why they are not taken, or null. */
  addDeadLetters(ref: ConsumerRef, letters: Letter[]): Promise<string | null>;
  /** Calls `woken` then, unless an earlier time is set already. */
  wake(atMs: number): void;
  /** What killed the isolate; null for everything that is not the code's fault. */
  crashOf(error: unknown): TaskError | null;
}
