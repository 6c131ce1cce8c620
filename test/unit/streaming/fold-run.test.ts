// Folding events into the states of their keys: what an event may change, in which order events run, and what
// becomes of code that misbehaves.
import { describe, expect, it } from 'vitest';
import {
  SERVICE_CALLS_MAX,
  STATE_MAX_BYTES,
  STATE_TTL_MAX_MS,
  STATE_TTL_MIN_MS,
} from '../../../shared/limits.ts';
import type { Json } from '../../../shared/schemas/common.ts';
import { fold, type FoldOptions, foldResult, type KeyedEvent, statesOf } from './fold-programs.ts';
import { outputsOf } from './programs.ts';

const events = (...list: [key: string, payload?: unknown][]): KeyedEvent[] =>
  list.map(([key, payload]) => ({ key, payload }));

const COUNT = `export function process(event, state) {
  const { n, sum } = state ?? { n: 0, sum: 0 }
  return { n: n + 1, sum: sum + event.payload }
}`;
/** Collects payloads, in the object that it was given, and does as the payload says. */
const COLLECT = `export function process({ payload }, state) {
  state ??= { list: [] }
  state.list.push(payload)
  if (payload === 'throw') throw new Error('odd')
  if (payload === 'nothing') return
  if (payload === 'forget') return null
  return state
}`;
/** Long enough that its text is not made after each event. */
const LARGE = { list: [], pad: 'x'.repeat(3_000) };

const failure = async (code: string, options: FoldOptions = {}, payload: unknown = 0) => {
  const outcome = await fold(code, events(['a', payload]), {}, options);
  expect(outcome).toMatchObject({ changed: [], outputs: '' });
  expect(outcome.failures).toHaveLength(1);
  return outcome.failures[0]?.error;
};

/** A host that answers after a while: the sooner the longer the key is. */
const slowHost = () => {
  const asked: string[] = [];
  const answered: string[] = [];
  const call = (_: string, key: string) => {
    asked.push(key);
    return new Promise<Json>((resolve) =>
      setTimeout(
        () => {
          answered.push(key);
          resolve(key);
        },
        Math.max(1, 30 - 10 * key.length),
      ),
    );
  };
  return { host: { call }, asked, answered };
};

