// The windows of one generation of a batch processor: one object for all its partitions.
import type { List } from '../../../shared/schemas/common.ts';
import type {
  Batch,
  BatchSpec,
  DeadLetter,
  RedriveBody,
} from '../../../shared/schemas/processor.ts';
import type { BatchRpc } from '../../contracts/batch.rpc.ts';
import { batchObject } from '../../stubs.ts';
import { emptyCounters } from './counters.ts';
import type { Crew, CrewOrders, CrewStatus } from './generation.edge.ts';
import { emptyLatency } from '../../platform/latency.ts';
import type { Point } from '../../contracts/log.rpc.ts';
import { batchName } from '../../contracts/names.ts';
import type { ProcessorDefinition } from '../../contracts/processor.rpc.ts';
import type { End } from './cutover.ts';

export class WindowCrew implements Crew {
  readonly #definition: ProcessorDefinition;
  readonly #spec: BatchSpec;
  readonly #orders: CrewOrders;
  readonly #object: BatchRpc;
  readonly places = null;

  constructor(definition: ProcessorDefinition, spec: BatchSpec, orders: CrewOrders) {
    this.#definition = definition;
    this.#spec = spec;
    this.#orders = orders;
    const name = batchName(definition.uid, orders.generation.generation);
    this.#object = batchObject(orders.env, name);
  }

  async configure(from: Point): Promise<void> {
    const { name: processor, uid: processorUid, streams, program, guard } = this.#definition;
    const { generation, paused } = this.#orders;
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

  /** Windows that failed are ranges which the new generation cuts anew and runs itself; see `replay`. */
  async bequeath(): Promise<void> {}

  forget(): Promise<void> {
    return this.#object.forget();
  }

  drain(): Promise<void> {
    return this.#object.drain();
  }

  batches(cursor: string | undefined, limit: number): Promise<List<Batch>> {
    return this.#object.batches(cursor, limit);
  }

  async status(): Promise<CrewStatus> {
    const status = await this.#object.status();
    return (
      status ?? {
        lag: [],
        counters: emptyCounters(),
        latency: emptyLatency(),
        deadLetters: 0,
        log: [],
        operations: {},
      }
    );
  }

  deadLetters(cursor: string | undefined, limit: number): Promise<List<DeadLetter>> {
    return this.#object.deadLetters(cursor, limit);
  }

  redrive(body: RedriveBody): Promise<number> {
    return this.#object.redrive(body);
  }
}
