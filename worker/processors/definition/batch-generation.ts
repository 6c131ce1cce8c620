// The windows of one generation of a batch processor: one object for all its partitions.
import type { List } from '../../../shared/schemas/common.ts';
import type {
  Batch,
  BatchSpec,
  DeadLetter,
  RedriveBody,
} from '../../../shared/schemas/processor.ts';
import type { StreamPoint } from '../../../shared/schemas/stream.ts';
import type { BatchRpc } from '../../contracts/batch.rpc.ts';
import {
  emptyStatus,
  type Generation,
  type GenerationOptions,
  type GenerationStatus,
} from './generation.ts';
import type { Point } from '../../contracts/log.rpc.ts';
import { batchName } from '../../contracts/names.ts';
import type { ProcessorDefinition } from '../../contracts/processor.rpc.ts';
import type { End } from './cutover.ts';

export class BatchGeneration implements Generation {
  readonly #definition: ProcessorDefinition;
  readonly #spec: BatchSpec;
  readonly #options: GenerationOptions;
  readonly #object: BatchRpc;
  readonly places = null;
  readonly nearEvents = 0;

  constructor(definition: ProcessorDefinition, spec: BatchSpec, options: GenerationOptions) {
    this.#definition = definition;
    this.#spec = spec;
    this.#options = options;
    const name = batchName(definition.uid, options.generation.generation);
    this.#object = options.objects.batch(name);
  }

  async configure(from: Point): Promise<void> {
    const { name: processor, uid: processorUid, streams, program, guard } = this.#definition;
    const { generation, paused } = this.#options;
    const { generation: number, version } = generation;
    const spec = this.#spec;
    const config = { processor, processorUid, spec, streams, program, guard, paused };
    await this.#object.configure({ ...config, generation: number, version }, from);
  }

  pause(): Promise<void> {
    return this.#object.pause();
  }

  resume(): Promise<void> {
    return this.#object.resume();
  }

  ends(): Promise<End[]> {
    return this.#object.committed();
  }

  stop(): Promise<End[]> {
    return this.#object.stop();
  }

  /** Failed windows are ranges of the log: the new generation reads them itself; see `replayConflict`. */
  async transferDeadLetters(): Promise<void> {}

  delete(): Promise<void> {
    return this.#object.delete();
  }

  drain(): Promise<void> {
    return this.#object.drain();
  }

  batches(cursor: string | undefined, limit: number): Promise<List<Batch>> {
    return this.#object.batches(cursor, limit);
  }

  async status(): Promise<GenerationStatus> {
    return (await this.#object.status()) ?? emptyStatus();
  }

  deadLetters(cursor: string | undefined, limit: number): Promise<List<DeadLetter>> {
    return this.#object.deadLetters(cursor, limit);
  }

  /** Its failed windows go with it, and the new one would not read what lies before `from`. */
  async replayConflict(from: StreamPoint): Promise<string | null> {
    if (from === 'earliest') return null;
    const { deadLetters } = await this.status();
    if (deadLetters === 0) return null;
    return `${deadLetters} windows failed, and a replay that does not begin at the earliest event might lose them; redrive them first`;
  }

  redrive(body: RedriveBody): Promise<number> {
    return this.#object.redrive(body);
  }
}