describe('a state', () => {
  it('is folded for each key by itself, from what the key has', async () => {
    const outcome = await fold(COUNT, events(['a', 1], ['b', 2], ['a', 3]), {
      b: { n: 5, sum: 5 },
      c: { n: 1, sum: 1 },
    });
    expect(outcome).toMatchObject({ failures: [], stoppedAt: null, outputs: '' });
    expect(outcome.changed).toEqual([
      { key: 'a', state: '{"n":2,"sum":4}', ttlMs: null },
      { key: 'b', state: '{"n":6,"sum":7}', ttlMs: null },
    ]);
  });

  it('is null where there is none, and after it was forgotten', async () => {
    const code = `export function process({ payload }, state, ctx) {
  ctx.emit({ type: 'S', payload: state })
  return payload
}`;
    const list = events(['a', 1], ['a', null], ['a', 2], ['b', 3], ['b', null], ['c', null]);
    const outcome = await fold(code, list, { c: 7 });
    expect(outputsOf(outcome).map(({ payload }) => payload)).toEqual([null, 1, null, null, 3, 7]);
    // What came and went in between was never there.
    expect(statesOf(outcome)).toEqual({ a: 2, c: null });
  });

  it.each([{ list: [] }, LARGE])('is what it was when the code returns nothing', async (before) => {
    const list = events(['a', 1], ['a', 'nothing'], ['a', 2], ['b', 'nothing'], ['a', 'nothing']);
    const outcome = await fold(COLLECT, list, { a: before, b: before });
    expect(statesOf(outcome)).toEqual({ a: { ...before, list: [1, 2] } });
  });

  it.each([{ list: [] }, LARGE])('is what it was when the code throws', async (before) => {
    const list = events(['a', 'throw'], ['a', 1], ['a', 2], ['a', 'throw'], ['a', 3]);
    const outcome = await fold(COLLECT, list, { a: before });
    expect(statesOf(outcome)).toEqual({ a: { ...before, list: [1, 2, 3] } });
    expect(outcome.failures).toMatchObject([
      { offset: 10, error: { code: 'program_threw', line: 4 } },
      { offset: 13, error: { code: 'program_threw', message: 'Error: odd' } },
    ]);
  });

  it('is taken when the code returns: what it does to the object later changes nothing', async () => {
    const code = `let held
export async function process({ payload }, state) {
  if (payload === 'spoil') { held.n = 99; return }
  await null
  held = { n: payload }
  return held
}`;
    const outcome = await fold(code, events(['a', 1], ['b', 'spoil'], ['a', 'spoil']));
    expect(statesOf(outcome)).toEqual({ a: { n: 1 } });
  });

  it.each(['__proto__', 'constructor', '', '7', '\u0000|\\', 'é🎉'])(
    'may be kept under any key: %j',
    async (key) => {
      const outcome = await fold(COUNT, events([key, 1], ['other', 5], [key, 2]), {
        [key]: { n: 1, sum: 1 },
      });
      expect(Object.entries(statesOf(outcome))).toContainEqual([key, { n: 3, sum: 4 }]);
    },
  );

  it.each([0, '', false, 'text', [1, [2]], { deep: { er: null } }])(
    'may be any JSON but null: %j',
    async (state) => {
      const code =
        'export const process = ({ payload }, state, ctx) => (ctx.emit({ type: "S", payload: state }), payload)';
      const outcome = await fold(code, events(['a', state], ['a', state]));
      expect(outputsOf(outcome).map(({ payload }) => payload)).toEqual([null, state]);
      expect(statesOf(outcome)).toEqual({ a: state });
    },
  );

  it.each([
    ['NaN', '({ n: NaN })', 'not NaN'],
    ['a date', '({ at: new Date() })', 'not a Date'],
    ['undefined within', '({ n: undefined })', 'not undefined'],
    ['a function', '() => 1', 'not a function'],
    ['a Map', 'new Map()', 'not a Map'],
    ['a circle', '(() => { const a = []; a.push(a); return a })()', 'in a circle'],
  ])('cannot be %s: the event fails alone', async (_, value, message) => {
    const code = `export function process({ payload }, state) {
  if (payload === 1) return { ...state, value: ${value} }
  return { ...state, n: (state?.n ?? 0) + 1, pad: 'x'.repeat(payload) }
}`;
    for (const pad of [0, 3_000]) {
      const outcome = await fold(code, events(['a', pad], ['a', pad], ['a', 1], ['a', pad]));
      expect(outcome.failures).toMatchObject([{ offset: 12, error: { code: 'bad_value' } }]);
      expect(outcome.failures[0]?.error.message).toContain(message);
      expect(statesOf(outcome)).toMatchObject({ a: { n: 3 } });
    }
  });

  it('has a bound, and the event that goes over it fails, whatever is in between', async () => {
    const code = `export function process({ payload }, state) {
  state ??= { text: '' }
  if (payload < 0) state.text = state.text.slice(payload)
  else state.text += 'x'.repeat(payload)
  return state
}`;
    const fits = STATE_MAX_BYTES - '{"text":""}'.length;
    const list = events(['a', 1_000], ['a', fits - 1_000], ['b', fits + 1], ['a', 1], ['b', 7]);
    const outcome = await fold(code, list);
    const error = {
      code: 'memory',
      message: `a key's state may have ${STATE_MAX_BYTES} bytes as JSON`,
    };
    expect(outcome.failures).toEqual(
      [12, 13].map((offset) => ({ offset, error: expect.objectContaining(error) as object })),
    );
    expect(statesOf(outcome)).toEqual({
      a: { text: 'x'.repeat(fits) },
      b: { text: 'x'.repeat(7) },
    });
    const many = `export const process = ({ payload }) => { let s = [0]; for (let i = 0; i < 40; i++) s = [s, s]; return s }`;
    expect(await failure(many)).toMatchObject({ code: 'memory' });
  });
});

