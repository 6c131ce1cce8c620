// Processors' code in real isolates: what it may do, what it may not, and what becomes of code that misbehaves.
import { env } from 'cloudflare:test';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { SERVICE_ANSWER_MAX_BYTES, SERVICE_CALLS_MAX } from '../../shared/limits.ts';
import { ALLOWED_GLOBALS } from '../../shared/sandbox/realm.ts';
import type { Json } from '../../shared/schemas/common.ts';
import type { ProcessOutcome } from '../../shared/streaming/process.ts';
import { storeClaim } from '../../worker/claim-check/claims.edge.ts';
import { ProblemError } from '../../worker/platform/problem.ts';
import type { ConsumerConfig } from '../../worker/contracts/consumer.rpc.ts';
import { storeProgram } from '../../worker/isolates/processor-program.edge.ts';
import {
  IsolateCrashError,
  runBatchFunction,
  runStateless,
} from '../../worker/isolates/stateless.edge.ts';

async function configOf(code: string, more: Partial<ConsumerConfig> = {}): Promise<ConsumerConfig> {
  const { key, hash } = await storeProgram(env, code);
  return {
    ref: {
      processor: 'p',
      processorUid: 'processor_1',
      generation: 1,
      source: { stream: 's', uid: 'stream_1', partition: 0 },
    },
    version: 2,
    programKey: key,
    programHash: hash,
    guard: true,
    types: null,
    output: 'out',
    services: {},
    params: {},
    retry: { maxAttempts: 5, baseMs: 1, maxMs: 1 },
    paused: false,
    rebuilding: false,
    ...more,
  };
}

const TIMERS = ['setTimeout', 'clearTimeout'];

const linesOf = (events: object[]): string =>
  events
    .map((event, i) => {
      const place = { partition: 0, offset: i, id: `e${i}`, type: 'T', key: null };
      return JSON.stringify({ ...place, time: '2026-01-01T00:00:00.000Z', ...event });
    })
    .join('\n');

const numbers = (count: number) => Array.from({ length: count }, (_, payload) => ({ payload }));

const run = async (code: string, events: object[], more: Partial<ConsumerConfig> = {}) =>
  runStateless(env, await configOf(code, more), { text: linesOf(events), attempt: 1 });

const payloadsOf = ({ outputs }: Pick<ProcessOutcome, 'outputs'>): unknown[] =>
  outputs
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { payload?: unknown }).payload);

const failureOf = async (code: string, more: Partial<ConsumerConfig> = {}) => {
  const { failures, processed } = await run(code, [{ payload: 0 }], more);
  expect({ processed, failures: failures.length }).toEqual({ processed: 0, failures: 1 });
  return failures[0]?.error;
};

/** Whatever comes of it: an outcome that is right, or a failure that says so. */
async function crashOf(code: string, events: object[]): Promise<IsolateCrashError | null> {
  try {
    const outcome = await run(code, events);
    const failed = outcome.failures.length;
    expect(payloadsOf(outcome)).toEqual(events.slice(0, events.length - failed).map(() => 'ok'));
    return null;
  } catch (error) {
    if (error instanceof IsolateCrashError) return error;
    throw error;
  }
}

afterEach(() => vi.restoreAllMocks());

