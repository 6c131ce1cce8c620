// Which readers a partition wakes, and when again.
import { describe, expect, test } from 'vitest';
import { WAKE_UP_AGAIN_MAX_MS, WAKE_UP_AGAIN_MS } from '../../../shared/limits.ts';
import { Subscriptions } from '../../../worker/log/partition/subscriptions.ts';

const wakeUp = { kind: 'look', window: 'w', streamUid: 's', partition: 0 } as const;
const rung = (readers: Subscriptions, nowMs: number) =>
  readers.due(nowMs).map(({ reader }) => reader);

describe('a reader', () => {
  test('that begins at the end rests until something is appended, then is rung once', () => {
    const readers = new Subscriptions();
    readers.set('a', wakeUp, 5, 5, 0);
    expect(readers.nextMs()).toBeNull();
    expect(rung(readers, 0)).toEqual([]);
    readers.appended(10);
    expect(rung(readers, 10)).toEqual(['a']);
    readers.appended(11);
    expect(rung(readers, 11)).toEqual([]);
  });

  test('that begins before the end is rung at once', () => {
    const readers = new Subscriptions();
    readers.set('a', wakeUp, 3, 5, 7);
    expect(rung(readers, 7)).toEqual(['a']);
  });

  test('that does not answer is rung again, less and less often', () => {
    const readers = new Subscriptions();
    readers.set('a', wakeUp, 0, 1, 0);
    const gaps: number[] = [];
    let lastMs = 0;
    expect(rung(readers, 0)).toEqual(['a']);
    for (let i = 0; i < 8; i++) {
      const nextMs = readers.nextMs() ?? Number.NaN;
      expect(rung(readers, nextMs - 1)).toEqual([]);
      expect(rung(readers, nextMs)).toEqual(['a']);
      gaps.push(nextMs - lastMs);
      lastMs = nextMs;
    }
    expect(gaps.slice(0, 3)).toEqual([1, 2, 4].map((n) => n * WAKE_UP_AGAIN_MS));
    expect(gaps.at(-1)).toBe(WAKE_UP_AGAIN_MAX_MS);
    // It answers, and is trusted as before.
    expect(readers.caughtUp('a', 1, 1, lastMs)).toBe(true);
    readers.appended(lastMs);
    expect(rung(readers, lastMs)).toEqual(['a']);
    expect(readers.nextMs()).toBe(lastMs + WAKE_UP_AGAIN_MS);
  });

  test('that has not read everything may not rest, and is not rung while it goes on', () => {
    const readers = new Subscriptions();
    readers.set('a', wakeUp, 0, 1, 0);
    rung(readers, 0);
    expect(readers.caughtUp('a', 1, 2, 100)).toBe(false);
    readers.appended(101);
    expect(rung(readers, 101)).toEqual([]);
    expect(readers.nextMs()).toBe(100 + WAKE_UP_AGAIN_MS);
    expect(readers.places()).toEqual({ a: 1 });
  });

  test('whose wake-up could not be sent is rung soon', () => {
    const readers = new Subscriptions();
    readers.set('a', wakeUp, 0, 1, 0);
    readers.failed(rung(readers, 0), 0);
    expect(readers.nextMs()).toBeLessThanOrEqual(1_000);
    expect(rung(readers, 1_000)).toEqual(['a']);
  });

  test('that caught up while its wake-up was being sent, in vain, still rests', () => {
    const readers = new Subscriptions();
    readers.set('a', wakeUp, 0, 1, 0);
    const sent = rung(readers, 0);
    readers.caughtUp('a', 1, 1, 1);
    readers.failed(sent, 2);
    expect(readers.nextMs()).toBeNull();
  });

  test('that is unknown may rest', () => {
    expect(new Subscriptions().caughtUp('a', 0, 9, 0)).toBe(true);
  });
});
