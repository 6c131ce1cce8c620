// Retries: what a failure does to the place in the partition.
import { describe, expect, test } from 'vitest';
import { backoffMs } from '../../../shared/backoff.ts';
import {
  afterBlock,
  afterCrash,
  afterRun,
  isFinal,
  movedTo,
  type Place,
  placeAt,
} from '../../../worker/processors/consumer/retry.ts';

const retry = { maxAttempts: 3, baseMs: 100, maxMs: 1_000 };
const ran = (to: number, failures: number[], final = false) => ({
  to,
  failures,
  final,
  reason: 'it threw',
});

describe('a batch of which an event failed', () => {
  test('is committed up to it, and the rest of the same range is tried again after a back-off', () => {
    const verdict = afterRun(placeAt(10), ran(20, [13, 17]), retry, 5_000, 0.5);
    expect(verdict).toEqual({
      dead: [],
      again: true,
      place: {
        committed: 13,
        to: 20,
        suspectTo: null,
        attempts: 1,
        notBeforeMs: 5_050,
        waits: { kind: 'retry', times: 1, reason: 'it threw' },
      },
    });
  });

  test('gives its failing events up at the last attempt, and moves on', () => {
    let place = placeAt(10);
    place = afterRun(place, ran(20, [13, 17]), retry, 0, 0).place;
    expect(isFinal(place, retry)).toBe(false);
    place = afterRun(place, ran(20, [17]), retry, 0, 0).place;
    expect(place).toMatchObject({ committed: 17, to: 20, attempts: 2 });
    expect(isFinal(place, retry)).toBe(true);
    const verdict = afterRun(place, ran(20, [17], true), retry, 0, 0);
    expect(verdict).toEqual({ dead: [17], again: false, place: placeAt(20) });
  });

  test('goes on without any trace when it succeeds in the end', () => {
    const failed = afterRun(placeAt(0), ran(5, [0]), retry, 0, 0).place;
    expect(afterRun(failed, ran(5, []), retry, 0, 0).place).toEqual(placeAt(5));
  });

  test('counts attempts only for what was run, when less of it was read again', () => {
    const failed = afterRun(placeAt(0), ran(10, [2]), retry, 0, 0).place;
    const shorter = afterRun(failed, ran(5, [3]), retry, 0, 0).place;
    expect(shorter).toMatchObject({ committed: 3, to: 5, attempts: 2 });
    expect(afterRun(shorter, ran(5, []), retry, 0, 0).place).toEqual(placeAt(5));
  });
});

describe('back-off', () => {
  test('has full jitter and a ceiling', () => {
    expect(
      [1, 2, 3, 4, 5, 60].map((attempts) => Math.floor(backoffMs(retry, attempts - 1, 0.999))),
    ).toEqual([99, 199, 399, 799, 999, 999]);
    expect(backoffMs(retry, 3, 0)).toBe(0);
  });
});

describe('a batch that killed its isolate', () => {
  /** The bounds of the runs that are needed until the killer is a dead letter, and everything before it committed. */
  function bisect(events: number, killer: number) {
    let place: Place = placeAt(0);
    const runs: [number, number][] = [];
    const dead: number[] = [];
    while (place.committed < events) {
      const to = place.to ?? events;
      runs.push([place.committed, to]);
      expect(to).toBeGreaterThan(place.committed);
      const kills = place.committed <= killer && killer < to;
      const verdict = kills
        ? afterCrash(place, { to, reason: 'out of memory' }, retry, 0, 0)
        : afterRun(place, ran(to, []), retry, 0, 0);
      dead.push(...verdict.dead);
      place = verdict.place;
    }
    return { runs, dead };
  }

  test('is halved until one event stands alone, wherever it is; only then attempts count', () => {
    for (const events of [1, 2, 3, 7, 100, 1_000]) {
      for (const killer of new Set([0, 1, Math.floor(events / 2), events - 1])) {
        if (killer >= events) continue;
        const { runs, dead } = bisect(events, killer);
        expect(dead).toEqual([killer]);
        // Halving, three attempts at the one that is alone, the halves that are well, and what is left.
        expect(runs.length).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(events + 1)) + 5);
        const alone = runs.filter(([from, to]) => from === killer && to === killer + 1);
        expect(alone).toHaveLength(retry.maxAttempts);
      }
    }
  });

  test('waits for nothing while it is bisected', () => {
    const { place, again } = afterCrash(placeAt(0), { to: 8, reason: 'x' }, retry, 1_000, 0.9);
    expect(place).toMatchObject({ to: 4, suspectTo: 8, notBeforeMs: 0, waits: null, attempts: 0 });
    expect(again).toBe(true);
    expect(movedTo(place, 4)).toMatchObject({ committed: 4, to: 6, suspectTo: 8 });
  });

  test('waits between the attempts at the one event', () => {
    const { place } = afterCrash(placeAt(3), { to: 4, reason: 'x' }, retry, 1_000, 0.5);
    expect(place).toMatchObject({ committed: 3, to: 4, attempts: 1, notBeforeMs: 1_050 });
  });
});

describe('what is not the events’ fault', () => {
  test('is tried again for ever, without counting an attempt, at most every 30 seconds', () => {
    let place: Place = { ...placeAt(4), attempts: 2, to: 9 };
    for (let times = 1; times <= 40; times++) {
      place = afterBlock(place, 'the output is full', { ...retry, maxMs: 3600_000 }, 0, 0.99);
      expect(place).toMatchObject({ committed: 4, to: 9, attempts: 2 });
      expect(place.waits).toEqual({ kind: 'blocked', times, reason: 'the output is full' });
      expect(place.notBeforeMs).toBeGreaterThanOrEqual(250);
      expect(place.notBeforeMs).toBeLessThanOrEqual(30_000);
    }
    expect(afterRun(place, ran(9, []), retry, 0, 0).place).toEqual(placeAt(9));
  });

  test('is never hurried by a specification without back-off', () => {
    const eager = { maxAttempts: 3, baseMs: 0, maxMs: 0 };
    expect(afterBlock(placeAt(0), 'x', eager, 1_000, 0).notBeforeMs).toBeGreaterThanOrEqual(1_250);
  });
});
