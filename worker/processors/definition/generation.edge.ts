// Those who work for one generation of a processor, asked as one: a consumer for each partition (and, for a keyed
// processor, its shards), or the windows of a batch processor.
import type { List } from '../../../shared/schemas/common.ts';
import type {
  Batch,
  DeadLetter,
  KeyedHoldings,
  OpenWindow,
  PartitionLag,
  ProcessorCounters,
  RedriveBody,
} from '../../../shared/schemas/processor.ts';
import type { ShardRef } from '../../contracts/shard.rpc.ts';
import type { Env } from '../../platform/env.ts';
import type { Point } from '../../contracts/log.rpc.ts';
import type { ConsumerRef } from '../../contracts/names.ts';
import type { Generation, TakeoverCrew } from './cutover.ts';

export interface CrewStatus {
  lag: Omit<PartitionLag, 'lag'>[];
  counters: ProcessorCounters;
  latency: number[];
  deadLetters: number;
  log: string[];
  operations: Record<string, number>;
  openWindow?: OpenWindow;
  keyed?: KeyedHoldings;
  /** Why shards do not get on. */
  troubles?: { shard: number; reason: string }[];
}

export interface Crew extends TakeoverCrew {
  /** They are in place, and where they begin is settled, when this returns. */
  configure(from: Point): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  status(): Promise<CrewStatus>;
  deadLetters(cursor: string | undefined, limit: number): Promise<List<DeadLetter>>;
  redrive(body: RedriveBody, nowMs: number): Promise<number>;
  /** Closes what is open. Null: nothing ever is. */
  drain: (() => Promise<void>) | null;
  /** Null: no batch processor. */
  batches: ((cursor: string | undefined, limit: number) => Promise<List<Batch>>) | null;
  /** Where state lies, and who brings events there, in the order of the shards' sources. Null: it is not keyed. */
  places: { shards: ShardRef[]; consumers: ConsumerRef[] } | null;
}

/** What a crew is made from. */
export interface CrewOrders {
  env: Env;
  generation: Generation;
  paused: boolean;
  /** It tells the processor when it has caught up. */
  rebuilding: boolean;
}