describe('code in an isolate', () => {
  it('runs, and says in which line it failed, with and without the loop guard', async () => {
    const code = `export function process({ payload }) {
  if (payload === 1) throw new Error('odd')
  return { type: 'E', payload }
}`;
    for (const guard of [true, false]) {
      const outcome = await run(code, numbers(3), { guard });
      expect(payloadsOf(outcome)).toEqual([0, 2]);
      expect(outcome.failures).toMatchObject([
        { offset: 1, error: { code: 'program_threw', message: 'Error: odd', line: 2, column: 28 } },
      ]);
    }
    // What the guard puts into a line moves the columns behind it.
    const here = `function process() { throw new Error('here') } export { process }`;
    const first = await run(here, [{}], { guard: false });
    expect(first.failures[0]?.error).toMatchObject({ line: 1, column: 28 });
  });

  it('has the language, real time and randomness, and nothing of the world', async () => {
    const code = `export function process() {
  const names = new Set()
  for (let o = globalThis; o && o !== Object.prototype; o = Object.getPrototypeOf(o)) {
    for (const name of Object.getOwnPropertyNames(o)) names.add(name)
  }
  return { type: 'G', payload: [...names] }
}`;
    const allowed = new Set([...ALLOWED_GLOBALS, 'crypto', 'performance', 'console', ...TIMERS]);
    const [names] = payloadsOf(await run(code, [{}])) as [string[]];
    expect(names.filter((name) => !allowed.has(name) && name !== 'constructor')).toEqual([]);
    const world = `export const process = () => ({ type: 'W', payload: [
  typeof fetch, typeof setInterval, typeof caches, typeof manyhandsProcessing, typeof WebSocket,
  Math.abs(Date.now() - ${Date.now()}) < 60000, crypto.randomUUID().length, Math.random() < 1 ] })`;
    expect(payloadsOf(await run(world, [{}]))).toEqual([
      ['undefined', 'undefined', 'undefined', 'undefined', 'undefined', true, 36, true],
    ]);
    const imports = `export const process = async () => { await (0, eval)("import('cloudflare:workers')") }`;
    expect(await failureOf(imports)).toBeDefined();
  });

  it('has timers, hashes, ids, addresses, texts and clones', async () => {
    const code = `export async function process({ payload }) {
  const beganMs = Date.now()
  const told = await new Promise((resolve) => {
    const never = setTimeout(() => resolve('never'), 10)
    setTimeout((a, b) => resolve([a, b]), 30, payload, 'b')
    clearTimeout(never)
    clearTimeout(undefined)
  })
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode('abc'))
  const hex = [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  const map = structuredClone(new Map([['at', new Date(0)]]))
  return { type: 'T', payload: [told, Date.now() - beganMs >= 25, hex.slice(0, 8), crypto.randomUUID().length,
    new URL('/a?b=%20', 'https://x.example').searchParams.get('b'), new TextDecoder().decode(new Uint8Array([104, 105])),
    map.get('at') instanceof Date] }
}`;
    expect(payloadsOf(await run(code, numbers(2)))).toEqual(
      [0, 1].map((n) => [[n, 'b'], true, 'ba7816bf', 36, ' ', 'hi', true]),
    );
    const refused = `export const process = () => { setTimeout('code', 1) }`;
    expect((await failureOf(refused))?.message).toMatch(/setTimeout takes a function/);
  });

  it('has fresh module variables in each batch, also when two run at once', async () => {
    const code = `let n = 0
export async function process(event, ctx) { await ctx.call('users', 'nobody'); return { type: 'N', payload: ++n } }`;
    const services = { users: { url: '/api/services/users/{key}' } };
    const batches = [1, 2].map(() => run(code, numbers(3), { services }));
    for (const outcome of await Promise.all(batches)) {
      expect(payloadsOf(outcome)).toEqual([1, 2, 3]);
    }
  });

  it('is stopped when it loops without end', async () => {
    const code = `export function process({ payload }) {
  while (payload === 1) {}
  return { type: 'E', payload }
}`;
    const outcome = await run(code, numbers(3));
    expect(payloadsOf(outcome)).toEqual([0]);
    expect(outcome).toMatchObject({
      failures: [{ offset: 1, error: { code: 'loop_guard', line: 2 } }],
      stoppedAt: 2,
    });
  });

  it('is given up when nothing will settle it', async () => {
    const error = await failureOf('export const process = () => new Promise(() => {})');
    expect(error?.message).toMatch(/nothing will ever settle/);
  });

  it.each([
    ['returns a number', 'return 42', 'bad_value'],
    ['returns rubbish', 'return { foo: 1 }', 'bad_value'],
    ['emits 10,001 events', 'for (let i = 0; i < 10001; i++) ctx.emit({ type: "A" })', 'memory'],
    ['throws a symbol', 'throw Symbol("s")', 'program_threw'],
    ['throws nothing', 'throw undefined', 'program_threw'],
    ['rejects', 'return Promise.reject(new Error("no"))', 'program_threw'],
    ['returns what cannot cross', 'return { type: "A", payload: () => 1 }', 'bad_value'],
    ['recurses without end', 'const f = () => f() + 1; return f()', 'program_threw'],
  ])('fails its event alone when it %s', async (_, body, code) => {
    const program = `export function process({ payload }, ctx) {
  if (payload !== 1) return { type: 'E', payload }
  ${body}
}`;
    const outcome = await run(program, numbers(3));
    expect(payloadsOf(outcome)).toEqual([0, 2]);
    expect(outcome.failures).toMatchObject([{ offset: 1, error: { code } }]);
  });

  it('does not load: that is no event’s failure', async () => {
    const code = `export const process = () => 1\nnull.x`;
    const failed = run(code, [{}]);
    await expect(failed).rejects.toThrow(/does not load, line 2, column 6: TypeError/);
    await expect(failed).rejects.not.toBeInstanceOf(IsolateCrashError);
  });

  it('cannot be had, or V8 refuses it: that is no event’s failure either', async () => {
    const config = await configOf('export const process = () => 1 // gone');
    const gone = { ...config, programKey: 'processors/programs/none', programHash: 'none' };
    const batch = { text: linesOf([{}]), attempt: 1 };
    const lost = runStateless(env, gone, batch);
    await expect(lost).rejects.toThrow(/cannot be read/);
    await expect(lost).rejects.not.toBeInstanceOf(IsolateCrashError);
    await env.BUCKET.put('processors/programs/broken', '(function () { "use strict"; ??? })');
    const broken = {
      ...config,
      programKey: 'processors/programs/broken',
      programHash: 'broken',
      guard: false,
    };
    const refused = runStateless(env, broken, batch);
    await expect(refused).rejects.toThrow(/SyntaxError/);
    await expect(refused).rejects.not.toBeInstanceOf(IsolateCrashError);
  });

  it('is refused at once when it does not compile, by line and column', async () => {
    const refused = async (code: string) => {
      const error = await storeProgram(env, code).catch((thrown: unknown) => thrown);
      if (!(error instanceof ProblemError)) throw error;
      return [error.code, ...error.errors.map(({ message }) => message)];
    };
    expect(await refused('const x = 1\nexport function process( {')).toEqual([
      'bad_program',
      expect.stringMatching(/^line 2, column \d+: Unexpected token/),
    ]);
    expect(await refused('export const handle = () => 1')).toEqual([
      'bad_program',
      'line 1, column 1: the program exports no `process` function',
    ]);
    expect(await refused('import x from "y"\nexport default () => 1')).toEqual([
      'bad_program',
      'line 1, column 1: a program cannot import anything: it is one module',
      'line 1, column 1: the program exports no `process` function',
      'line 2, column 1: use `export function process`, not a default export',
    ]);
    expect(await refused('export function* process() {}')).toEqual([
      'bad_program',
      expect.stringContaining('cannot be a generator'),
    ]);
    expect(await refused('export const process = 5')).toEqual([
      'bad_program',
      expect.stringContaining('process has to be a function'),
    ]);
  });
});

