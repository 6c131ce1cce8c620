// The tables of states in a real database: odd keys, large states, what a write costs, pages, sweeps.
import { env, runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import {
  STATE_KEY_MAX_BYTES,
  STATE_LISTED_MAX_BYTES,
  STATE_MAX_BYTES,
  STATE_PAGE_BYTES,
} from '../../shared/limits.ts';
import type { Operation } from '../../shared/pricing.ts';
import { type Held, NO_TOTALS } from '../../worker/processors/state/states.ts';
import { StateStore } from '../../worker/processors/state/state.store.ts';
import { Sql } from '../../worker/platform/sql.store.ts';

const NOW = 1_000_000;

/** A state store in the database of an object that is nothing else. */
function withStates<Result>(
  name: string,
  work: (states: StateStore, counts: Record<Operation, number>) => Result,
): Promise<Result> {
  return runInDurableObject(env.STATES.get(env.STATES.idFromName(name)), (_, { storage }) => {
    const counts = { rowRead: 0, rowWritten: 0 } as Record<Operation, number>;
    const sql = new Sql(storage, counts);
    return work(new StateStore(sql), counts);
  });
}

const held = (key: string, state: string, expiresMs: number | null = null): Held => ({
  key,
  state,
  bytes: new TextEncoder().encode(state).length,
  expiresMs,
  ttlMs: null,
});

const orders = (items: { order: string | number }[]) => items.map(({ order }) => order);

describe('a table of states', () => {
  it('gives back what it got, whatever the key and however large', async () => {
    const rows = [
      held('', '1'),
      held('007', '"text"'),
      held('7', '7'),
      held('a\u0000b', '{"a":"\\u0000 and \\"quotes\\""}'),
      held('ü\u{1F600}', '"ü\u{1F600}\uffff"'),
      held('\u0001'.repeat(STATE_KEY_MAX_BYTES), '[]'),
      held('large', JSON.stringify('"'.repeat(STATE_MAX_BYTES / 2 - 1))),
      held('wide', JSON.stringify('\u{1F600}'.repeat(STATE_MAX_BYTES / 4 - 1))),
      held('middling', JSON.stringify('"'.repeat(49_000))),
    ];
    const { read, again, counts } = await withStates('odd', (states, counts) => {
      states.write(rows, [], NO_TOTALS, NOW);
      const written = counts.rowWritten;
      const names = rows.map(({ key }) => key).toReversed();
      const read = [...states.read(['absent', ...names])];
      states.write([held('7', '8', NOW + 1)], ['', 'absent'], NO_TOTALS, NOW);
      return { read, again: [...states.read(['', '7'])], counts: written };
    });
    expect(read).toEqual(rows.toReversed());
    expect(again).toEqual([held('7', '8', NOW + 1)]);
    // The first ones: the tables.
    expect(counts).toBeLessThanOrEqual(rows.length + 3);
  });

  it('costs a row for each key that is written, and one for the totals', async () => {
    const costs = await withStates('costs', (states, counts) => {
      const puts = Array.from({ length: 3_000 }, (_, i) => held(`k${i}`, `{"n":${i}}`));
      const cost = (work: () => void) => {
        const before = counts.rowWritten;
        work();
        return counts.rowWritten - before;
      };
      return [
        cost(() => states.write(puts, [], NO_TOTALS, NOW)),
        cost(() => states.write(puts, [], NO_TOTALS, NOW)),
        cost(() => states.write([], ['k1', 'k2', 'absent'], NO_TOTALS, NOW)),
        cost(() => [...states.read(puts.map(({ key }) => key))]),
      ];
    });
    expect(costs).toEqual([3_001, 3_001, 3, 0]);
  });

  it('keeps totals', async () => {
    const totals = { keys: 3, bytes: 4, expiring: 5, sweepAtMs: 6 };
    const before = await withStates('totals', (states) => {
      const before = states.totals();
      states.write([], [], totals, NOW);
      return before;
    });
    expect(before).toEqual(NO_TOTALS);
    expect(await withStates('totals', (states) => states.totals())).toEqual(totals);
  });

  it('is read in pages, in order of the keys’ bytes, by a prefix or all', async () => {
    const keys = [
      '',
      'a',
      'a/1',
      'a/2',
      'a/\u{1F600}',
      'a/\uffff',
      'a0',
      'b',
      '\uffff',
      '\u{1F600}',
    ];
    const inOrder = [
      '',
      'a',
      'a/1',
      'a/2',
      'a/\uffff',
      'a/\u{1F600}',
      'a0',
      'b',
      '\uffff',
      '\u{1F600}',
    ];
    await withStates('pages', (states) => {
      states.write(
        keys.map((key) => held(key, '1')),
        [],
        NO_TOTALS,
        NOW,
      );
      states.write([held('a/over', '1', NOW), held('b/still', '1', NOW + 1)], [], NO_TOTALS, NOW);
    });
    const read = (after: string | null, prefix: string, limit: number) =>
      withStates('pages', (states) => states.states(after, prefix, limit, false, NOW));
    const walked: (string | number)[] = [];
    for (let after: string | null = null, more = true; more;) {
      const page: Awaited<ReturnType<typeof read>> = await read(after, '', 3);
      walked.push(...orders(page.items));
      after = String(page.items.at(-1)?.order);
      more = page.more;
    }
    expect(walked).toEqual(inOrder.toSpliced(8, 0, 'b/still'));
    expect(orders((await read(null, 'a/', 100)).items)).toEqual(inOrder.slice(2, 6));
    expect(await read('a/2', 'a/', 2)).toMatchObject({ more: false, items: [{}, {}] });
    expect(await read('a/1', 'a/', 2)).toMatchObject({ more: true, items: [{}, {}] });
    expect((await read('0', 'a/', 1)).items).toMatchObject([{ order: 'a/1' }]);
    expect((await read('b', 'a/', 9)).items).toEqual([]);
  });

  it('leaves large states out of pages unless they are asked for, and ends pages early', async () => {
    const large = JSON.stringify('x'.repeat(STATE_LISTED_MAX_BYTES - 2));
    const larger = JSON.stringify('x'.repeat(STATE_MAX_BYTES - 2));
    const [listed, whole, rest] = await withStates('large', (states) => {
      const many = Array.from({ length: 8 }, (_, i) => held(`m${i}`, larger));
      states.write([held('l', large), held('l+', `${large} `), ...many], [], NO_TOTALS, NOW);
      return [
        states.states(null, '', 100, false, NOW),
        states.states(null, '', 100, true, NOW),
        states.states('m3', 'm', 1, true, NOW),
      ];
    });
    expect(listed?.items.map(({ item }) => typeof item.state)).toEqual([
      'string',
      ...Array<string>(9).fill('object'),
    ]);
    expect(listed?.items[1]?.item.bytes).toBe(STATE_LISTED_MAX_BYTES + 1);
    const bytes = whole?.items.reduce((sum, { item }) => sum + item.bytes, 0) ?? 0;
    expect(bytes).toBeGreaterThan(STATE_PAGE_BYTES / 2);
    expect(bytes).toBeLessThanOrEqual(STATE_PAGE_BYTES);
    expect(whole?.more).toBe(true);
    expect(rest?.items[0]).toMatchObject({ order: 'm4', item: { bytes: STATE_MAX_BYTES } });
  });

  it('is looked at and swept by the slice', async () => {
    await withStates('slices', (states) => {
      const puts = Array.from({ length: 100 }, (_, i) =>
        held(`k${String(i).padStart(3, '0')}`, '12', i % 3 === 0 ? NOW : NOW + i),
      );
      states.write([...puts, held('stays', '1')], [], NO_TOTALS, NOW - 7);
      expect(states.look(null, 10, NOW)).toEqual({
        keys: 10,
        last: 'k009',
        dead: 4,
        deadBytes: 8,
        nextExpiryMs: NOW + 1,
        shortestMs: 8,
      });
      expect(states.look('k009', 3, NOW)).toMatchObject({ last: 'k012', dead: 1 });
      expect(states.look('k099', 10, NOW)).toMatchObject({ keys: 1, dead: 0, nextExpiryMs: null });
      expect(states.look('stays', 10, NOW)).toMatchObject({ keys: 0, last: null, dead: 0 });
      states.sweep(null, 'k009', NO_TOTALS, NOW);
      states.sweep('k009', 'k012', NO_TOTALS, NOW);
      expect(states.look(null, 1_000, NOW)).toMatchObject({ keys: 96, dead: 29 });
    });
  });
});
