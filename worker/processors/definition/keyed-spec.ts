// What a keyed processor's specification means to consumers and shards.
import type { KeyedSpec, KeyPath, ProcessorSpec } from '../../../shared/schemas/processor.ts';
import type { StreamDefinition } from '../../contracts/names.ts';

/** The path, or paths, of an event's key in one of the processor's streams. */
export function keyPathOf({ keyBy }: Pick<KeyedSpec, 'keyBy'>, stream: string): KeyPath {
  if (typeof keyBy === 'string' || Array.isArray(keyBy)) return keyBy;
  const path = keyBy[stream];
  if (path === undefined) throw new Error(`no key path for the stream ${stream}`);
  return path;
}

/** Where late events go. */
export const lateOf = (spec: ProcessorSpec): string | null =>
  'late' in spec ? (spec.late ?? null) : null;

/** An order of streams that no later definition changes, however it lists them: shards know partitions by their place. */
export const inFixedOrder = (streams: readonly StreamDefinition[]): StreamDefinition[] =>
  streams.toSorted((a, b) => (a.uid < b.uid ? -1 : 1));
