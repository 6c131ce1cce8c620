// Stateless: consumers alone, one per partition. They run the code on batches of events.
import type { StatelessSpec } from '../../../shared/schemas/processor.ts';
import { ConsumerGeneration } from './consumer-generation.ts';
import type { KindEntry } from './kind-entry.ts';

export const STATELESS: KindEntry<StatelessSpec> = {
  generation: (definition, _spec, options) => new ConsumerGeneration(definition, options),
  kept: 'it keeps nothing',
  keyed: null,
};
