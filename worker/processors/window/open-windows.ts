// The open windows of a shard as they are shown: those of one key, and page by page in the order in which they close.
import { isoTime } from '../../../shared/iso-time.ts';
import { STATE_LISTED_MAX_BYTES, STATE_PAGE_BYTES } from '../../../shared/limits.ts';
import type { Json } from '../../../shared/schemas/common.ts';
import type { OpenEventWindow } from '../../../shared/schemas/processor.ts';
import { type FullWindow, type KeyWindow, windowName, type WindowRules } from './window.ts';
import type { End, WindowStore } from './window.store.ts';

/** A ShardPage of them. */
export interface OpenWindowsPage {
  items: { order: string; item: OpenEventWindow }[];
  more: boolean;
  after?: string;
}

/** Of one key, oldest first. */
export function windowsOfKey(
  store: WindowStore,
  rules: WindowRules,
  key: string,
): OpenEventWindow[] {
  return shown(store, rules, store.windowsOf([key]), Infinity);
}

/**
 * Those that close first come first. A session that was prolonged stands where it ended when it was last looked at:
 * that is when its events would have ended it.
 */
export function windowsPage(
  store: WindowStore,
  rules: WindowRules,
  after: string | null,
  limit: number,
): OpenWindowsPage {
  const listed = endsPage(store, after, limit + 1);
  const orders = new Map(
    listed.map((end) => [windowName({ key: end[0], startMs: end[1] }), orderOf(end)]),
  );
  const asked = listed.slice(0, limit).map(([key, startMs]) => ({ key, startMs }));
  const keyWindows = store.windowsAt(asked);
  const items = shown(store, rules, keyWindows, STATE_LISTED_MAX_BYTES).map((item, i) => ({
    order: orders.get(windowName(keyWindows[i] as KeyWindow)) as string,
    item,
  }));
  const last = listed[limit - 1];
  const more = listed.length > limit;
  return more && last ? { items, more, after: orderOf(last) } : { items, more };
}

/** Rows list their windows in order, but many rows may overlap: as many are read as could still have an earlier one. */
function endsPage(store: WindowStore, after: string | null, limit: number): End[] {
  const fromMs = after === null ? -Infinity : Number(after.slice(0, ORDER_DIGITS)) - TIME_SHIFT;
  let first: { order: string; end: End }[] = [];
  for (let row: { firstMs: number; part: number } | null = null; ;) {
    const rows = store.endsAfter(fromMs, row);
    for (const { list } of rows) {
      for (const end of list) {
        const order = orderOf(end);
        if (after === null || order > after) first.push({ order, end });
      }
    }
    first.sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0));
    first = first.filter(({ order }, i) => order !== first[i - 1]?.order).slice(0, limit);
    row = rows.at(-1) ?? null;
    const full = first.length === limit ? first[limit - 1] : undefined;
    if (!row || (full && full.end[2] < row.firstMs)) return first.map(({ end }) => end);
  }
}

/** Times may lie before 1970: they are shifted, so that as texts they sort like numbers. */
const TIME_SHIFT = 10 ** 16;
const ORDER_DIGITS = 17;

const orderOf = ([key, startMs, endMs]: End): string =>
  `${shifted(endMs)}/${shifted(startMs)}/${key}`;
const shifted = (ms: number) => String(ms + TIME_SHIFT).padStart(ORDER_DIGITS, '0');

/** In the order of the windows. States come with them up to a size, and up to a size of the page. */
function shown(
  store: WindowStore,
  { window, adds }: WindowRules,
  keyWindows: readonly KeyWindow[],
  stateMaxBytes: number,
): OpenEventWindow[] {
  let bytes = 0;
  const wanted = keyWindows.filter((keyWindow) => {
    if (!adds || keyWindow.bytes > stateMaxBytes) return false;
    bytes += keyWindow.bytes;
    return bytes <= STATE_PAGE_BYTES;
  });
  const states = new Map<string, FullWindow>();
  for (const keyWindow of store.windowsWithValues(wanted))
    states.set(windowName(keyWindow), keyWindow);
  return keyWindows.map((keyWindow) => {
    const { key, startMs, endMs, count } = keyWindow;
    const full = states.get(windowName(keyWindow));
    return {
      key,
      start: isoTime(startMs),
      end: isoTime(endMs),
      closesAt: isoTime(endMs + window.graceMs),
      events: count,
      bytes: keyWindow.bytes,
      ...(full && { state: JSON.parse(full.value ?? 'null') as Json }),
    };
  });
}
