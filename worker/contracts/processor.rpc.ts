// What others may ask of a ProcessorObject: one processor's definition, its versions, and their cutover.
import type { List } from '../../shared/schemas/common.ts';
import type {
  Batch,
  DeadLetter,
  Processor,
  ProcessorSpec,
  ProcessorSummary,
  RedriveBody,
} from '../../shared/schemas/processor.ts';
import type { StreamPoint } from '../../shared/schemas/stream.ts';
import type { KeyedKind, ShardRef } from './shard.rpc.ts';
import type { ConsumerRef, StreamDefinition } from './names.ts';

export interface ProcessorDefinition {
  name: string;
  uid: string;
  spec: ProcessorSpec;
  streams: StreamDefinition[];
  /** R2 key and SHA-256 of the compiled program; null when the processor starts jobs. */
  program: ({ key: string; hash: string } & ProgramParts) | null;
  guard: boolean;
}

export type Put =
  | { kind: 'created' | 'changed'; processor: Processor }
  /** Another kind, other streams, other keys: its places in the log, and its state, would mean something else. */
  | { kind: 'fixed'; field: FixedField }
  /** Its unique id is used up. */
  | { kind: 'deleted' };

/** What a reader of a keyed processor's state has to know of the generation that serves. */
export interface KeyedPlaces {
  kind: KeyedKind;
  version: number;
  shards: ShardRef[];
  /** In the order of the shards' sources. */
  consumers: ConsumerRef[];
}

export interface ProcessorRpc {
  /** Creates or changes it: consumers (or windows) are in place, and "latest" is resolved, when this returns. */
  put(definition: ProcessorDefinition): Promise<Put>;
  /** What of this could not be put, since it is fixed. Null: nothing, or there is no processor yet. */
  fixed(definition: Pick<ProcessorDefinition, 'spec' | 'program'>): Promise<FixedField | null>;
  get(): Promise<Processor | null>;
  summary(): Promise<ProcessorSummary | null>;
  pause(): Promise<Processor | null>;
  resume(): Promise<Processor | null>;
  replay(from: StreamPoint): Promise<Processor | { conflict: string } | null>;
  /** Closes what is open now: a batch's window (with the reason "drain"), waiting joins, event-time windows. */
  drain(): Promise<Processor | { conflict: string } | null>;
  /** Where its state lies. 'conflict': it is not keyed. */
  keyed(): Promise<KeyedPlaces | 'conflict' | null>;
  /** A consumer or window of the generation that is being rebuilt has caught up. */
  caughtUp(generation: number): Promise<void>;
  batches(cursor: string | undefined, limit: number): Promise<List<Batch> | 'conflict' | null>;
  deadLetters(cursor: string | undefined, limit: number): Promise<List<DeadLetter> | null>;
  redrive(body: RedriveBody): Promise<number | null>;
  /** The committed offsets of its partitions of one stream: what a stream shows of its consumers. */
  committed(streamUid: string): Promise<{ partition: number; committed: number }[]>;
  delete(): Promise<boolean>;
}

/** A field of a specification, as a dotted path, and how it is called in a sentence. */
export interface FixedField {
  path: string;
  what: string;
}

/** What a program can do beside `process`. */
export interface ProgramParts {
  adds?: boolean;
  merges?: boolean;
}
