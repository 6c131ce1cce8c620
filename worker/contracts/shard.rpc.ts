// What others may ask of a shard: the object that keeps the state of some of a processor's keys. StateObject
// (stateful), JoinObject (join) and WindowObject (window) all answer this; what only one of them knows is beside it.
import type { Json } from '../../shared/schemas/common.ts';
import type { TaskError } from '../../shared/schemas/job.ts';
import type {
  EventWindow,
  JoinRules,
  KeyedSpec,
  KeyPath,
  LateEvent,
  ProcessorCounters,
  RetrySpec,
} from '../../shared/schemas/processor.ts';
import type { ConsumerConfig } from './consumer.rpc.ts';
import type { PartitionRef } from './names.ts';

export interface ShardRef {
  processor: string;
  processorUid: string;
  generation: number;
  shard: number;
}

export const shardName = ({ processorUid, generation, shard }: ShardRef) =>
  `${processorUid}/${generation}/${shard}`;

/** How a consumer finds the shards, and the key of an event of its stream. */
export interface Routing {
  kind: KeyedKind;
  shards: number;
  keyBy: KeyPath;
  /** Where its partition stands in the shards' list of sources. */
  source: number;
  /** Windows: which field is the event's time. Null: event time means nothing. */
  time: string | null;
  /** An event whose time is further ahead of its append does not move event time. */
  skewMs?: number;
}

export type KeyedKind = KeyedSpec['kind'];

/** What the shard does with events. */
export type ShardWork =
  | { kind: 'stateful'; ttlMs: number | null }
  | { kind: 'join'; rules: JoinRules }
  /** `adds`: the program exports `add`; else windows keep their events. */
  | { kind: 'window'; window: EventWindow; adds: boolean; merges: boolean };

export interface ShardConfig {
  ref: ShardRef;
  work: ShardWork;
  version: number;
  programKey: string;
  programHash: string;
  guard: boolean;
  output: string | null;
  /** The stream of late events. */
  late: string | null;
  services: ConsumerConfig['services'];
  params: Json;
  retry: RetrySpec;
  /** No timer runs code. */
  paused: boolean;
  /** Every partition of every stream; the places in this list never change. */
  sources: PartitionRef[];
}

/** Events of one partition whose keys are this shard's. */
export interface RoutedBatch {
  /** A place in the config's list. */
  source: number;
  /** Event lines (NDJSON), in order of offset; may be empty when `clock` is given. */
  text: string;
  /** The key of each line. */
  keys: string[];
  /** Events from `offset` on (until the next entry) were appended at `atMs`. */
  appendedAt: { offset: number; atMs: number }[];
  attempt: number;
  /** What fails now is given up on, and the events after it are applied. */
  final: boolean;
  /** Dead letters that are run again: their offsets lie behind what was applied. */
  redrive: boolean;
  /** Windows: how far event time has come in this partition, all shards' events counted. */
  clock: { maxTimeMs: number } | null;
  /** Everything before this offset is settled: what was remembered of its failures can go. */
  settled: number;
}

export type Routed =
  /**
   * Applied, its outputs in their stream. `failures`: with `final` given up on; else the first one, with which the
   * batch ended: nothing from there on was applied. `stoppedAt`: nothing from there on was applied, for want of time.
   */
  | { kind: 'applied'; failures: { offset: number; error: TaskError }[]; stoppedAt: number | null }
  /** The isolate died, and it is unknown which event killed it; nothing was applied. */
  | { kind: 'crashed'; error: TaskError }
  /** Not the events' fault: the output is full, the program cannot be read. */
  | { kind: 'blocked'; reason: string };

export interface ShardStatus {
  keys: number;
  bytes: number;
  /** Join: keys that wait for each type. */
  missing: { type: string; count: number }[];
  /** Window: null before the first event. */
  watermarkMs: number | null;
  /** By source: everything before was applied here, should there have been any. */
  applied: number[];
  counters: Partial<ProcessorCounters>;
  log: string[];
  operations: Record<string, number>;
  /** Why its timers or its outbox do not get on; empty when they do. */
  reason: string;
}

/** A page of something that lies spread over shards: each shard's own order, merged by the caller. */
export interface ShardPage<Item> {
  /** `order`: items of all shards are merged by it (texts or numbers). `after` of the next question. */
  items: { order: string | number; item: Item }[];
  more: boolean;
  /** With `more`: where the next question goes on, should that be past the last item (what lies between was looked at). */
  after?: string | number;
}

export interface ShardRpc {
  /** Idempotent. */
  configure(config: ShardConfig): Promise<void>;
  apply(batch: RoutedBatch): Promise<Routed>;
  /** A partition was read to its end, at this offset (windows: it holds nothing open when it stays so). */
  rested(source: number, at: number): Promise<void>;
  /** Ends all that is open now: joins time out, windows close. Answers how many; 0: none was. */
  drain(): Promise<number>;
  status(): Promise<ShardStatus | null>;
  /** The newest first. */
  late(limit: number): Promise<LateEvent[]>;
  delete(): Promise<void>;
}