describe('what the code is given', () => {
  it('is the key, and whatever stateless code has', async () => {
    const code = `export async function process(event, state, ctx) {
  ctx.log(typeof this)
  ctx.emit({ type: 'C', payload: [ctx.key, ctx.params.p, ctx.attempt, ctx.version, await ctx.call('s', ctx.key), await ctx.payload(event)] })
}`;
    const { host } = slowHost();
    const outcome = await fold(code, events(['k', 1]), {}, { host, params: { p: 2 }, attempt: 4 });
    expect(outputsOf(outcome)).toEqual([{ type: 'C', payload: ['k', 2, 4, 3, 'k', 1] }]);
    expect(outcome).toMatchObject({ outputOffsets: [10], log: ['undefined'], changed: [] });
  });

  it('emits outputs in order of the events; those of an event that failed are taken back', async () => {
    const code = `export async function process({ payload }, state, ctx) {
  ctx.emit({ type: 'E', payload })
  await ctx.call('s', 'k'.repeat(payload))
  if (payload === 2) throw 1
  ctx.emit({ type: 'E', payload: -payload })
}`;
    const { host } = slowHost();
    const outcome = await fold(code, events(['a', 1], ['b', 2], ['c', 3]), {}, { host });
    expect(outputsOf(outcome).map(({ payload }) => payload)).toEqual([1, -1, 3, -3]);
    expect(outcome.outputOffsets).toEqual([10, 10, 12, 12]);
    expect(outcome.failures).toMatchObject([{ offset: 11 }]);
  });

  it('may say how long the state lives; that holds until the key is forgotten', async () => {
    const code = `export function process({ payload: [ms, result] }, state, ctx) {
  if (ms) ctx.expire(ms)
  return result === 'unchanged' ? undefined : result
}`;
    const list = events(
      ['a', [5_000.7, 1]],
      ['b', [5_000, 1]],
      ['b', [0, 2]],
      ['c', [6_000, 'unchanged']],
      ['d', [6_000, 'unchanged']],
      ['e', [5_000, 1]],
      ['e', [0, null]],
      ['e', [0, 2]],
      ['f', [0, 1]],
    );
    const { changed } = await fold(code, list, { c: 3 });
    expect(changed).toEqual([
      { key: 'a', state: '1', ttlMs: 5_000 },
      { key: 'b', state: '2', ttlMs: 5_000 },
      // Nothing but its time to live was changed.
      { key: 'c', state: '3', ttlMs: 6_000 },
      { key: 'e', state: '2', ttlMs: 0 },
      { key: 'f', state: '1', ttlMs: null },
    ]);
  });

  it.each([0, STATE_TTL_MIN_MS - 1, STATE_TTL_MAX_MS + 1, NaN, Infinity, '"5000"', 'undefined'])(
    'fails the event with a time to live of %s',
    async (ms) => {
      const code = `export function process(event, state, ctx) { ctx.expire(${ms}); return 1 }`;
      expect(await failure(code)).toMatchObject({ code: 'bad_value', line: 1 });
    },
  );
});

