// Keyed processors' code in real isolates: folds and what fires, code that changes the realm, and isolates that die.
import { env } from 'cloudflare:test';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Json } from '../../shared/schemas/common.ts';
import type { FireOutcome, FoldOutcome } from '../../shared/streaming/process.ts';
import { keyedCode } from '../../worker/processors/keyed/code.edge.ts';
import type { KeyedCode } from '../../worker/processors/keyed/operator.ts';
import type { ShardConfig } from '../../worker/contracts/shard.rpc.ts';
import { ProblemError } from '../../worker/platform/problem.ts';
import { IsolateCrashError, ProgramLoadError } from '../../worker/isolates/isolate-run.ts';
import { storeProgram } from '../../worker/isolates/processor-program.edge.ts';

type Config = Parameters<typeof keyedCode>[1];

const WINDOW = { kind: 'window', window: { type: 'session' } } as const;
async function configOf(code: string, more: Partial<ShardConfig> = {}): Promise<Config> {
  const { key, hash } = await storeProgram(env, code, WINDOW);
  return {
    programKey: key,
    programHash: hash,
    guard: true,
    services: {},
    params: {},
    version: 2,
    ...more,
  };
}

/** Payloads under keys; one event may be there for several keys. */
const callOf = (
  given: [key: string, payload: Json][],
  states: [string, string[]][] = [],
): Parameters<KeyedCode['fold']>[0] => ({
  calls: 'process',
  text: given
    .map(([, payload], i) => {
      const event = { partition: 0, offset: 5 + i, id: `e${i}`, type: 'T', key: null, payload };
      return JSON.stringify(event);
    })
    .join('\n'),
  keys: given.map(([key]) => key),
  shownKeys: null,
  states,
  keepGoing: true,
  attempt: 1,
});

const three: [string, Json][] = [
  ['a', 1],
  ['b', 2],
  ['a', 3],
];
const fold = async (code: string, call = callOf(three), more: Partial<ShardConfig> = {}) =>
  keyedCode(env, await configOf(code, more)).fold(call);
const fire = async (code: string, units: { key: string; json: string }[]) =>
  keyedCode(env, await configOf(code)).fire({ units, attempt: 1 });

const SUM = 'export const process = ({ payload }, state) => (state ?? 0) + payload';
const units = ['1', '2', '3'].map((json, i) => ({ key: `k${i}`, json }));

afterEach(() => vi.restoreAllMocks());

