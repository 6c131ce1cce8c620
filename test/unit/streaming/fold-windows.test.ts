// Windows fold with `add(state, event, ctx)`: an event may lie in several of them, and sessions become one.
import { describe, expect, it } from 'vitest';
import { fold, type KeyedEvent, statesOf } from './fold-programs.ts';

/** The event lies in all of these windows: its line is there for each. */
const event = (offset: number, payload: unknown, ...windows: string[]): KeyedEvent[] =>
  windows.map((key) => ({ offset, key, id: `e${offset}`, payload }));

const PROCESS = 'export const process = () => {}\n';
const LIST = `${PROCESS}export const add = (state, { payload }) => {
  state ??= { list: [] }
  state.list.push(payload)
  if (payload === 'nothing') return
  return state
}
export const merge = (a, b) => ({ list: [...a.list, ...b.list] })`;
const add = { calls: 'add' } as const;

describe('an event', () => {
  it('is added to each window that it lies in', async () => {
    const events = [
      ...event(1, 'x', 'w1', 'w2'),
      ...event(2, 'y', 'w2', 'w3'),
      ...event(3, 'z', 'w3'),
    ];
    const outcome = await fold(LIST, events, { w1: { list: [0] } }, add);
    expect(outcome).toMatchObject({ failures: [], stoppedAt: null });
    expect(statesOf(outcome)).toEqual({
      w1: { list: [0, 'x'] },
      w2: { list: ['x', 'y'] },
      w3: { list: ['y', 'z'] },
    });
  });

  it.each(['', 'async '])('is in all of its windows or in none: %sadd', async (word) => {
    const code = `${PROCESS}export ${word}function add(state, { payload }, ctx) {
  state ??= { list: [], pad: 'x'.repeat(ctx.params) }
  state.list.push(payload)
  if (payload === 'odd' && ctx.key === 'w2') throw new Error('odd')
  return state
}`;
    const events = [
      ...event(1, 'x', 'w1', 'w2', 'w3'),
      ...event(2, 'odd', 'w1', 'w2', 'w3'),
      ...event(3, 'y', 'w1', 'w3'),
    ];
    for (const params of [0, 5_000]) {
      const outcome = await fold(code, events, {}, { ...add, params });
      expect(outcome.failures).toMatchObject([{ offset: 2, error: { message: 'Error: odd' } }]);
      expect(statesOf(outcome)).toMatchObject({
        w1: { list: ['x', 'y'] },
        w2: { list: ['x'] },
        w3: { list: ['x', 'y'] },
      });
    }
  });

  it('waits for its turn at all of its windows', async () => {
    const code = `${PROCESS}export async function add(state, { payload }, ctx) {
  await ctx.call('s', ctx.key + payload)
  return [...(state ?? []), payload]
}`;
    const asked: string[] = [];
    const call = (_: string, key: string) => {
      asked.push(key);
      return new Promise<null>((resolve) => setTimeout(() => resolve(null), key === 'ax' ? 20 : 1));
    };
    const events = [
      ...event(1, 'x', 'a', 'b'),
      ...event(2, 'y', 'c'),
      ...event(3, 'z', 'c', 'b'),
      ...event(4, 'u', 'c'),
      ...event(5, 'v', 'd'),
    ];
    const outcome = await fold(code, events, {}, { ...add, host: { call } });
    expect(statesOf(outcome)).toEqual({ a: ['x'], b: ['x', 'z'], c: ['y', 'z', 'u'], d: ['v'] });
    expect(asked.indexOf('dv')).toBeLessThan(asked.indexOf('bx'));
  });

  it('cannot emit: a window does that when it closes', async () => {
    const code = `${PROCESS}export const add = (state, event, ctx) => { ctx.emit({ type: 'A' }); return 1 }`;
    const outcome = await fold(code, event(1, 0, 'w'), {}, add);
    expect(outcome).toMatchObject({ outputs: '', changed: [] });
    expect(outcome.failures).toMatchObject([
      { error: { message: expect.stringContaining('add emits nothing') as string } },
    ]);
  });

  it('is shown the key, and not how its window is kept', async () => {
    const code = `${PROCESS}export const add = (state, event, ctx) => [ctx.key, typeof ctx.expire]`;
    const events = event(1, 0, 'k/1', 'k/2');
    const outcome = await fold(code, events, {}, { ...add, shownKeys: ['k', 'k'] });
    expect(statesOf(outcome)).toEqual({ 'k/1': ['k', 'undefined'], 'k/2': ['k', 'undefined'] });
  });

  it('fails when it changes too much at once', async () => {
    const code = `${PROCESS}export const add = () => 'x'.repeat(1_000_000)`;
    const windows = Array.from({ length: 30 }, (_, i) => `w${i}`);
    const outcome = await fold(code, event(1, 0, ...windows), {}, add);
    expect([outcome.changed.length, outcome.stoppedAt]).toEqual([0, null]);
    expect(outcome.failures).toMatchObject([{ offset: 1, error: { code: 'memory' } }]);
  });
});

