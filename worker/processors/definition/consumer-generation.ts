// The consumers of one generation: one for each partition of each stream, asked a few at a time.
import { BATCH_MAX_EVENTS, CONNECTIONS_MAX, LOG_LINES_MAX } from '../../../shared/limits.ts';
import type { List } from '../../../shared/schemas/common.ts';
import type { DeadLetter, RedriveBody } from '../../../shared/schemas/processor.ts';
import { sideBySide } from '../../platform/side-by-side.ts';
import type { ConsumerConfig, ConsumerRpc } from '../../contracts/consumer.rpc.ts';
import { addCounts } from './counters.ts';
import {
  emptyStatus,
  type Generation,
  type GenerationOptions,
  type GenerationStatus,
} from './generation.ts';
import { mergeLatency } from '../../platform/latency.ts';
import type { Point } from '../../contracts/log.rpc.ts';
import { type ConsumerRef, type PartitionRef, partitionsOf } from '../../contracts/names.ts';
import type { ProcessorDefinition } from '../../contracts/processor.rpc.ts';
import type { End } from './cutover.ts';

/** What a keyed processor's consumers are told beside, or instead of, what all are told. */
export type KeyedOptions = (source: PartitionRef, place: number) => Partial<ConsumerConfig>;

export class ConsumerGeneration implements Generation {
  readonly #definition: ProcessorDefinition;
  readonly #options: GenerationOptions;
  readonly #keyed: KeyedOptions;
  /** In the order of the definition's streams. */
  readonly refs: readonly ConsumerRef[];
  readonly drain = null;
  readonly batches = null;
  readonly places = null;
  readonly nearEvents = BATCH_MAX_EVENTS;

  constructor(
    definition: ProcessorDefinition,
    options: GenerationOptions,
    keyed: KeyedOptions = () => ({}),
  ) {
    this.#definition = definition;
    this.#options = options;
    this.#keyed = keyed;
    this.refs = this.#refsOf(options.generation.generation);
  }

  #refsOf(generation: number): ConsumerRef[] {
    const { name: processor, uid: processorUid, streams } = this.#definition;
    return streams
      .flatMap((stream) => partitionsOf(stream))
      .map((source) => ({ processor, processorUid, generation, source }));
  }

  #each<Answer>(work: (consumer: ConsumerRpc, ref: ConsumerRef, place: number) => Promise<Answer>) {
    const { objects } = this.#options;
    return sideBySide(this.refs, CONNECTIONS_MAX, (ref, place) =>
      work(objects.consumer(ref), ref, place),
    );
  }

  async configure(from: Point): Promise<void> {
    await this.#each((consumer, ref, place) =>
      consumer.configure(this.#configOf(ref, place), from),
    );
  }

  #configOf(ref: ConsumerRef, place: number): ConsumerConfig {
    const { name, spec, program, guard } = this.#definition;
    const { generation, paused, rebuilding } = this.#options;
    if (!program) throw new Error(`the processor ${name} has no program`);
    return {
      ref,
      version: generation.version,
      programKey: program.key,
      programHash: program.hash,
      guard,
      types: spec.types ?? null,
      output: spec.output ?? null,
      services: spec.services,
      params: spec.params,
      retry: spec.retry,
      paused,
      rebuilding,
      ...this.#keyed(ref.source, place),
    };
  }

  async pause(): Promise<void> {
    await this.#each((consumer) => consumer.pause());
  }

  async resume(): Promise<void> {
    await this.#each((consumer) => consumer.resume());
  }

  async ends(): Promise<End[]> {
    return this.#each(async (consumer, ref) => endOf(ref, await consumer.committed()));
  }

  async stop(): Promise<End[]> {
    return this.#each(async (consumer, ref) => endOf(ref, await consumer.stop()));
  }

  async transferDeadLetters(to: number): Promise<void> {
    const { objects } = this.#options;
    await this.#each(async (consumer, ref) => {
      const receiver = objects.consumer({ ...ref, generation: to });
      let letters = await consumer.deadLettersToTransfer(-1);
      while (letters.length > 0) {
        await receiver.receiveDeadLetters(letters);
        letters = await consumer.deadLettersToTransfer(letters.at(-1)?.offset ?? 0);
      }
    });
  }

  async delete(): Promise<void> {
    await this.#each((consumer) => consumer.delete());
  }

  async status(): Promise<GenerationStatus> {
    const status = emptyStatus();
    for (const one of await this.#each((consumer) => consumer.status())) {
      if (!one) continue;
      status.lag.push(one.lag);
      addCounts(status.counters, one.counters);
      mergeLatency(status.latency, one.latency);
      status.deadLetters += one.deadLetters;
      status.log.push(...one.log);
      addCounts(status.operations, one.operations);
    }
    status.log = status.log.slice(-LOG_LINES_MAX);
    return status;
  }

  /** It hands over the dead letters that the new one does not read. */
  async replayConflict(): Promise<null> {
    return null;
  }

  /** Consumer by consumer; the cursor says which one, and where in it. */
  async deadLetters(cursor: string | undefined, limit: number): Promise<List<DeadLetter>> {
    const { objects } = this.#options;
    const [at, inner] = /^(\d+):(\d+)?$/.exec(cursor ?? '0:')?.slice(1) ?? ['0'];
    const items: DeadLetter[] = [];
    let within = inner;
    for (let i = Number(at); i < this.refs.length; i++, within = undefined) {
      if (items.length === limit) return { items, next: `${i}:` };
      const ref = this.refs[i] as ConsumerRef;
      const page = await objects.consumer(ref).deadLetters(within, limit - items.length);
      items.push(...page.items);
      if (page.next !== null) return { items, next: `${i}:${page.next}` };
    }
    return { items, next: null };
  }

  /** At a rate, they take turns: the next consumer's letters begin where the last one's end. */
  async redrive(body: RedriveBody, nowMs: number): Promise<number> {
    const { objects } = this.#options;
    const spacingMs = body.ratePerSecond === undefined ? 0 : 1000 / body.ratePerSecond;
    let redriven = 0;
    for (const ref of this.refs) {
      const { stream, partition } = ref.source;
      const own = body.ids?.filter((id) => id.startsWith(`${stream}:${partition}:`));
      if (own?.length === 0) continue;
      const some = own ? { ...body, ids: own } : body;
      redriven += await objects.consumer(ref).redrive(some, nowMs + redriven * spacingMs);
    }
    return redriven;
  }
}

const endOf = ({ source }: ConsumerRef, committed: number): End => ({
  streamUid: source.uid,
  partition: source.partition,
  committed,
});