describe('keyed code in an isolate', () => {
  it('folds events into states, with services between', async () => {
    vi.spyOn(globalThis, 'fetch').mockImplementation((input) =>
      Promise.resolve(Response.json(Number(new URL(String(input)).pathname.slice(1)))),
    );
    const code = `export async function process({ payload }, state, ctx) {
  ctx.emit({ type: 'E', key: ctx.key, payload: [state, ctx.version] })
  if (payload === 3) ctx.expire(5000)
  return (state ?? 0) + await ctx.call('numbers', payload)
}`;
    const services = { numbers: { url: 'https://numbers.example/{key}' } };
    const outcome = await fold(code, callOf(three, [['a', ['10']]]), { services });
    expect(outcome).toEqual({
      changed: [
        { key: 'a', state: '14', ttlMs: 5_000 },
        { key: 'b', state: '2', ttlMs: null },
      ],
      outputs:
        '{"type":"E","key":"a","payload":[10,2]}\n{"type":"E","key":"b","payload":[null,2]}\n{"type":"E","key":"a","payload":[11,2]}\n',
      outputOffsets: [5, 6, 7],
      failures: [],
      stoppedAt: null,
      log: [],
    });
  });

  it('adds to windows, and merges sessions', async () => {
    const code = `export const process = () => {}
export const add = (state, { payload }) => [...(state ?? []), payload]
export const merge = (a, b) => [...a, ...b]`;
    const call = { ...callOf(three, [['a', ['[8]', '[9]']]]), calls: 'add' } as const;
    const outcome = await fold(code, call);
    expect(outcome.changed.map(({ state }) => state)).toEqual(['[8,9,1,3]', '[2]']);
  });

  it('fires, with and without the loop guard, and says in which line it failed', async () => {
    const code = `export async function process(value, ctx) {
  if (value === 2) throw new Error('odd')
  return { type: 'F', key: ctx.key, payload: value }
}`;
    for (const guard of [true, false]) {
      const outcome = await keyedCode(env, await configOf(code, { guard })).fire({
        units,
        attempt: 1,
      });
      expect(outcome).toMatchObject({ outputUnits: [0, 2], stoppedAt: null });
      expect(outcome.failures).toMatchObject([
        { unit: 1, error: { code: 'program_threw', message: 'Error: odd', line: 2, column: 26 } },
      ]);
    }
  });

  it('is stopped when it loops without end', async () => {
    const code = `export function process(given, state) {
  while ((given.payload ?? given) === 2) {}
  return null
}`;
    expect(await fold(code)).toMatchObject({
      failures: [{ offset: 6, error: { code: 'loop_guard', line: 2 } }],
      stoppedAt: 7,
    });
    expect(await fire(code, units)).toMatchObject({
      failures: [{ unit: 1, error: { code: 'loop_guard' } }],
      stoppedAt: 2,
    });
  });

  it('does not load, cannot be had, or is refused: that is no event’s failure', async () => {
    const broken = fold('export const process = () => 1\nnull.x');
    await expect(broken).rejects.toBeInstanceOf(ProgramLoadError);
    await expect(broken).rejects.toThrow(/does not load, line 2, column 6/);
    const gone = {
      ...(await configOf(SUM)),
      programKey: 'processors/programs/no',
      programHash: 'no',
    };
    const lost = keyedCode(env, gone).fold(callOf(three));
    await expect(lost).rejects.toThrow(/cannot be read/);
    await expect(lost).rejects.not.toBeInstanceOf(IsolateCrashError);
    const refused = storeProgram(env, `${SUM}\nexport const add = () => 1`, WINDOW);
    await expect(refused).rejects.toBeInstanceOf(ProblemError);
    await expect(refused).rejects.toMatchObject({
      code: 'bad_program',
      errors: [{ path: 'code', message: expect.stringContaining('need `merge(a, b)`') as string }],
    });
  });
});

describe('code that changes the realm', () => {
  it.each([
    ['JSON.stringify', 'JSON.stringify = () => "forged"'],
    ['JSON.parse', 'JSON.parse = () => ({ offset: 5 })'],
    ['Promise.prototype.then', 'Promise.prototype.then = function () {}'],
    ['Promise', 'globalThis.Promise = class {}'],
    ['Array.prototype.push', 'Array.prototype.push = function () { return 0 }'],
    ['iteration', 'Array.prototype[Symbol.iterator] = function* () {}'],
    ['String.prototype.split', 'String.prototype.split = () => []'],
    ['Object.keys', 'Object.keys = () => []'],
    ['Reflect.apply', 'Reflect.apply = () => undefined'],
    [
      'everything',
      'for (const name of Object.getOwnPropertyNames(globalThis)) try { globalThis[name] = null } catch {}',
    ],
  ])('gets the right states all the same: %s', async (_, tamper) => {
    const code = `${tamper}
export async function process(given, state, ctx) {
  if (ctx === undefined) return { type: 'E' }
  await null
  return { n: (state ? state.n : 0) + given.payload }
}`;
    const call = callOf(three, [['a', ['{"n":5}']]]);
    const outcome = await fold(code, call);
    expect(outcome.changed).toEqual([
      { key: 'a', state: '{"n":9}', ttlMs: null },
      { key: 'b', state: '{"n":2}', ttlMs: null },
    ]);
  });

  it('cannot reach another key’s state through the object that it was given', async () => {
    const code = `const seen = []
export function process({ payload }, state) {
  for (const other of seen) other.n = 'stolen'
  state ??= {}
  state.n = payload
  seen.push(state)
  return state
}`;
    expect((await fold(code)).changed.map(({ state }) => state)).toEqual(['{"n":3}', '{"n":2}']);
  });
});