describe('code that changes the realm', () => {
  const after =
    'export async function process() { await null; return { type: "E", payload: "ok" } }';
  it.each([
    ['JSON.stringify', 'JSON.stringify = () => "forged"'],
    ['JSON.parse', 'JSON.parse = () => ({ offset: 5 })'],
    ['Promise.prototype.then', 'Promise.prototype.then = function () {}'],
    ['Promise.prototype.constructor', 'Promise.prototype.constructor = function () {}'],
    ['Promise', 'globalThis.Promise = class {}'],
    ['Array.prototype.push', 'Array.prototype.push = function () { return 0 }'],
    ['iteration', 'Array.prototype[Symbol.iterator] = function* () {}'],
    ['Map', 'Map.prototype.get = () => 1; Map.prototype.set = () => 1'],
    ['String.prototype.split', 'String.prototype.split = () => []'],
    ['RegExp.prototype.exec', 'RegExp.prototype.exec = () => null'],
    ['Object.keys', 'Object.keys = () => []'],
    ['Reflect.apply', 'Reflect.apply = () => undefined'],
    [
      'Function.prototype.call',
      'Function.prototype.call = () => 1; Function.prototype.apply = () => 1',
    ],
  ])('gets the right outcome, or an honest failure: %s', async (_, tamper) => {
    // The second batch meets a realm that the first one has spoilt.
    for (let batch = 0; batch < 2; batch++) {
      expect(await crashOf(`${tamper}\n${after}`, numbers(3))).toBeNull();
    }
  });

  it('harms nobody but itself when it breaks everything', async () => {
    const tamper = `for (const name of Object.getOwnPropertyNames(globalThis)) try { globalThis[name] = null } catch {}`;
    expect(await crashOf(`${tamper}\n${after}`, numbers(3))).toBeNull();
    // The second time its own first line fails, and the realm has nothing left to describe that with.
    await expect(run(`${tamper}\n${after}`, numbers(3))).rejects.toThrow(/does not load/);
    expect(payloadsOf(await run(after, numbers(1)))).toEqual(['ok']);
  });

  it.each([
    ['a `then` of all objects', 'Object.prototype.then = () => {}'],
    ['elements of all arrays', 'Object.defineProperty(Array.prototype, 0, { set() {} })'],
  ])('does not load when it adds %s', async (_, tamper) => {
    await expect(run(`${tamper}\n${after}`, numbers(1))).rejects.toThrow(
      /does not load.*TypeError/,
    );
  });
});