describe('the order', () => {
  const code = `export async function process({ payload }, state, ctx) {
  await ctx.call('s', payload)
  return [...(state ?? []), payload]
}`;

  it('of one key’s events is kept, while other keys go on beside it', async () => {
    const { host, answered } = slowHost();
    const list = events(['a', 'x'], ['a', 'xxx'], ['b', 'yyy'], ['c', 'zz'], ['b', 'y']);
    const outcome = await fold(code, list, {}, { host });
    expect(statesOf(outcome)).toEqual({ a: ['x', 'xxx'], b: ['yyy', 'y'], c: ['zz'] });
    // The second one of `a` had to wait for the slow first one; the others did not.
    expect(answered.slice(0, 2).toSorted()).toEqual(['yyy', 'zz']);
    expect(answered.indexOf('xxx')).toBeGreaterThan(answered.indexOf('x'));
    expect(answered.indexOf('y')).toBeGreaterThan(answered.indexOf('yyy'));
  });

  it('holds with as many keys as may run side by side, and more', async () => {
    let open = 0;
    let most = 0;
    const call = async () => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setTimeout(resolve, 0));
      open--;
      return 0;
    };
    const list = Array.from({ length: 200 }, (_, i): [string, number] => [`k${i % 67}`, i]);
    const outcome = await fold(
      code.replace(`'s', payload`, `'s', String(payload)`),
      events(...list),
      {},
      { host: { call } },
    );
    const wanted: Record<string, number[]> = {};
    for (const [key, i] of list) (wanted[key] ??= []).push(i);
    expect(statesOf(outcome)).toEqual(wanted);
    expect(most).toBe(SERVICE_CALLS_MAX);
  });

  it('goes on after events that fail, throw late or never settle', async () => {
    const odd = `export async function process({ payload }, state, ctx) {
  state ??= { list: [] }
  state.list.push(payload)
  if (payload === 'never') return new Promise(() => {})
  await null
  if (payload === 'throw') throw new Error('late')
  return state
}`;
    const list = events(['a', 1], ['a', 'never'], ['a', 2], ['a', 'throw'], ['b', 3], ['a', 4]);
    const outcome = await fold(odd, list, {}, { bounds: { quietMs: 30 } });
    expect(statesOf(outcome)).toEqual({ a: { list: [1, 2, 4] }, b: { list: [3] } });
    expect(outcome.failures.map(({ offset }) => offset)).toEqual([11, 13]);
  });

  it('goes on after an event that took too long; what that one does then changes nothing', async () => {
    let answer: (value: Json) => void = () => undefined;
    const call = (_: string, key: string) =>
      key === 'slow'
        ? new Promise<Json>((resolve) => (answer = resolve))
        : Promise.resolve(key).then((value) => (answer('late'), value));
    const list = events(['a', 'slow'], ['a', 'quick'], ['a', 'again']);
    const outcome = await fold(code, list, {}, { host: { call }, bounds: { timeoutMs: 40 } });
    expect(statesOf(outcome)).toEqual({ a: ['quick', 'again'] });
    expect(outcome.failures).toMatchObject([
      { offset: 10, error: { code: 'deadline', message: 'process took longer than 40 ms' } },
    ]);
  });
});

describe('a batch that is not to go on after a failure', () => {
  it('says the first failure, and nothing else', async () => {
    const outcome = await fold(
      COLLECT,
      events(['a', 1], ['b', 'throw'], ['c', 'throw']),
      {},
      {
        keepGoing: false,
      },
    );
    expect(outcome).toMatchObject({ changed: [], outputs: '', stoppedAt: null });
    expect(outcome.failures).toMatchObject([{ offset: 11, error: { line: 4 } }]);
  });

  it('finds the first one, also when a later one fails before it', async () => {
    const code = `export async function process({ payload }, state, ctx) {
  if (payload === 'slow') await ctx.call('s', 'k')
  throw new Error(payload)
}`;
    const { host } = slowHost();
    const list = events(['a', 'quick'], ['b', 'slow'], ['c', 'quick']).slice(1);
    const outcome = await fold(code, list, {}, { host, keepGoing: false });
    expect(outcome.failures).toMatchObject([{ offset: 10, error: { message: 'Error: slow' } }]);
  });
});

describe('a batch that ends early', () => {
  it('ends when its time is over: what ran after its end is not in, however far it came', async () => {
    const code = `export async function process({ payload }, state, ctx) {
  if (payload === 'slow') await ctx.call('s', '')
  ctx.emit({ type: 'E', payload })
  return [...(state ?? []), payload]
}`;
    const { host } = slowHost();
    const list = events(['a', 'slow'], ['a', 1], ['b', 2], ['b', 3], ['a', 4]);
    const outcome = await fold(code, list, { b: [0] }, { host, bounds: { startMs: 10 } });
    // The second event of `a` had to wait for the first one, and then it was too late.
    expect(outcome).toMatchObject({ stoppedAt: 11, outputOffsets: [10], failures: [] });
    expect(statesOf(outcome)).toEqual({ a: ['slow'] });
  });

  it('ends before the outputs that do not fit; the states are of that moment', async () => {
    const code = `export function process({ payload }, state, ctx) {
  state ??= { list: [] }
  state.list.push(payload)
  ctx.emit({ type: 'E', payload: 'x'.repeat(300) })
  return state
}`;
    for (const before of [{ list: [] }, LARGE]) {
      const list = events(['a', 1], ['a', 2], ['a', 3], ['a', 4]);
      const outcome = await fold(code, list, { a: before }, { bounds: { outputMaxBytes: 900 } });
      expect(outcome).toMatchObject({ stoppedAt: 12, outputOffsets: [10, 11] });
      expect(statesOf(outcome)).toEqual({ a: { ...before, list: [1, 2] } });
    }
  });

  it('ends before the states that are too much together', async () => {
    const code = `export const process = () => 'x'.repeat(1_000_000)`;
    const list = Array.from({ length: 20 }, (_, i): [string] => [`k${i}`]);
    const outcome = await fold(code, events(...list));
    expect(outcome.failures).toEqual([]);
    expect(outcome.changed.length).toBeGreaterThan(4);
    expect(outcome.changed.length).toBeLessThan(20);
    expect(outcome.stoppedAt).toBe(10 + outcome.changed.length);
    // One key's state counts once.
    const waits = code.replace('()', 'async ()');
    const same = await fold(waits, events(...list.map((): [string] => ['k'])));
    expect([same.stoppedAt, same.failures]).toEqual([null, []]);
  });
});

