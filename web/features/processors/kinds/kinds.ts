// The table of the kinds of processor: a kind that the schema gets does not compile before it has an entry here. How
// a kind looks (colour, label, icon) is in theme/kinds; its components are named in form/ and detail/. Pure.
import type {
  KeyedSpec,
  Processor,
  ProcessorKind,
  ProcessorSpec,
  ProcessorSummary,
} from '../../../../shared/schemas/processor.ts';
import { count, plural } from '../../../lib/format.ts';
import { BATCH } from './batch.ts';
import { JOIN } from './join.ts';
import type { KindRules, SpecOf } from './rules.ts';
import { STATEFUL } from './stateful.ts';
import { STATELESS } from './stateless.ts';
import { WINDOW } from './window.ts';

const TABLE: { readonly [Kind in ProcessorKind]: KindRules<SpecOf<Kind>> } = {
  stateless: STATELESS,
  stateful: STATEFUL,
  join: JOIN,
  window: WINDOW,
  batch: BATCH,
};

export const ALL_KINDS: readonly KindRules<ProcessorSpec>[] = Object.values(TABLE);

/** The rules of a kind: give its methods nothing of another one. */
export const rulesOf = (kind: ProcessorKind): KindRules<ProcessorSpec> => TABLE[kind];

export const isKeyed = (spec: ProcessorSpec): spec is KeyedSpec =>
  rulesOf(spec.kind).holds !== null;

const isOf = <Kind extends ProcessorKind>(spec: ProcessorSpec, kind: Kind): spec is SpecOf<Kind> =>
  spec.kind === kind;

/** The specification of a processor whose kind is known: the components of that kind ask. */
export function specOf<Kind extends ProcessorKind>(
  { name, spec }: Pick<Processor, 'name' | 'spec'>,
  kind: Kind,
): SpecOf<Kind> {
  if (isOf(spec, kind)) return spec;
  throw new TypeError(`${name} is a ${spec.kind} processor, and no ${kind}`);
}

/** "1 open window"; empty for what keeps nothing. */
export function heldText(kind: ProcessorKind, keys: number): string {
  const { holds } = rulesOf(kind);
  return holds === null ? '' : plural(keys, holds.one, holds.many);
}

/** "join, 1,204 waiting" */
export function kindText(
  { kind, keyed }: Pick<ProcessorSummary, 'kind' | 'keyed'>,
  label: string,
): string {
  const { holds } = rulesOf(kind);
  return keyed && holds ? `${label}, ${count(keyed.keys)} ${holds.short}` : label;
}
