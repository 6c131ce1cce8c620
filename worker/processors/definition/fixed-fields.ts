// What a keyed processor cannot change while it exists: what is kept under its keys would mean something else, or lie
// where it is not looked for. Everything else may change, and goes on with the state as it is.
import type { FixedField } from '../../contracts/processor.rpc.ts';
import { keyPathOf } from './keyed-spec.ts';
import type { Defined } from './kind-entry.ts';
import { isKeyed, keyedOf } from './kinds.ts';

export const FIXED_KIND: FixedField = { path: 'kind', what: 'kind' };
export const FIXED_STREAMS: FixedField = { path: 'stream', what: 'streams' };

/** The first field that would have to stay as it is. Both are of one kind, over the same streams. Null: none. */
export function fixedField(before: Defined, after: Defined): FixedField | null {
  if (!isKeyed(before) || !isKeyed(after)) return null;
  const specs = [before.spec, after.spec] as const;
  if (before.spec.shards !== after.spec.shards) {
    return { path: 'shards', what: 'number of shards' };
  }
  const sameKeys = [before.spec.stream].flat().every((stream) => {
    const [path, newPath] = specs.map((spec) => JSON.stringify(keyPathOf(spec, stream)));
    return path === newPath;
  });
  if (!sameKeys) return { path: 'keyBy', what: 'key' };
  return keyedOf(before.spec.kind).fixedField(before, after);
}
