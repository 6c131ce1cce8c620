// All that the worker has to know of a kind of processor. `kinds.ts` has the table, a file beside it each kind.
import type {
  KeyedHoldings,
  KeyedSpec,
  KeyedState,
  ProcessorCounters,
  ProcessorKind,
  ProcessorSpec,
} from '../../../shared/schemas/processor.ts';
import type {
  FixedField,
  ProcessorDefinition,
  ProgramParts,
} from '../../contracts/processor.rpc.ts';
import type { KeyedKind, Routing, ShardStatus, ShardWork } from '../../contracts/shard.rpc.ts';
import type { ShardRpcs } from '../../contracts/shard-kinds.rpc.ts';
import type { Generation, GenerationOptions } from './generation.ts';

export type SpecOf<Kind extends ProcessorKind> = Extract<ProcessorSpec, { kind: Kind }>;

/** As much of a definition as decides what may change. */
export interface Defined<Spec extends ProcessorSpec = ProcessorSpec> {
  spec: Spec;
  program: ProgramParts | null;
}

/** The methods are given the specification of their own kind only. */
export interface KindEntry<Spec extends ProcessorSpec> {
  /** What only this kind has to refuse in a specification. Throws ProblemErrors. */
  check?(spec: Spec): void;
  /** What of its program's exports is remembered; without it, nothing. */
  partsOf?(program: Required<ProgramParts>): ProgramParts;
  /** The objects that work for one generation. */
  generation(definition: ProcessorDefinition, spec: Spec, options: GenerationOptions): Generation;
  /** Where what it keeps is read: the answer to a request for what another kind keeps. */
  kept: string;
  /** Null: it keeps nothing under keys. */
  keyed: KeyedEntry<KeyedSpec> | null;
}

/** What a keyed kind adds. */
export interface KeyedEntry<Spec extends KeyedSpec> {
  /** What its shards do with events. */
  work(spec: Spec, program: ProgramParts): ShardWork;
  /** Types that are taken in (null: all), and what of an event's time its consumers look at. */
  routing(spec: Spec): Pick<Routing, 'time' | 'skewMs'> & { types: string[] | null };
  /** What only its shards count, so that a page shows a zero before there is anything. */
  counters: Partial<ProcessorCounters>;
  /** What its shards hold, beside keys and bytes. */
  holdings(spec: Spec, shards: readonly ShardStatus[]): Partial<KeyedHoldings>;
  /** Its keys hold something open, which a drain ends. */
  drains: boolean;
  /** The first field that would have to stay as it is, besides shards and key. Null: none. */
  fixedField(before: Defined<Spec>, after: Defined<Spec>): FixedField | null;
  /** What can be read of its shards. */
  reads: readonly KeyedRead[];
  /** What lies under one key. */
  read(shard: ShardRpcs[Spec['kind']], key: string): Promise<Kept>;
}

export interface KeyedKindEntry<Spec extends KeyedSpec> extends KindEntry<Spec> {
  keyed: KeyedEntry<Spec>;
}

export type KindTable = {
  readonly [Kind in KeyedKind]: KeyedKindEntry<SpecOf<Kind>>;
} & {
  readonly [Kind in Exclude<ProcessorKind, KeyedKind>]: KindEntry<SpecOf<Kind>>;
};

/** The questions about shards, as they are called in a sentence. */
export const KEYED_READS = {
  state: 'states by key',
  states: 'lists of states',
  waiting: 'keys that wait',
  windows: 'windows of event time',
  late: 'late events',
} as const;
export type KeyedRead = keyof typeof KEYED_READS;

export type Kept = Omit<KeyedState, 'key' | 'shard' | 'version' | 'asOf'>;
export const NOTHING_KEPT: Kept = { state: null, changedAt: null, expiresAt: null, bytes: 0 };
