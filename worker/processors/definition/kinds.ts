// The table of the kinds of processor. A kind that the schema gets does not compile before it has an entry here; all
// that the worker does otherwise for one kind than for another goes through it.
import type { KeyedSpec, ProcessorKind, ProcessorSpec } from '../../../shared/schemas/processor.ts';
import type { KeyedKind } from '../../contracts/shard.rpc.ts';
import { BATCH } from './batch-kind.ts';
import type { Defined, KeyedEntry, KeyedRead, KindEntry, KindTable } from './kind-entry.ts';
import { JOIN } from './join-kind.ts';
import { STATEFUL } from './stateful-kind.ts';
import { STATELESS } from './stateless-kind.ts';
import { WINDOW } from './window-kind.ts';

const TABLE: KindTable = {
  stateless: STATELESS,
  stateful: STATEFUL,
  join: JOIN,
  window: WINDOW,
  batch: BATCH,
};

/** Give its methods the specification of this kind only. */
export const kindOf = (kind: ProcessorKind): KindEntry<ProcessorSpec> => TABLE[kind];
export const keyedOf = (kind: KeyedKind): KeyedEntry<KeyedSpec> => TABLE[kind].keyed;

export const isKeyed = (definition: Defined): definition is Defined<KeyedSpec> =>
  kindOf(definition.spec.kind).keyed !== null;

/** The kinds whose shards answer this question. */
export const kindsThatAnswer = (read: KeyedRead): string[] =>
  Object.entries(TABLE).flatMap(([kind, { keyed }]) => (keyed?.reads.includes(read) ? kind : []));