describe('services', () => {
  const services = { users: { url: 'https://users.example/{key}?by={key}' } };
  const CALL = `export async function process({ payload }, ctx) {
  return { type: 'E', payload: await ctx.call('users', payload) }
}`;
  const answerWith = (answer: (url: string, init?: RequestInit) => Response | Promise<Response>) =>
    vi
      .spyOn(globalThis, 'fetch')
      .mockImplementation((input, init) => Promise.resolve(answer(String(input), init)));

  it('are asked with the key encoded, follow no redirect, and answer JSON', async () => {
    const fetched = answerWith((url) => Response.json({ url }));
    const outcome = await run(CALL, [{ payload: 'a/b?c=d&é{key}' }], { services });
    const key = 'a%2Fb%3Fc%3Dd%26%C3%A9%7Bkey%7D';
    expect(payloadsOf(outcome)).toEqual([{ url: `https://users.example/${key}?by=${key}` }]);
    expect(fetched.mock.calls[0]?.[1]).toMatchObject({ redirect: 'manual' });
  });

  it('give null for 404', async () => {
    answerWith(() => new Response('no', { status: 404 }));
    expect(payloadsOf(await run(CALL, [{ payload: 'x' }], { services }))).toEqual([null]);
  });

  it.each<[string, () => Response, string]>([
    ['503', () => new Response('', { status: 503 }), 'Error: service users answered 503'],
    [
      'a redirect',
      () => new Response(null, { status: 302, headers: { location: '/' } }),
      'Error: service users answered 302',
    ],
    ['no JSON', () => new Response('<html>'), 'Error: service users did not answer with JSON'],
    [
      'too much',
      () => new Response(`"${'x'.repeat(SERVICE_ANSWER_MAX_BYTES)}"`),
      `Error: service users answered more than ${SERVICE_ANSWER_MAX_BYTES} bytes`,
    ],
    [
      'nothing',
      () => {
        throw new Error('connection refused');
      },
      'Error: service users cannot be reached: connection refused',
    ],
  ])('fail the event that asks: %s', async (_, answer, message) => {
    answerWith(answer);
    const outcome = await run(CALL, [{ payload: 'x' }], { services });
    expect(outcome.failures).toMatchObject([
      { offset: 0, error: { code: 'program_threw', message, line: 2 } },
    ]);
  });

  it('fail the event when they are too slow', async () => {
    answerWith(
      (_, init) =>
        new Promise((_resolve, reject) => {
          init?.signal?.addEventListener('abort', () => reject(new Error('aborted')));
        }),
    );
    const outcome = await run(CALL, [{ payload: 'x' }, { payload: 'y' }], { services });
    expect(outcome.failures.map(({ error }) => error.message)).toEqual([
      'Error: service users did not answer within 5000 ms',
      'Error: service users did not answer within 5000 ms',
    ]);
  });

  it('have to be declared, and cannot be led elsewhere by a key', async () => {
    const fetched = answerWith(() => Response.json(1));
    const messageOf = async (key: Json, declared: Record<string, { url: string }>) =>
      (await run(CALL, [{ payload: key }], { services: declared })).failures[0]?.error.message;
    expect(await messageOf('x', { other: { url: '/api/services/users/{key}' } })).toBe(
      'Error: service users is not declared by this processor (declared: other)',
    );
    expect(await messageOf('x', {})).toMatch(/declared: none/);
    for (const key of ['..', '.', ''])
      expect(await messageOf(key, services)).toMatch(/cannot be asked/);
    const hostile = { users: { url: 'https://{key}/x' } };
    expect(await messageOf('evil.example', hostile)).toMatch(/in the host/);
    expect(await messageOf('x', { users: { url: '/api/services/none/{key}' } })).toMatch(
      /there is no service at/,
    );
    const inherited = `export const process = async (event, ctx) => { await ctx.call('constructor', 'x') }`;
    expect((await failureOf(inherited, { services }))?.message).toMatch(/not declared/);
    expect(fetched).not.toHaveBeenCalled();
  });

  it('are called side by side, no more than so many at once', async () => {
    let open = 0;
    let most = 0;
    answerWith(async (url) => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setTimeout(resolve, 5));
      open--;
      return Response.json(Number(new URL(url).pathname.slice(1)));
    });
    const outcome = await run(CALL, numbers(40), { services });
    expect(payloadsOf(outcome)).toEqual(numbers(40).map(({ payload }) => payload));
    expect(most).toBe(SERVICE_CALLS_MAX);
  });
});

