// The objects that work for one generation of a processor, asked as one: a consumer for each partition (and, for a
// keyed processor, its shards), or the object of a batch processor.
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
import type { StreamPoint } from '../../../shared/schemas/stream.ts';
import type { KeyedPlaces } from '../../contracts/processor.rpc.ts';
import type { BatchRpc } from '../../contracts/batch.rpc.ts';
import type { ConsumerRpc } from '../../contracts/consumer.rpc.ts';
import type { ConsumerRef } from '../../contracts/names.ts';
import type { KeyedKind, ShardRef, ShardRpc } from '../../contracts/shard.rpc.ts';
import type { Point } from '../../contracts/log.rpc.ts';
import { emptyLatency } from '../../platform/latency.ts';
import { emptyCounters } from './counters.ts';
import type { GenerationRef, CutoverGeneration } from './cutover.ts';

export interface GenerationStatus {
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

export const emptyStatus = (): GenerationStatus => ({
  lag: [],
  counters: emptyCounters(),
  latency: emptyLatency(),
  deadLetters: 0,
  log: [],
  operations: {},
});

export interface Generation extends CutoverGeneration {
  /** They are in place, and where they begin is settled, when this returns. */
  configure(from: Point): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  status(): Promise<GenerationStatus>;
  deadLetters(cursor: string | undefined, limit: number): Promise<List<DeadLetter>>;
  redrive(body: RedriveBody, nowMs: number): Promise<number>;
  /** Closes what is open. Null: nothing ever is. */
  drain: (() => Promise<void>) | null;
  /** Null: no batch processor. */
  batches: ((cursor: string | undefined, limit: number) => Promise<List<Batch>>) | null;
  /** Where state lies, and who brings events there, in the order of the shards' sources. Null: it is not keyed. */
  places: Omit<KeyedPlaces, 'version'> | null;
  /** Why a replay from there might lose something. Null: it does not. */
  replayConflict(from: StreamPoint): Promise<string | null>;
}

/** The objects that may work for a generation. */
export interface WorkObjects {
  consumer(ref: ConsumerRef): ConsumerRpc;
  shard(kind: KeyedKind, ref: ShardRef): ShardRpc;
  batch(name: string): BatchRpc;
}

/** What a generation is made from. */
export interface GenerationOptions {
  objects: WorkObjects;
  generation: GenerationRef;
  paused: boolean;
  /** It tells the processor when it has caught up. */
  rebuilding: boolean;
}
