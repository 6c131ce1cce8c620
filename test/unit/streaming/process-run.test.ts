// Running a batch of events through user code: what comes out, in which order, and what becomes of code that
// misbehaves.
import { describe, expect, it } from 'vitest';
import { OUTPUTS_PER_EVENT_MAX, SERVICE_CALLS_MAX } from '../../../shared/limits.ts';
import type { Json } from '../../../shared/schemas/common.ts';
import { numbers, outputsOf, type PlainHost, run, type RunOptions, runResult } from './programs.ts';

const ECHO = 'export const process = ({ payload }) => ({ type: "E", payload })';
const failure = async (code: string, options: RunOptions = {}) => {
  const { failures, processed, outputs } = await run(code, [{ payload: 0 }], options);
  expect({ processed, outputs }).toEqual({ processed: 0, outputs: '' });
  expect(failures).toHaveLength(1);
  return failures[0]?.error;
};

describe('what process gives', () => {
  it.each([
    ['an event', 'return { type: "A" }', ['A']],
    ['a list', 'return [{ type: "A" }, { type: "B" }]', ['A', 'B']],
    ['nothing', 'return', []],
    ['null', 'return null', []],
    ['an empty list', 'return []', []],
    [
      'what it emits, then what it returns',
      'ctx.emit({ type: "A" }); return { type: "B" }',
      ['A', 'B'],
    ],
  ])('%s goes to the output, sync or async', async (_, body, types) => {
    for (const word of ['', 'async ']) {
      const outcome = await run(`export ${word}function process(event, ctx) { ${body} }`, [{}]);
      expect(outputsOf(outcome).map(({ type }) => type)).toEqual(types);
      expect(outcome).toMatchObject({ processed: 1, failures: [], stoppedAt: null });
      expect(outcome.outputOffsets).toEqual(types.map(() => 10));
    }
  });

  it('is written down when it is emitted', async () => {
    const outcome = await run(
      'export function process(e, ctx) { const p = { n: 1 }; ctx.emit({ type: "A", payload: p }); p.n = 2; return { type: "B", payload: p } }',
      [{}],
    );
    expect(outputsOf(outcome).map(({ payload }) => payload)).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it('passes other types over, and counts them', async () => {
    const events = [{ type: 'X' }, { type: 'T', payload: 1 }, { type: 'Y' }, { payload: 2 }];
    const outcome = await run(ECHO, events, { types: ['T', 'U'] });
    expect(outputsOf(outcome).map(({ payload }) => payload)).toEqual([1, 2]);
    expect(outcome).toMatchObject({ processed: 2, passedOver: 2, outputOffsets: [11, 13] });
  });

  it('knows params, attempt and version, and cannot change what other events see', async () => {
    const code = `export function process(event, ctx) {
      try { ctx.params.list.push(9) } catch (error) { ctx.log(error.name) }
      event.payload.n = 7
      return { type: 'A', payload: [ctx.params, ctx.attempt, ctx.version, event.payload] }
    }`;
    const payload = { n: 1 };
    const outcome = await run(code, [{ payload }, { payload }], {
      params: { list: [1] },
      attempt: 4,
    });
    const each = [{ list: [1] }, 4, 3, { n: 7 }];
    expect(outputsOf(outcome).map((event) => event['payload'])).toEqual([each, each]);
    expect(outcome.log).toEqual(['TypeError', 'TypeError']);
  });

  it('has fresh module variables in each batch, and keeps them within one', async () => {
    const code = 'let n = 0; export const process = () => ({ type: "N", payload: ++n })';
    for (let batch = 0; batch < 2; batch++) {
      const outcome = await run(code, [{}, {}]);
      expect(outputsOf(outcome).map(({ payload }) => payload)).toEqual([1, 2]);
    }
  });

  it('makes a new event of one that is passed on', async () => {
    const code = `export const process = (event) => [event, { ...event, type: 'U', key: 'k' }]`;
    const outcome = await run(code, [{ payload: 1, source: { processor: 'p' } }]);
    const time = '2026-01-01T00:00:00.000Z';
    expect(outputsOf(outcome)).toEqual([
      { type: 'T', time, payload: 1 },
      { type: 'U', key: 'k', time, payload: 1 },
    ]);
  });

  it('keeps an id that the code chose', async () => {
    const code = `export const process = ({ id }) => ({ type: 'U', id: id + '-done' })`;
    expect(outputsOf(await run(code, [{}]))).toEqual([{ type: 'U', id: 'e0-done' }]);
  });

  it('runs no event at all of an empty batch', async () => {
    expect(await run(ECHO, [])).toMatchObject({ processed: 0, outputs: '', stoppedAt: null });
  });
});

describe('code that misbehaves', () => {
  it('fails an event alone, and says where', async () => {
    const code = `export function process({ payload }) {
  if (payload === 1) throw new TypeError('odd')
  return { type: 'E', payload }
}`;
    const outcome = await run(code, numbers(3));
    expect(outputsOf(outcome).map(({ payload }) => payload)).toEqual([0, 2]);
    expect(outcome).toMatchObject({ processed: 2, outputOffsets: [10, 12] });
    expect(outcome.failures).toMatchObject([
      {
        offset: 11,
        error: { code: 'program_threw', message: 'TypeError: odd', line: 2, column: 28 },
      },
    ]);
  });

  it('takes back what a failed event has emitted', async () => {
    const code = `export async function process(e, ctx) { ctx.emit({ type: 'A' }); await 0; throw 1 }`;
    expect(await failure(code)).toMatchObject({ code: 'program_threw', message: 'threw 1' });
  });

  it.each([
    ['42', 'return 42', 'an event has to be an object with a `type`, not 42'],
    ['a text', 'return "x"', 'not "x"'],
    ['an unknown field', 'return { foo: 1 }', 'an event has no field "foo"'],
    ['no type', 'return {}', "an event's type has to be a text, not undefined"],
    ['a list of lists', 'return [[{ type: "A" }]]', 'not an array'],
    ['null in a list', 'return [null]', 'not null'],
    ['promises in a list', 'return [Promise.resolve()]', 'not a promise: await it first'],
    ['a function', 'return () => 1', 'not a function'],
    ['a symbol', 'return Symbol()', 'not a symbol'],
    [
      'a key that is a number',
      'return { type: "A", key: 5 }',
      'key has to be a text or null, not 5',
    ],
    ['NaN', 'return { type: "A", payload: { n: NaN } }', 'has to be JSON, not NaN'],
    ['undefined within', 'return { type: "A", payload: { n: undefined } }', 'not undefined'],
    ['a date', 'return { type: "A", payload: new Date() }', 'not a Date'],
    ['a circle', 'const a = []; a.push(a); return { type: "A", payload: a }', 'in a circle'],
    ['both payload and claim', 'return { type: "A", payload: 1, claim: {} }', 'not both'],
    ['half a claim', 'return { type: "A", claim: { token: "t" } }', 'claim has to be'],
    ['a bad time', 'return { type: "A", time: "2026-02-30T00:00:00Z" }', 'time has to be'],
    ['a rubbish emit', 'ctx.emit(7)', 'not 7'],
    [
      'a rubbish emit that it swallows',
      'try { ctx.emit(7) } catch {} return { type: "A" }',
      'not 7',
    ],
  ])('returns rubbish: %s', async (_, body, message) => {
    for (const word of ['', 'async ']) {
      const error = await failure(`export ${word}function process(event, ctx) { ${body} }`);
      expect(error).toMatchObject({ code: 'bad_value' });
      expect(error?.message).toContain(message);
    }
  });

  it.each([
    ['nothing', 'throw undefined', 'threw undefined'],
    ['null', 'throw null', 'threw null'],
    ['a symbol', 'throw Symbol("s")', 'threw Symbol(s)'],
    ['an object that cannot be shown', 'throw { toString() { throw 1 } }', 'cannot be described'],
    [
      'an error with a hostile message',
      'const e = new Error(); Object.defineProperty(e, "message", { get() { throw 1 } }); throw e',
      'cannot be described',
    ],
    ['a thenable that throws', 'return { then() { throw new Error("then") } }', 'Error: then'],
    ['a getter that throws', 'return { get type() { throw new Error("get") } }', 'Error: get'],
    ['a proxy', 'return new Proxy({}, { ownKeys() { throw new Error("trap") } })', 'Error: trap'],
  ])('throws %s', async (_, body, message) => {
    expect((await failure(`export function process(event, ctx) { ${body} }`))?.message).toContain(
      message,
    );
  });

  it('emits too much', async () => {
    const many =
      'export function process(e, ctx) { for (let i = 0; i < 10001; i++) ctx.emit({ type: "A" }) }';
    const list =
      'export const process = () => Array.from({ length: 10001 }, () => ({ type: "A" }))';
    for (const code of [many, list]) {
      expect(await failure(code)).toMatchObject({
        code: 'memory',
        message: `one event may emit at most ${OUTPUTS_PER_EVENT_MAX} events`,
      });
    }
  });

  it('emits after it has ended: nothing comes of it', async () => {
    const code = `let late
export async function process({ payload }, ctx) {
  if (payload === 0) { late = ctx.emit; return }
  for (let i = 0; i < 5; i++) await null
  try { late({ type: 'Late' }) } catch (error) { ctx.log(error.message) }
}`;
    const outcome = await run(code, numbers(2));
    expect(outcome).toMatchObject({ processed: 2, outputs: '', failures: [] });
    expect(outcome.log).toEqual(['process had ended before this emit']);
  });

  it('returns a promise that nothing will settle', async () => {
    const code = `export const process = ({ payload }) => payload === 1 ? new Promise(() => {}) : { type: 'A' }`;
    const outcome = await run(code, numbers(3), { bounds: { quietMs: 30 } });
    expect(outcome).toMatchObject({ processed: 2, outputOffsets: [10, 12] });
    expect(outcome.failures).toEqual([
      {
        offset: 11,
        error: {
          code: 'program_threw',
          message: 'returned a promise that nothing will ever settle',
        },
      },
    ]);
  });

  it('takes too long', async () => {
    const never: Partial<PlainHost> = { call: () => new Promise(() => undefined) };
    const code = `export const process = async (event, ctx) => { if (event.payload === 0) await ctx.call('s', 'k') }`;
    const outcome = await run(code, numbers(2), { host: never, bounds: { timeoutMs: 40 } });
    expect(outcome).toMatchObject({ processed: 1 });
    expect(outcome.failures).toEqual([
      { offset: 10, error: { code: 'deadline', message: 'process took longer than 40 ms' } },
    ]);
  });

  it('takes too long, which is looked at late', async () => {
    const code = 'export const process = () => new Promise(() => {})';
    const running = run(code, numbers(1), { bounds: { timeoutMs: 20, quietMs: 60 } });
    setTimeout(holdThread, 1, 120);
    const error = { code: 'deadline', message: 'process took longer than 20 ms' };
    expect((await running).failures).toEqual([{ offset: 10, error }]);
  });

  it('does not load: no event fails for that', async () => {
    const result = await runResult(
      'const a = null\nconst b = a.b\nexport const process = () => b',
      [{}],
    );
    expect(result).toMatchObject({ ok: false, error: { code: 'bad_program', line: 2 } });
    const odd = await runResult('const process = 5 + 1\nexport { process }', [{}]);
    expect(odd).toMatchObject({ ok: false, error: { message: '`process` is not a function' } });
  });

  it('cannot reach the runner through `this`', async () => {
    const code = 'export function process() { return { type: typeof this } }';
    expect(outputsOf(await run(code, [{}]))).toEqual([{ type: 'undefined' }]);
  });
});

describe('the loop guard', () => {
  const guardSteps = 20_000;

  it('stops an endless loop; what came before stands, what comes after is run next', async () => {
    const code = `export function process({ payload }) {
  if (payload === 2) for (;;) {}
  return { type: 'E', payload }
}`;
    const outcome = await run(code, numbers(5), { guardSteps });
    expect(outputsOf(outcome).map(({ payload }) => payload)).toEqual([0, 1]);
    expect(outcome.failures).toMatchObject([
      { offset: 12, error: { code: 'loop_guard', line: 2 } },
    ]);
    expect(outcome).toMatchObject({ processed: 2, stoppedAt: 13 });
  });

  it('fails no event for what another has used up', async () => {
    const code = `export async function process({ payload }) {
  await null
  for (let i = 0; i < 15000; i++);
  if (payload === 6) for (;;) await null
  return { type: 'E', payload }
}`;
    const outcome = await run(code, numbers(9), { guardSteps });
    expect(outcome.failures.map(({ offset }) => offset)).toEqual([16]);
    expect(outputsOf(outcome).map(({ payload }) => payload)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(outcome).toMatchObject({ processed: 6, stoppedAt: 17 });
  });

  it('gives each event its own budget', async () => {
    const code = `export function process() { for (let i = 0; i < 15000; i++); }`;
    expect(await run(code, numbers(50), { guardSteps })).toMatchObject({
      processed: 50,
      failures: [],
    });
  });
});

describe('outputs that fill the batch', () => {
  const big = (chars: number) => `'x'.repeat(${chars})`;

  it('end it early, before what does not fit, and the rest goes on from there', async () => {
    const code = `export const process = ({ payload }) => ({ type: 'E', payload: [payload, ${big(340)}] })`;
    const bounds = { outputMaxBytes: 1000 };
    const outcome = await run(code, numbers(8), { bounds });
    expect(outputsOf(outcome).map((event) => (event['payload'] as Json[])[0])).toEqual([0, 1]);
    expect(outcome).toMatchObject({ processed: 2, failures: [], stoppedAt: 12 });
  });

  it('fail the event that is too much alone', async () => {
    const code = `export function process({ payload }, ctx) {
  if (payload !== 1) return { type: 'E', payload }
  for (let i = 0; i < 9; i++) ctx.emit({ type: 'Big', payload: ${big(150)} })
}`;
    const outcome = await run(code, numbers(3), { bounds: { outputMaxBytes: 1000 } });
    expect(outcome.failures).toMatchObject([
      {
        offset: 11,
        error: { code: 'memory', message: 'more than 1000 bytes of events were emitted' },
      },
    ]);
    expect(outcome).toMatchObject({ processed: 2, stoppedAt: null });
  });

  it('of later events give way to those of earlier ones', async () => {
    const code = `export async function process({ payload }, ctx) {
  if (payload === 0) await ctx.call('slow', 'k')
  return { type: 'E', payload: [payload, ${big(300)}] }
}`;
    const host = { call: () => new Promise<Json>((resolve) => setTimeout(() => resolve(1), 20)) };
    const bounds = { outputMaxBytes: 1000 };
    const outcome = await run(code, numbers(8), { host, bounds });
    expect(outputsOf(outcome).map((event) => (event['payload'] as Json[])[0])).toEqual([0]);
    expect(outcome).toMatchObject({ processed: 1, failures: [], stoppedAt: 11 });
  });

  it('lose and repeat nothing, batch after batch', async () => {
    const code = `export async function process({ payload, offset }, ctx) {
  if (payload % 3 === 0) await ctx.call('slow', String(payload))
  for (let i = 0; i < payload % 4; i++) ctx.emit({ type: 'E', payload: [offset, i, ${big(90)}] })
}`;
    const host = { call: () => new Promise<Json>((resolve) => setTimeout(() => resolve(1), 1)) };
    const seen: unknown[] = [];
    let events: object[] = numbers(40).map((event, i) => ({ ...event, offset: i }));
    let batches = 0;
    for (; events.length > 0; batches++) {
      const outcome = await run(code, events, { host, bounds: { outputMaxBytes: 800 } });
      expect(outcome.failures).toEqual([]);
      seen.push(...outputsOf(outcome).map((event) => (event['payload'] as Json[]).slice(0, 2)));
      const { stoppedAt } = outcome;
      events =
        stoppedAt === null
          ? []
          : numbers(40)
              .map((event, i) => ({ ...event, offset: i }))
              .slice(stoppedAt);
    }
    expect(batches).toBeGreaterThan(5);
    expect(seen).toEqual(
      numbers(40).flatMap(({ payload }) =>
        Array.from({ length: payload % 4 }, (_, i) => [payload, i]),
      ),
    );
  });
});

describe('a batch that takes long', () => {
  it('begins no further event after its time', async () => {
    const code = `export const process = async (event, ctx) => { await ctx.call('s', event.id) }`;
    const host = { call: () => new Promise<Json>((resolve) => setTimeout(() => resolve(1), 25)) };
    const outcome = await run(code, numbers(100), { host, bounds: { inFlight: 2, startMs: 40 } });
    expect(outcome.failures).toEqual([]);
    expect(outcome.processed).toBeGreaterThanOrEqual(2);
    expect(outcome.processed).toBeLessThan(100);
    expect(outcome.stoppedAt).toBe(10 + outcome.processed);
  });
});

describe('services and payloads', () => {
  /** A host whose calls wait until they are let go. */
  function heldHost() {
    const waiting: { key: string; answer: (value: Json) => void }[] = [];
    let most = 0;
    const host: PlainHost = {
      call: (_, key) =>
        new Promise((resolve) => {
          waiting.push({ key, answer: resolve });
          most = Math.max(most, waiting.length);
        }),
      payload: () => Promise.reject(new Error('none')),
    };
    return { host, waiting, most: () => most };
  }

  it('overlap, at most so many at once, and outputs keep the order of the events', async () => {
    const { host, waiting, most } = heldHost();
    const code = `export async function process({ payload }, ctx) {
  const got = await ctx.call('s', 'k' + payload)
  return { type: 'E', payload: [payload, got] }
}`;
    const running = run(code, numbers(40), { host });
    let answered = 0;
    while (answered < 40) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      // The youngest first: the order of answers must not show.
      const next = waiting.pop();
      if (!next) continue;
      next.answer(next.key.toUpperCase());
      answered++;
    }
    const outcome = await running;
    expect(outputsOf(outcome).map(({ payload }) => payload)).toEqual(
      numbers(40).map(({ payload }) => [payload, `K${payload}`]),
    );
    expect(most()).toBe(SERVICE_CALLS_MAX);
  });

  it('are asked once for what several events want at the same time; each gets its own copy', async () => {
    const keys: string[] = [];
    const host: Partial<PlainHost> = {
      call: (_, key) => {
        keys.push(key);
        return new Promise((resolve) => setTimeout(() => resolve({ key }), 5));
      },
    };
    const code = `export async function process({ payload }, ctx) {
  const user = await ctx.call('users', 'u' + payload % 2)
  user.seen = (user.seen ?? 0) + 1
  return { type: 'E', payload: user }
}`;
    const outcome = await run(code, numbers(6), { host });
    expect(keys).toEqual(['u0', 'u1']);
    expect(outputsOf(outcome).map((event) => event['payload'])).toEqual(
      numbers(6).map(({ payload }) => ({ key: `u${payload % 2}`, seen: 1 })),
    );
  });

  it('hold nothing up when nobody awaits them', async () => {
    const host = { call: () => new Promise<Json>((resolve) => setTimeout(() => resolve(1), 5)) };
    const code = `export function process({ payload }, ctx) {
  for (let i = 0; i < 20; i++) ctx.call('s', 'k' + i).catch(() => {})
  return { type: 'E', payload }
}`;
    expect(await run(code, numbers(3), { host })).toMatchObject({ processed: 3, failures: [] });
  });

  it('fail as an Error that the code can catch, with the line of the call', async () => {
    const host = { call: () => Promise.reject(new Error('service users answered 503')) };
    const caught = `export async function process(event, ctx) {
  try { await ctx.call('users', 'u1') } catch (error) { return { type: error.message, payload: error instanceof Error } }
}`;
    expect(outputsOf(await run(caught, [{}], { host }))).toEqual([
      { type: 'service users answered 503', payload: true },
    ]);
    const code = `export async function process(event, ctx) {
  const key = 'u1'
  await ctx.call('users', key)
}`;
    expect(await failure(code, { host })).toMatchObject({
      code: 'program_threw',
      message: 'Error: service users answered 503',
      line: 3,
      column: 13,
    });
  });

  it('take keys that are texts, numbers or booleans', async () => {
    const asked: string[] = [];
    const host = { call: (_: string, key: string) => (asked.push(key), Promise.resolve(null)) };
    const code = `export async function process(event, ctx) {
  for (const key of ['a', 5, true]) await ctx.call('s', key)
  await ctx.call('s', { no: 1 })
}`;
    expect(await failure(code, { host })).toMatchObject({
      message: expect.stringContaining('a key has to be') as string,
    });
    expect(asked).toEqual(['a', '5', 'true']);
  });

  it('open claims: JSON parsed, else bytes, once an event', async () => {
    const opened: string[] = [];
    const host = {
      payload: (token: string) => {
        opened.push(token);
        const json = token.startsWith('json');
        const bytes = new TextEncoder().encode(json ? '{"a":1}' : 'raw');
        return Promise.resolve({
          bytes,
          contentType: json ? 'application/json; charset=utf-8' : 'image/png',
        });
      },
    };
    const claim = (token: string) => ({ claim: { token, bytes: 7, sha256: '', contentType: '' } });
    const code = `export async function process(event, ctx) {
  const first = await ctx.payload(event)
  const again = await ctx.payload(event)
  return { type: 'E', payload: [first instanceof Uint8Array ? first.length : first, first === again] }
}`;
    const outcome = await run(code, [claim('json1'), claim('raw1'), { payload: 'inline' }], {
      host,
    });
    expect(outputsOf(outcome).map((event) => event['payload'])).toEqual([
      [{ a: 1 }, true],
      [3, true],
      ['inline', true],
    ]);
    expect(opened).toEqual(['json1', 'raw1']);
  });

  it('fail for a claim that says JSON and is none', async () => {
    const host = {
      payload: () =>
        Promise.resolve({ bytes: new TextEncoder().encode('{'), contentType: 'application/json' }),
    };
    const code = `export const process = async (event, ctx) => { await ctx.payload({ claim: { token: 't' } }) }`;
    expect((await failure(code, { host }))?.message).toMatch(/JSON/);
  });

  it('hold few large payloads at once, and yet all get theirs', async () => {
    let open = 0;
    let most = 0;
    const host = {
      payload: async () => {
        most = Math.max(most, ++open);
        await new Promise((resolve) => setTimeout(resolve, 1));
        open--;
        return { bytes: new Uint8Array(1), contentType: 'x/y' };
      },
    };
    const events = Array.from({ length: 7 }, (_, i) => ({
      claim: { token: `t${i}`, bytes: 30 * 1024 * 1024, sha256: '', contentType: 'x/y' },
    }));
    const code = `export async function process(event, ctx) { return { type: 'E', payload: (await ctx.payload(event)).length } }`;
    const outcome = await run(code, events, { host });
    expect(outcome).toMatchObject({ processed: 7, failures: [] });
    expect(most).toBe(1);
  });
});

function holdThread(ms: number): void {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
}
