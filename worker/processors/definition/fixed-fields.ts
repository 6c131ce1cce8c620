// What a keyed processor cannot change while it exists: what is kept under its keys would mean something else, or lie
// where nobody looks for it. Everything else may change, and goes on with the state as it is.
import type { EventWindow, KeyedSpec } from '../../../shared/schemas/processor.ts';
import { isKeyed, keyPathOf } from './keyed-spec.ts';
import type { ProcessorDefinition, FixedField } from '../../contracts/processor.rpc.ts';

export const FIXED_KIND: FixedField = { path: 'kind', what: 'kind' };
export const FIXED_STREAMS: FixedField = { path: 'stream', what: 'streams' };

type Defined = Pick<ProcessorDefinition, 'spec' | 'program'>;

/** The first field that would have to stay as it is. Both are of one kind, over the same streams. Null: none. */
export function fixedField(
  { spec: before, program: programBefore }: Defined,
  { spec: after, program }: Defined,
): FixedField | null {
  if (!isKeyed(before) || !isKeyed(after)) return null;
  if (before.shards !== after.shards) return { path: 'shards', what: 'number of shards' };
  if (!sameKeys(before, after)) return { path: 'keyBy', what: 'key' };
  if (before.kind === 'join' && after.kind === 'join') {
    const same = before.join.types.join('\n') === after.join.types.join('\n');
    return same ? null : { path: 'join.types', what: 'list of joined types' };
  }
  if (before.kind === 'window' && after.kind === 'window') {
    // Open windows hold either what `add` has made or their events.
    const sameState = (programBefore?.adds ?? false) === (program?.adds ?? false);
    if (!sameState) return { path: 'code', what: 'way of keeping windows (with `add` or without)' };
    return fixedInWindow(before.window, after.window);
  }
  return null;
}

function sameKeys(before: KeyedSpec, after: KeyedSpec): boolean {
  return [before.stream].flat().every((stream) => {
    const paths = [before, after].map((spec) => JSON.stringify(keyPathOf(spec, stream)));
    return paths[0] === paths[1];
  });
}

function fixedInWindow(before: EventWindow, after: EventWindow): FixedField | null {
  if (before.type !== after.type) return { path: 'window.type', what: 'type of windows' };
  if (before.time !== after.time) return { path: 'window.time', what: 'time of events' };
  if (before.type === 'session' || after.type === 'session') {
    const gapOf = (window: EventWindow) => (window.type === 'session' ? window.gapMs : 0);
    const same = gapOf(before) === gapOf(after);
    return same ? null : { path: 'window.gapMs', what: 'gap between sessions' };
  }
  if (before.sizeMs !== after.sizeMs) return { path: 'window.sizeMs', what: 'size of windows' };
  const slideOf = ({ slideMs, sizeMs }: typeof before) => slideMs ?? sizeMs;
  if (slideOf(before) !== slideOf(after)) {
    return { path: 'window.slideMs', what: 'slide of windows' };
  }
  return null;
}
