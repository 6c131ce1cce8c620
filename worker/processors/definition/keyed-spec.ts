// What a keyed processor's specification means to consumers and shards.
import type { KeyedSpec, KeyPath, ProcessorSpec } from '../../../shared/schemas/processor.ts';
import { KEYED_KINDS, type KeyedKind, type ShardWork } from '../../contracts/shard.rpc.ts';
import type { StreamDefinition } from '../../contracts/names.ts';
import type { ProgramParts } from '../../contracts/processor.rpc.ts';

export const isKeyedKind = (kind: string): kind is KeyedKind =>
  KEYED_KINDS.some((keyed) => keyed === kind);

export const isKeyed = (spec: ProcessorSpec): spec is KeyedSpec => isKeyedKind(spec.kind);

/** The path, or paths, of an event's key in one of the processor's streams. */
export function keyPathOf({ keyBy }: Pick<KeyedSpec, 'keyBy'>, stream: string): KeyPath {
  if (typeof keyBy === 'string' || Array.isArray(keyBy)) return keyBy;
  const path = keyBy[stream];
  if (path === undefined) throw new Error(`no key path for the stream ${stream}`);
  return path;
}

export function shardWorkOf(spec: KeyedSpec, program: ProgramParts): ShardWork {
  switch (spec.kind) {
    case 'stateful':
      return { kind: 'stateful', ttlMs: spec.ttlMs ?? null };
    case 'join':
      return { kind: 'join', rules: spec.join };
    case 'window':
      return {
        kind: 'window',
        window: spec.window,
        adds: program.adds ?? false,
        merges: program.merges ?? false,
      };
  }
}

/** Types that are taken in; null: all. */
export const typesOf = (spec: KeyedSpec): string[] | null =>
  spec.kind === 'join' ? spec.join.types : (spec.types ?? null);

/** Where late events go. */
export const lateOf = (spec: ProcessorSpec): string | null =>
  spec.kind === 'join' || spec.kind === 'window' ? (spec.late ?? null) : null;

/** An order of streams that no later definition changes, however it lists them: shards know partitions by their place. */
export const inFixedOrder = (streams: readonly StreamDefinition[]): StreamDefinition[] =>
  streams.toSorted((a, b) => (a.uid < b.uid ? -1 : 1));