describe('sessions that have become one', () => {
  const several = (...states: number[][]) => ({ several: states.map((list) => ({ list })) });

  it('are merged, the oldest first, before an event is added', async () => {
    const events = [...event(1, 'x', 's'), ...event(2, 'y', 's')];
    const outcome = await fold(LIST, events, { s: several([1], [2], [3, 4]) }, add);
    expect(statesOf(outcome)).toEqual({ s: { list: [1, 2, 3, 4, 'x', 'y'] } });
  });

  it('stay merged when nothing is added', async () => {
    const outcome = await fold(LIST, event(1, 'nothing', 's'), { s: several([1], [2]) }, add);
    expect(statesOf(outcome)).toEqual({ s: { list: [1, 2] } });
  });

  it('may come to nothing', async () => {
    const code = `${PROCESS}export const add = (state) => state === null ? undefined : state
export const merge = (a, b) => a.list[0] === b.list[0] ? null : b`;
    const gone = await fold(code, event(1, 0, 's'), { s: several([1], [1]) }, add);
    expect(gone.changed).toEqual([{ key: 's', state: null, ttlMs: 0 }]);
    const third = await fold(code, event(1, 0, 's'), { s: several([1], [1], [2]) }, add);
    expect(statesOf(third)).toEqual({ s: { list: [2] } });
  });

  it.each([
    ['throws', `throw new Error('no')`, 'Error: no'],
    ['returns nothing', 'return', 'merge has to return a state, or null'],
    ['returns a promise', 'return Promise.resolve(1)', 'not a promise'],
    ['returns what is no JSON', 'return { n: NaN }', 'not NaN'],
  ])('fail the event when merge %s', async (_, body, message) => {
    const code = `${PROCESS}export const add = (state) => state
export function merge(a, b) { ${body} }`;
    const events = [...event(1, 0, 's'), ...event(2, 0, 'other')];
    const outcome = await fold(code, events, { s: several([1], [2]), other: 7 }, add);
    expect(outcome.failures).toHaveLength(1);
    expect(outcome.failures[0]).toMatchObject({
      offset: 1,
      error: { message: expect.stringContaining(message) as string },
    });
    expect(statesOf(outcome)).toEqual({ other: 7 });
  });

  it('are merged anew for the next event when the first one fails', async () => {
    const code = `${PROCESS}export function add(state, { payload }) {
  state.list.push(payload)
  if (payload === 'odd') throw new Error('odd')
  return state
}
export function merge(a, b) { a.list.push(...b.list); return a }`;
    const events = [...event(1, 'odd', 's'), ...event(2, 'y', 's')];
    const outcome = await fold(code, events, { s: several([1], [2]) }, add);
    expect(statesOf(outcome)).toEqual({ s: { list: [1, 2, 'y'] } });
  });
});