describe('payloads of claims', () => {
  const claimOf = (text: string, contentType: string) => {
    const body = new Response(text).body as ReadableStream<Uint8Array>;
    return storeClaim(env, { body, contentType, contentLength: text.length }, Date.now());
  };
  const OPEN = `export async function process(event, ctx) {
  const payload = await ctx.payload(event)
  return { type: 'E', payload: payload instanceof Uint8Array ? new TextDecoder().decode(payload) : payload }
}`;

  it('are had by asking, JSON parsed', async () => {
    const events = [
      { claim: await claimOf('{"big":true}', 'application/json') },
      { claim: await claimOf('plain', 'text/plain') },
      { payload: 'inline' },
    ];
    expect(payloadsOf(await run(OPEN, events))).toEqual([{ big: true }, 'plain', 'inline']);
  });

  it('fail the event when they are gone', async () => {
    const claim = { ...(await claimOf('x', 'text/plain')), token: 'claim_unknown' };
    const { failures } = await run(OPEN, [{ claim }]);
    expect(failures[0]?.error).toMatchObject({
      line: 2,
      message: expect.stringContaining('claim_unknown') as string,
    });
  });
});

describe('a window’s function', () => {
  const window = { reason: 'bytes', events: 3, bytes: 9, attempt: 1 };
  const streamOf = (text: string) => new Response(text).body as ReadableStream<Uint8Array>;

  it('gets the events as a stream', async () => {
    const config = await configOf(`export async function process(batch, ctx) {
  let sum = 0
  for await (const { payload } of batch) sum += payload
  ctx.emit({ type: 'Sum', payload: [sum, batch.reason, batch.events, batch.bytes, ctx.attempt, ctx.version] })
}`);
    const outcome = await runBatchFunction(env, config, window, streamOf(linesOf(numbers(2000))));
    expect(outcome).toMatchObject({ ok: true, outputCount: 1 });
    expect(outcome.ok && payloadsOf(outcome)).toEqual([[1999000, 'bytes', 3, 9, 1, 2]]);
  });

  it('says in which line it failed', async () => {
    const config = await configOf(`export async function process(batch) {
  for await (const event of batch) event.payload.x.y
}`);
    const outcome = await runBatchFunction(env, config, window, streamOf(linesOf(numbers(1))));
    expect(outcome).toMatchObject({ ok: false, error: { code: 'program_threw', line: 2 } });
  });

  it('is to be run again when its input breaks: that is not its fault', async () => {
    const config = await configOf(
      'export async function process(batch) { for await (const e of batch); }',
    );
    const broken = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.error(new Error('R2 went away'));
      },
    });
    const failed = runBatchFunction(env, config, window, broken);
    await expect(failed).rejects.toThrow(/could not be read/);
    await expect(failed).rejects.not.toBeInstanceOf(IsolateCrashError);
  });
});

