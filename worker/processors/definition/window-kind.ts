// Window: shards keep windows of event time, which close by the watermark.
import { isoTime } from '../../../shared/iso-time.ts';
import type { EventWindow, WindowSpec } from '../../../shared/schemas/processor.ts';
import type { FixedField } from '../../contracts/processor.rpc.ts';
import { NOTHING_KEPT } from './kind-entry.ts';
import { keyedKind } from './keyed-kind.ts';

export const WINDOW = keyedKind<WindowSpec>({
  partsOf: ({ adds, merges }) => ({ adds, merges }),
  work: ({ window }, { adds = false, merges = false }) => ({
    kind: 'window',
    window,
    adds,
    merges,
  }),
  routing: ({ types = null, window: { time, skewMs } }) => ({ types, time, skewMs }),
  counters: { late: 0, fired: 0 },
  holdings(_spec, shards) {
    const marks = shards.flatMap(({ watermarkMs }) => watermarkMs ?? []);
    return { watermark: marks.length === 0 ? null : isoTime(Math.min(...marks)) };
  },
  drains: true,
  fixedField(before, after) {
    // Open windows hold either what `add` has made or their events.
    const sameState = (before.program?.adds ?? false) === (after.program?.adds ?? false);
    if (!sameState) return { path: 'code', what: 'way of keeping windows (with `add` or without)' };
    return fixedInWindow(before.spec.window, after.spec.window);
  },
  kept: 'its open windows are under /windows',
  reads: ['state', 'windows', 'late'],
  async read(shard, key) {
    const windows = await shard.windowsOf(key);
    return { ...NOTHING_KEPT, bytes: windows.reduce((sum, one) => sum + one.bytes, 0), windows };
  },
});

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
