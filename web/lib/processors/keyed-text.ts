// What keyed processors hold, wait for and ended, in words. Pure.
import type {
  EventWindow,
  JoinRules,
  KeyedHoldings,
  KeyedSpec,
  KeyPath,
  LateEvent,
  LateReason,
  Processor,
} from '../../../shared/schemas/processor.ts';
import { bytes, duration, plural } from '../format.ts';

/** "12 kB in 4 shards" */
export function sizeText({ bytes: size, shards }: Pick<KeyedHoldings, 'bytes' | 'shards'>): string {
  return `${bytes(size)} in ${plural(shards, 'shard')}`;
}

/** Changes when the processor has worked or its streams have grown: what was read of it is old then. */
export function seenOf({ counters, keyed, lag, version }: Processor): string {
  const ends = lag.reduce((sum, { committed, lag: behind }) => sum + committed + behind, 0);
  return [
    version,
    ends,
    keyed?.keys,
    keyed?.bytes,
    keyed?.watermark,
    ...Object.values(counters),
  ].join();
}

const pathText = (path: KeyPath): string => (typeof path === 'string' ? path : path.join(' | '));

/** "payload.userId", or "mail: payload.to, users: key" */
export function keyByText({ keyBy }: Pick<KeyedSpec, 'keyBy'>): string {
  if (typeof keyBy === 'string' || Array.isArray(keyBy)) return pathText(keyBy);
  return Object.entries(keyBy)
    .map(([stream, path]) => `${stream}: ${pathText(path)}`)
    .join(', ');
}

const AT_TIMEOUT: Record<JoinRules['onTimeout'], string> = {
  'emit-partial': 'goes on with what is there',
  'dead-letter': 'its events become dead letters',
  drop: 'its events are dropped',
};

/** "all 3 types within 1 min 00 s, else …" */
export function joinText({ types, timeoutMs, onTimeout }: JoinRules): string {
  return `all ${types.length} types within ${duration(timeoutMs)}, else ${AT_TIMEOUT[onTimeout]}`;
}

/** "every 1 min 00 s, closed 1.0 s after its end" */
export function windowText(window: EventWindow): string {
  const grace =
    window.graceMs === 0 ? 'closed at its end' : `closed ${duration(window.graceMs)} after its end`;
  if (window.type === 'session')
    return `sessions that end after ${duration(window.gapMs)} of silence, ${grace}`;
  const { sizeMs, slideMs = sizeMs } = window;
  const long = `${duration(sizeMs)} long`;
  return slideMs === sizeMs
    ? `each ${long}, ${grace}`
    : `each ${long}, one every ${duration(slideMs)}, ${grace}`;
}

export const LATE_WORDS: Record<LateReason, { short: string; why: string }> = {
  fired: { short: 'had fired', why: 'the join under its key had fired before it came' },
  'timed-out': {
    short: 'had timed out',
    why: 'the join under its key had timed out before it came',
  },
  'type-taken': { short: 'type was there', why: 'another event of its type waited under its key' },
  closed: { short: 'window closed', why: 'every window that it belongs to had closed' },
  future: {
    short: 'from the future',
    why: 'its time is too far ahead of the moment it was published',
  },
};

/** Newest first, each with an id that stays while newer ones come; the same event may be there twice. */
export function lateRows(items: readonly LateEvent[]): { id: string; late: LateEvent }[] {
  const seen = new Map<string, number>();
  return items
    .toReversed()
    .map((late) => {
      const { stream, event, key } = late;
      const place = `${stream}/${event.partition}:${event.offset} ${key}`;
      const times = (seen.get(place) ?? 0) + 1;
      seen.set(place, times);
      return { id: `${place} ${times}`, late };
    })
    .toReversed();
}

/** "in 12 s"; once it has come: "due now". */
export function untilText(isoTime: string, nowMs: number): string {
  const left = Date.parse(isoTime) - nowMs;
  return left <= 0 ? 'due now' : `in ${duration(Math.ceil(left / 1000) * 1000)}`;
}

/** How much of the time from `since` to `due` has passed, 0…1: for an arc that closes. */
export function shareOfTime(sinceIso: string, dueIso: string, nowMs: number): number {
  const [since, due] = [Date.parse(sinceIso), Date.parse(dueIso)];
  if (!(due > since)) return 1;
  return Math.min(1, Math.max(0, (nowMs - since) / (due - since)));
}
