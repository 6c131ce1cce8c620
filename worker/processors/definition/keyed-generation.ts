// One generation of a keyed processor: a consumer for each partition, which brings events, and the shards that keep
// what lies under their keys. Shards are told first and deleted last: no event finds a shard that knows nothing.
import { CONNECTIONS_MAX, LOG_LINES_MAX } from '../../../shared/limits.ts';
import type { List } from '../../../shared/schemas/common.ts';
import type {
  DeadLetter,
  KeyedHoldings,
  KeyedSpec,
  ProcessorCounters,
  RedriveBody,
} from '../../../shared/schemas/processor.ts';
import type { ShardConfig, ShardRef, ShardRpc, ShardStatus } from '../../contracts/shard.rpc.ts';
import { sideBySide } from '../../platform/side-by-side.ts';
import { addCounts } from './counters.ts';
import type { Point } from '../../contracts/log.rpc.ts';
import { ConsumerGeneration, type KeyedOptions } from './consumer-generation.ts';
import type { Generation, GenerationOptions, GenerationStatus } from './generation.ts';
import { inFixedOrder, keyPathOf, lateOf } from './keyed-spec.ts';
import type { KeyedEntry } from './kind-entry.ts';
import type { PartitionRef } from '../../contracts/names.ts';
import type { ProcessorDefinition } from '../../contracts/processor.rpc.ts';
import type { End } from './cutover.ts';

export class KeyedGeneration implements Generation {
  readonly #definition: ProcessorDefinition;
  readonly #spec: KeyedSpec;
  readonly #kind: KeyedEntry<KeyedSpec>;
  readonly #options: GenerationOptions;
  readonly #consumers: ConsumerGeneration;
  readonly #shards: ShardRef[];
  readonly batches = null;
  readonly nearEvents: number;
  readonly drain: Generation['drain'];
  readonly places: NonNullable<Generation['places']>;

  constructor(
    definition: ProcessorDefinition,
    spec: KeyedSpec,
    options: GenerationOptions,
    kind: KeyedEntry<KeyedSpec>,
  ) {
    this.#definition = { ...definition, streams: inFixedOrder(definition.streams) };
    this.#spec = spec;
    this.#kind = kind;
    this.#options = options;
    this.#consumers = new ConsumerGeneration(this.#definition, options, routingOf(spec, kind));
    const { name: processor, uid: processorUid } = definition;
    const { generation } = options.generation;
    this.nearEvents = this.#consumers.nearEvents;
    this.#shards = Array.from({ length: spec.shards }, (_, shard) => ({
      processor,
      processorUid,
      generation,
      shard,
    }));
    const consumers = [...this.#consumers.refs];
    this.places = { kind: spec.kind, shards: this.#shards, consumers };
    this.drain = kind.drains ? () => this.#drain() : null;
  }

  #eachShard<Answer>(work: (shard: ShardRpc, ref: ShardRef) => Promise<Answer>) {
    const { objects } = this.#options;
    return sideBySide(this.#shards, CONNECTIONS_MAX, (ref) =>
      work(objects.shard(this.#spec.kind, ref), ref),
    );
  }

  async configure(from: Point): Promise<void> {
    await this.#tellShards(this.#options.paused);
    await this.#consumers.configure(from);
  }

  async pause(): Promise<void> {
    await this.#consumers.pause();
    await this.#tellShards(true);
  }

  async resume(): Promise<void> {
    await this.#tellShards(false);
    await this.#consumers.resume();
  }

  async #tellShards(paused: boolean): Promise<void> {
    // Every partition holds windows open until its dispatcher has found nothing more, for some time: one that looked
    // empty here may get its first events together with the others, and would find its windows closed.
    const sources = this.places.consumers.map(({ source }) => source);
    await this.#eachShard((shard, ref) => shard.configure(this.#configOf(ref, sources, paused)));
  }

  #configOf(ref: ShardRef, sources: PartitionRef[], paused: boolean): ShardConfig {
    const { name, program, guard } = this.#definition;
    if (!program) throw new Error(`the processor ${name} has no program`);
    const { output, services, params, retry } = this.#spec;
    return {
      ref,
      work: this.#kind.work(this.#spec, program),
      version: this.#options.generation.version,
      programKey: program.key,
      programHash: program.hash,
      guard,
      output: output ?? null,
      late: lateOf(this.#spec),
      services,
      params,
      retry,
      paused,
      sources,
    };
  }

  ends(): Promise<End[]> {
    return this.#consumers.ends();
  }

  /** Its timers stop as well: what is open is the other generation's, too, and would end twice. */
  async stop(): Promise<End[]> {
    const ends = await this.#consumers.stop();
    await this.#tellShards(true);
    return ends;
  }

  transferDeadLetters(to: number): Promise<void> {
    return this.#consumers.transferDeadLetters(to);
  }

  async delete(): Promise<void> {
    await this.#consumers.delete();
    await this.#eachShard((shard) => shard.delete());
  }

  async #drain(): Promise<void> {
    await this.#eachShard((shard) => shard.drain());
  }

  async status(): Promise<GenerationStatus> {
    const status = await this.#consumers.status();
    const shards = await this.#eachShard(async (shard, ref) => ({
      shard: ref.shard,
      status: await shard.status(),
    }));
    addCounts<Partial<ProcessorCounters>>(status.counters, this.#kind.counters);
    const troubles: NonNullable<GenerationStatus['troubles']> = [];
    const known: ShardStatus[] = [];
    for (const { shard, status: one } of shards) {
      if (!one) continue;
      known.push(one);
      addCounts<Partial<ProcessorCounters>>(status.counters, one.counters);
      addCounts(status.operations, one.operations);
      status.log.push(...one.log);
      if (one.reason !== '') troubles.push({ shard, reason: one.reason });
    }
    status.log = status.log.slice(-LOG_LINES_MAX);
    return { ...status, troubles, keyed: this.#holdings(known) };
  }

  #holdings(shards: ShardStatus[]): KeyedHoldings {
    const sum = (of: (status: ShardStatus) => number) =>
      shards.reduce((total, status) => total + of(status), 0);
    return {
      shards: this.#shards.length,
      keys: sum(({ keys }) => keys),
      bytes: sum(({ bytes }) => bytes),
      ...this.#kind.holdings(this.#spec, shards),
    };
  }

  replayConflict(): Promise<null> {
    return this.#consumers.replayConflict();
  }

  deadLetters(cursor: string | undefined, limit: number): Promise<List<DeadLetter>> {
    return this.#consumers.deadLetters(cursor, limit);
  }

  redrive(body: RedriveBody, nowMs: number): Promise<number> {
    return this.#consumers.redrive(body, nowMs);
  }
}

const routingOf = (spec: KeyedSpec, kind: KeyedEntry<KeyedSpec>): KeyedOptions => {
  const { types, ...time } = kind.routing(spec);
  return (source, place) => ({
    types,
    routing: {
      kind: spec.kind,
      shards: spec.shards,
      keyBy: keyPathOf(spec, source.stream),
      source: place,
      ...time,
    },
  });
};
