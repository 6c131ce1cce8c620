// One generation of a keyed processor: a consumer for each partition, which brings events, and the shards that keep
// what lies under their keys. Shards are told first and forgotten last: no event finds a shard that knows nothing.
import { isoTime } from '../../../shared/iso-time.ts';
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
import { shardObject } from '../../stubs.ts';
import { sideBySide } from '../../platform/side-by-side.ts';
import { addCounts } from './counters.ts';
import type { Point } from '../../contracts/log.rpc.ts';
import { ConsumerCrew, type KeyedOrders } from './consumer-generation.edge.ts';
import type { Crew, CrewOrders, CrewStatus } from './generation.edge.ts';
import { inFixedOrder, keyPathOf, lateOf, shardWorkOf, typesOf } from './keyed-spec.ts';
import type { PartitionRef } from '../../contracts/names.ts';
import type { ProcessorDefinition } from '../../contracts/processor.rpc.ts';
import type { End } from './cutover.ts';

/** What the shards of each kind count, so that a page shows a zero before there is anything. */
const COUNTED = {
  stateful: { forgotten: 0 },
  join: { late: 0, fired: 0, timedOut: 0, repeated: 0 },
  window: { late: 0, fired: 0 },
} satisfies Record<KeyedSpec['kind'], Partial<ProcessorCounters>>;

export class KeyedCrew implements Crew {
  readonly #definition: ProcessorDefinition;
  readonly #spec: KeyedSpec;
  readonly #orders: CrewOrders;
  readonly #consumers: ConsumerCrew;
  readonly #shards: ShardRef[];
  readonly batches = null;
  readonly drain: Crew['drain'];
  readonly places: NonNullable<Crew['places']>;

  constructor(definition: ProcessorDefinition, spec: KeyedSpec, orders: CrewOrders) {
    this.#definition = { ...definition, streams: inFixedOrder(definition.streams) };
    this.#spec = spec;
    this.#orders = orders;
    this.#consumers = new ConsumerCrew(this.#definition, orders, routingOf(spec));
    const { name: processor, uid: processorUid } = definition;
    const { generation } = orders.generation;
    this.#shards = Array.from({ length: spec.shards }, (_, shard) => ({
      processor,
      processorUid,
      generation,
      shard,
    }));
    this.places = { shards: this.#shards, consumers: [...this.#consumers.refs] };
    this.drain = spec.kind === 'stateful' ? null : () => this.#drain();
  }

  #eachShard<Answer>(work: (shard: ShardRpc, ref: ShardRef) => Promise<Answer>) {
    const { env } = this.#orders;
    return sideBySide(this.#shards, CONNECTIONS_MAX, (ref) =>
      work(shardObject(env, this.#spec.kind, ref), ref),
    );
  }

  async configure(from: Point): Promise<void> {
    await this.#tellShards(this.#orders.paused);
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
      work: shardWorkOf(this.#spec, program),
      version: this.#orders.generation.version,
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

  bequeath(heir: number): Promise<void> {
    return this.#consumers.bequeath(heir);
  }

  async forget(): Promise<void> {
    await this.#consumers.forget();
    await this.#eachShard((shard) => shard.forget());
  }

  async #drain(): Promise<void> {
    await this.#eachShard((shard) => shard.drain());
  }

  async status(): Promise<CrewStatus> {
    const status = await this.#consumers.status();
    const shards = await this.#eachShard(async (shard, ref) => ({
      shard: ref.shard,
      status: await shard.status(),
    }));
    addCounts<Partial<ProcessorCounters>>(status.counters, COUNTED[this.#spec.kind]);
    const troubles: NonNullable<CrewStatus['troubles']> = [];
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
    const { kind } = this.#spec;
    const sum = (of: (status: ShardStatus) => number) =>
      shards.reduce((total, status) => total + of(status), 0);
    const marks = shards.flatMap(({ watermarkMs }) => (watermarkMs === null ? [] : [watermarkMs]));
    return {
      shards: this.#shards.length,
      keys: sum(({ keys }) => keys),
      bytes: sum(({ bytes }) => bytes),
      ...(kind === 'join' && { missing: missingOf(this.#spec.join.types, shards) }),
      ...(kind === 'window' && {
        watermark: marks.length === 0 ? null : isoTime(Math.min(...marks)),
      }),
    };
  }

  deadLetters(cursor: string | undefined, limit: number): Promise<List<DeadLetter>> {
    return this.#consumers.deadLetters(cursor, limit);
  }

  redrive(body: RedriveBody, nowMs: number): Promise<number> {
    return this.#consumers.redrive(body, nowMs);
  }
}

const routingOf =
  (spec: KeyedSpec): KeyedOrders =>
  (source, place) => ({
    types: typesOf(spec),
    routing: {
      kind: spec.kind,
      shards: spec.shards,
      keyBy: keyPathOf(spec, source.stream),
      source: place,
      time: spec.kind === 'window' ? spec.window.time : null,
      ...(spec.kind === 'window' && { skewMs: spec.window.skewMs }),
    },
  });

/** By the processor's types, zeros too. */
function missingOf(types: readonly string[], shards: readonly ShardStatus[]) {
  const counts = new Map(types.map((type) => [type, 0]));
  for (const { type, count } of shards.flatMap(({ missing }) => missing)) {
    counts.set(type, (counts.get(type) ?? 0) + count);
  }
  return [...counts].map(([type, count]) => ({ type, count }));
}
