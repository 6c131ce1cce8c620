// What all keyed kinds have in common, around what is each one's own.
import type { KeyedSpec } from '../../../shared/schemas/processor.ts';
import { KeyedGeneration } from './keyed-generation.ts';
import type { KeyedEntry, KeyedKindEntry, KindEntry } from './kind-entry.ts';

export const keyedKind = <Spec extends KeyedSpec>({
  kept,
  partsOf,
  ...keyed
}: KeyedEntry<Spec> & Pick<KindEntry<Spec>, 'kept' | 'partsOf'>): KeyedKindEntry<Spec> => ({
  kept,
  ...(partsOf && { partsOf }),
  generation: (definition, spec, options) => new KeyedGeneration(definition, spec, options, keyed),
  keyed,
});