describe('an isolate that dies', () => {
  /** The platform, as it answers where its limits are real. */
  const platform = (process: () => Promise<unknown>) => ({
    ...env,
    LOADER: { get: () => ({ getEntrypoint: () => ({ process }) }) } as unknown as WorkerLoader,
  });
  const runWith = async (process: () => Promise<unknown>) =>
    runStateless(platform(process), await configOf('export const process = () => 1'), {
      text: linesOf(numbers(3)),
      attempt: 1,
    });

  it.each([
    ['Worker exceeded memory limit.', 'memory'],
    ['Worker exceeded CPU time limit.', 'deadline'],
    [
      'The Workers runtime canceled this request because it detected that your code had hung.',
      'deadline',
    ],
    ['disconnected: worker process died', 'internal'],
  ])('is a crash of nobody knows which event: %s', async (message, code) => {
    const failed = await runWith(() => Promise.reject(new Error(message))).catch((e: unknown) => e);
    expect(failed).toBeInstanceOf(IsolateCrashError);
    expect(failed).toMatchObject({ error: { code, message } });
  });

  it('is no crash when the platform itself is in trouble', async () => {
    const failed = runWith(() => Promise.reject(new Error('internal error; reference = 1')));
    await expect(failed).rejects.not.toBeInstanceOf(IsolateCrashError);
    await expect(failed).rejects.toThrow('internal error');
  });

  const honest: ProcessOutcome = {
    outputs: '{"type":"A"}\n',
    outputOffsets: [1],
    processed: 2,
    passedOver: 0,
    failures: [{ offset: 2, error: { code: 'program_threw', message: 'x' } }],
    stoppedAt: null,
    log: [],
  };

  it.each<[string, Partial<ProcessOutcome>]>([
    ['outputs of events that were not there', { outputOffsets: [7] }],
    ['another number of outputs', { outputs: '{"type":"A"}\n{"type":"B"}\n' }],
    ['events that nobody ran', { processed: 1 }],
    [
      'an end before its first event',
      { processed: 0, failures: [], outputs: '', outputOffsets: [], stoppedAt: 0 },
    ],
    ['an end out of the batch', { stoppedAt: 9 }],
    ['failures twice', { failures: [...honest.failures, ...honest.failures], processed: 1 }],
    ['a log of something else', { log: [{}] as unknown as string[] }],
  ])('or one that reports %s, is not believed', async (_, forged) => {
    const answer = (outcome: ProcessOutcome) => () => Promise.resolve({ ok: true, outcome });
    expect(await runWith(answer(honest))).toEqual(honest);
    await expect(runWith(answer({ ...honest, ...forged }))).rejects.toThrow(/does not add up/);
  });
});