describe('an isolate that dies', () => {
  const platform = (isolate: Record<string, () => Promise<unknown>>) =>
    ({
      ...env,
      LOADER: { get: () => ({ getEntrypoint: () => isolate }) } as unknown as WorkerLoader,
    }) as typeof env;
  const codeWith = async (answer: () => Promise<unknown>) =>
    keyedCode(platform({ fold: answer, fire: answer }), await configOf(SUM));

  it('is a crash of nobody knows which event', async () => {
    const code = await codeWith(() => Promise.reject(new Error('Worker exceeded memory limit.')));
    for (const failed of [code.fold(callOf(three)), code.fire({ units, attempt: 1 })]) {
      await expect(failed).rejects.toBeInstanceOf(IsolateCrashError);
      await expect(failed).rejects.toMatchObject({ error: { code: 'memory' } });
    }
    const trouble = await codeWith(() =>
      Promise.reject(new Error('internal error; reference = 1')),
    );
    await expect(trouble.fold(callOf(three))).rejects.not.toBeInstanceOf(IsolateCrashError);
  });

  const failure = { code: 'program_threw' as const, message: 'x' };
  const folded: FoldOutcome = {
    changed: [{ key: 'a', state: '1', ttlMs: null }],
    outputs: '{"type":"A"}\n',
    outputOffsets: [5],
    failures: [{ offset: 6, error: failure }],
    stoppedAt: null,
    log: [],
  };
  it.each<[string, Partial<FoldOutcome>]>([
    ['a key that was not asked for', { changed: [{ key: 'z', state: '1', ttlMs: null }] }],
    ['a key twice', { changed: [...folded.changed, ...folded.changed] }],
    [
      'a state that is no text',
      { changed: [{ key: 'a', state: 1 as unknown as string, ttlMs: null }] },
    ],
    ['outputs of events that were not there', { outputOffsets: [8] }],
    ['outputs of an event that failed', { outputOffsets: [6] }],
    ['another number of outputs', { outputs: '{"type":"A"}\n{"type":"B"}\n' }],
    [
      'an end before its first event',
      { stoppedAt: 5, failures: [], outputs: '', outputOffsets: [] },
    ],
    ['an end out of the batch', { stoppedAt: 9 }],
    ['a failure behind its end', { stoppedAt: 6 }],
    ['a log of something else', { log: [{}] as unknown as string[] }],
  ])('or a fold that reports %s, is not believed', async (_, forged) => {
    const answering = (outcome: FoldOutcome) => () => Promise.resolve({ ok: true, outcome });
    const call = callOf(three);
    expect(await (await codeWith(answering(folded))).fold(call)).toEqual(folded);
    const failed = (await codeWith(answering({ ...folded, ...forged }))).fold(call);
    await expect(failed).rejects.toThrow(/does not add up/);
  });

  const fired: FireOutcome = {
    outputs: '{"type":"A"}\n',
    outputUnits: [0],
    failures: [{ unit: 1, error: failure }],
    stoppedAt: null,
    log: [],
  };
  it.each<[string, Partial<FireOutcome>]>([
    ['units that were not there', { outputUnits: [3] }],
    ['outputs of what failed', { outputUnits: [1] }],
    ['an end before the first', { stoppedAt: 0, failures: [], outputs: '', outputUnits: [] }],
    ['an end behind the last', { stoppedAt: 4 }],
    ['failures out of order', { failures: [...fired.failures, ...fired.failures] }],
  ])('or what fires, with %s, is not believed', async (_, forged) => {
    const answering = (outcome: FireOutcome) => () => Promise.resolve({ ok: true, outcome });
    const call = { units, attempt: 1 };
    expect(await (await codeWith(answering(fired))).fire(call)).toEqual(fired);
    const failed = (await codeWith(answering({ ...fired, ...forged }))).fire(call);
    await expect(failed).rejects.toThrow(/does not add up/);
  });
});