describe('the loop guard', () => {
  const guardSteps = 20_000;

  it('stops an endless loop; what came before stands, what comes after is run next', async () => {
    const code = `export function process({ payload }, state) {
  state ??= { list: [] }
  state.list.push(payload)
  while (payload === 3) {}
  return state
}`;
    const list = events(['a', 1], ['a', 2], ['a', 3], ['b', 4]);
    for (const before of [{ list: [] }, LARGE]) {
      const outcome = await fold(code, list, { a: before }, { guardSteps });
      expect(outcome.failures).toMatchObject([
        { offset: 12, error: { code: 'loop_guard', line: 4 } },
      ]);
      expect(outcome.stoppedAt).toBe(13);
      expect(statesOf(outcome)).toEqual({ a: { ...before, list: [1, 2] } });
    }
  });

  it('fails no event for what another has used up', async () => {
    const code = `export async function process({ payload }, state, ctx) {
  ctx.emit({ type: 'E', payload })
  await null
  for (let i = 0; i < 15000; i++);
  if (payload === 6) for (;;) await null
  return (state ?? 0) + 1
}`;
    const list = Array.from({ length: 9 }, (_, i): [string, number] => [`k${i % 3}`, i]);
    const outcome = await fold(code, events(...list), {}, { guardSteps });
    expect(outcome.failures.map(({ offset }) => offset)).toEqual([16]);
    expect(outcome).toMatchObject({ stoppedAt: 17, outputOffsets: [10, 11, 12, 13, 14, 15] });
    expect(statesOf(outcome)).toEqual({ k0: 2, k1: 2, k2: 2 });
  });
});

describe('code that asks for more than it awaits', () => {
  it('holds nothing up', async () => {
    const code = `export function process(event, state, ctx) {
  for (let i = 0; i < 20; i++) ctx.call('s', 'k' + i).catch(() => {})
  return (state ?? 0) + 1
}`;
    const host = { call: () => new Promise<Json>((resolve) => setTimeout(() => resolve(1), 5)) };
    const outcome = await fold(code, events(['a'], ['a'], ['b']), {}, { host });
    expect(statesOf(outcome)).toEqual({ a: 2, b: 1 });
  });
});

describe('a program', () => {
  it('that does not load fails no event', async () => {
    const result = await foldResult('export const process = null.x', events(['a', 1]));
    expect(result).toMatchObject({ ok: false, error: { code: 'bad_program' } });
    const none = await foldResult(COUNT, events(['a', 1]), {}, { calls: 'add' });
    expect(none).toMatchObject({ ok: false, error: { message: '`add` is not a function' } });
  });

  it('has fresh module variables in each run', async () => {
    const code = 'let n = 0; export const process = () => ++n';
    for (let i = 0; i < 2; i++) {
      expect(statesOf(await fold(code, events(['a'], ['b'])))).toEqual({ a: 1, b: 2 });
    }
  });

  it('is given no events: nothing happens', async () => {
    expect(await fold(COUNT, [])).toEqual({
      changed: [],
      outputs: '',
      outputOffsets: [],
      failures: [],
      stoppedAt: null,
      log: [],
    });
  });
});
