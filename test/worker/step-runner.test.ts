// Steps of DAG jobs in real isolates: what they get, what becomes of what they return, and code that misbehaves.
import { env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { compileExpressions, compileStep } from '../../shared/dag/program.ts';
import {
  KIB,
  MIB,
  PROCESS_QUIET_MS,
  STEP_INLINE_MAX_BYTES,
  STEP_INPUT_MAX_BYTES,
  STEP_LOG_LINES_MAX,
  STEP_OUTPUT_BINARY_MAX_BYTES,
  STEP_OUTPUT_MAX_BYTES,
  STEP_UNITS_TOGETHER,
} from '../../shared/limits.ts';
import type { StepUnit } from '../../shared/dag/step.ts';
import type { Claim } from '../../shared/schemas/claim.ts';
import { DagSpec } from '../../shared/schemas/dag.ts';
import { openClaim, storeClaim } from '../../worker/claim-check/claims.edge.ts';
import type { Output } from '../../worker/contracts/run.rpc.ts';
import { storeStepProgram } from '../../worker/jobs/dag/steps/step-program.edge.ts';
import { evaluateExpressions, runUnits } from '../../worker/jobs/dag/steps/step-runner.edge.ts';
import type {
  StepRunAnswer,
  StepRunCall,
  UnitResult,
} from '../../worker/contracts/step-runner.rpc.ts';
import { claimKey } from '../../worker/platform/keys.ts';
import type { ProcessIsolate } from '../../worker/isolates/process-isolate.edge.ts';
import { passClaimTime } from './claim-time.ts';

const items = (values: unknown[]): StepRunCall['units'] =>
  values.map((value, item) => ({ item, itemJson: JSON.stringify(value), attempt: 1 }));

async function callOf(code: string, more: Partial<StepRunCall> = {}): Promise<StepRunCall> {
  const compiled = compileStep(code);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
  return {
    run: 'run_1',
    step: 'own',
    program: await storeStepProgram(env, compiled.text),
    guard: true,
    services: {},
    input: '{"n":1}',
    needs: [],
    units: [{ item: null, itemJson: null, attempt: 1 }],
    timeoutMs: 10_000,
    ...more,
  };
}

const run = async (code: string, more?: Partial<StepRunCall>): Promise<StepRunAnswer> =>
  runUnits(env, await callOf(code, more), Date.now);

const valueOf = (result: UnitResult | undefined): unknown => {
  if (result?.kind === 'done' && result.output.kind === 'json') {
    return JSON.parse(result.output.json) as unknown;
  }
  return result;
};

/** What a step comes to: JSON that lies in the run, or whatever else. */
const come = async (code: string, more: Partial<StepRunCall> = {}) =>
  (await run(code, more)).results.map(valueOf);

function claimOf(result: UnitResult | undefined): Extract<Output, { kind: 'claim' }> {
  if (result?.kind !== 'done' || result.output.kind !== 'claim') {
    throw new Error(`no claim: ${JSON.stringify(result)}`);
  }
  return result.output;
}

const bytesOf = async ({ token }: Claim) =>
  new Uint8Array(await new Response((await openClaim(env, token)).body).arrayBuffer());
const textOf = async (claim: Claim) => new TextDecoder().decode(await bytesOf(claim));

const stored = (content: string, contentType = 'application/json'): Promise<Claim> => {
  const bytes = new TextEncoder().encode(content);
  const body = new Response(bytes).body as ReadableStream<Uint8Array>;
  return storeClaim(env, { body, contentType, contentLength: bytes.length }, Date.now());
};
const inlined = (value: unknown): Output => ({ kind: 'json', json: JSON.stringify(value) });

describe('a step’s function', () => {
  it('gets the input, what it needs, and a context', async () => {
    const code = `export default (given, ctx) => { ctx.log('at', given.input.n); const { log, call, payload, ...plain } = ctx;
  return [given, plain, this === undefined] }`;
    const needs = [
      { step: 'a', output: inlined({ x: 1 }) },
      { step: 'many', output: [inlined(1), inlined(2)] },
      { step: 'skipped', output: null },
    ];
    const { results } = await run(code, {
      needs,
      units: [{ item: null, itemJson: null, attempt: 3 }],
    });
    const steps = { a: { x: 1 }, many: [1, 2], skipped: null };
    const context = { run: 'run_1', step: 'own', attempt: 3, item: null };
    expect(results.map(valueOf)).toEqual([[{ input: { n: 1 }, steps }, context, true]]);
    expect(results[0]?.log).toEqual(['at 1']);
  });

  it('may wait longer than a promise that nothing settles', async () => {
    const code = `export default async () => {
  await new Promise((resolve) => setTimeout(resolve, ${PROCESS_QUIET_MS + 1_500}))
  return 'rested'
}`;
    expect(await come(code)).toEqual(['rested']);
  });

  it('whose timer throws fails alone', async () => {
    const code = `export default ({ item }) => new Promise((resolve) => setTimeout(() => {
  if (item === 1) throw new Error('late')
  resolve(item)
}, 10))`;
    const [first, second, third] = await come(code, { units: items([0, 1, 2]), timeoutMs: 2_000 });
    expect([first, third]).toEqual([0, 2]);
    expect(second).toMatchObject({ kind: 'failed', error: { code: 'deadline' } });
  });

  it.each([
    ['returns at once', 'export default ({ input }) => input.n + 1', 2],
    ['is async', 'export default async function ({ input }) { await null; return [input.n] }', [1]],
    ['is named', 'export default function main() { return "x" }', 'x'],
    ['is exported by name', 'const go = () => null\nexport { go as default }', null],
    ['returns nothing', 'export default () => {}', null],
    ['is made by another function', 'const f = (n) => () => n\nexport default f(5)', 5],
  ])('%s', async (_, code, output) => {
    expect(await come(code)).toEqual([output]);
  });

  it.each([
    ['throws', '\nthrow new Error("no")', 'program_threw', { message: 'Error: no', line: 2 }],
    ['rejects', 'return Promise.reject(new Error("no"))', 'program_threw', {}],
    ['returns a function', 'return () => 1', 'bad_value', {}],
    ['returns NaN', 'return { n: NaN }', 'bad_value', {}],
    ['returns a date', 'return new Date()', 'bad_value', {}],
    ['returns itself in a circle', 'const a = []; a.push(a); return a', 'bad_value', {}],
    [
      'says no media type',
      'return { bytes: new Uint8Array(1), contentType: "a\\nb" }',
      'bad_value',
      {},
    ],
    ['loops without end', 'for (;;) {}', 'loop_guard', {}],
    ['loops without end, later', 'await null; for (;;) {}', 'loop_guard', {}],
    ['asks for nothing', 'await ctx.payload(5)', 'program_threw', {}],
    ['calls what it did not declare', 'await ctx.call("users", "u1")', 'program_threw', {}],
    ['imports', 'await (0, eval)("import(\\"cloudflare:workers\\")")', 'program_threw', {}],
  ])('fails alone when it %s', async (_, body, code, more) => {
    const program = `export default async ({ item }, ctx) => { if (item !== 1) return item; ${body} }`;
    const [first, second, third] = await come(program, { units: items([0, 1, 2]) });
    expect([first, third]).toEqual([0, 2]);
    expect(second).toMatchObject({ kind: 'failed', error: { code, ...more } });
  });

  it('fails when nothing will ever settle it, and keeps its log', async () => {
    const [result] = await come(
      'export default (_, ctx) => (ctx.log("here"), new Promise(() => {}))',
    );
    expect(result).toMatchObject({
      kind: 'failed',
      error: {
        code: 'program_threw',
        message: expect.stringMatching(/nothing will ever/) as string,
      },
      log: ['here'],
    });
  });

  it('has its time, and no more', async () => {
    const services = { users: { url: '/api/services/users/{key}' } };
    const code = `export default async ({ item }, ctx) => { while (item) await ctx.call('users', 'u'); return 'ok' }`;
    const results = await come(code, { services, timeoutMs: 300, units: items([0, 1, 0]) });
    expect([results[0], results[2]]).toEqual(['ok', 'ok']);
    const error = { code: 'deadline', message: 'the step took longer than 300 ms' };
    expect(results[1]).toMatchObject({ kind: 'failed', error });
  });

  it('does not load: then all units fail, and say where', async () => {
    const results = await come('export default () => 1\nnull.x', { units: items([1, 2]) });
    expect(results).toMatchObject([1, 2].map(() => ({ error: { code: 'bad_program', line: 2 } })));
  });

  it('logs so much and no more, each unit for itself', async () => {
    const code = 'export default ({ item }, { log }) => { for (let i = 0; i < item; i++) log(i) }';
    const { results } = await run(code, { units: items([1, STEP_LOG_LINES_MAX + 50, 2]) });
    expect(results.map(({ log }) => log.length)).toEqual([1, STEP_LOG_LINES_MAX, 2]);
  });

  it('may ask the services that it declares', async () => {
    const services = { users: { url: '/api/services/users/{key}' } };
    const code = 'export default async (_, ctx) => [await ctx.call("users", "nobody")]';
    expect(await come(code, { services })).toEqual([[null]]);
  });
});

describe('units side by side', () => {
  it('are fifty, each with its own item, attempt and copy of the input', async () => {
    const code = `let together = 0, most = 0
export default async (given, ctx) => {
  most = Math.max(most, ++together)
  const { n } = given.input
  given.input.n = 'spoilt'; given.steps.a.push(1)
  await ctx.call('users', 'nobody')
  together--
  return [n, given.steps.a.length, given.item, ctx.item, ctx.attempt, most]
}`;
    const units = items(Array.from({ length: STEP_UNITS_TOGETHER }, (_, i) => i * 2));
    const services = { users: { url: '/api/services/users/{key}' } };
    const needs = [{ step: 'a', output: inlined([]) }];
    const results = (await come(code, { units, services, needs })) as number[][];
    expect(results.map((row) => row.slice(0, 5))).toEqual(units.map((_, i) => [1, 1, i * 2, i, 1]));
    expect(Math.max(...results.map((row) => row[5] as number))).toBeGreaterThan(1);
  });

  it('are all run, when the loop guard stops one and when time is up', async () => {
    const endless = 'export default ({ item }) => { while (item === 3) {} return item }';
    const results = await come(endless, { units: items([0, 1, 2, 3, 4, 5]) });
    expect(results.map((result) => (typeof result === 'number' ? result : 'x'))).toEqual([
      ...[0, 1, 2, 'x', 4, 5],
    ]);
  });
});

describe('outputs', () => {
  it('over the bound lie in R2 as JSON', async () => {
    const code = `export default ({ item }) => 'ü'.repeat(item)`;
    const fits = (STEP_INLINE_MAX_BYTES - 2) / 2;
    const { results, operations } = await run(code, { units: items([fits, fits + 1]) });
    expect(valueOf(results[0])).toHaveLength(fits);
    const { claim, json } = claimOf(results[1]);
    expect({ json, contentType: claim.contentType }).toEqual({
      json: true,
      contentType: 'application/json',
    });
    expect(await textOf(claim)).toBe(JSON.stringify('ü'.repeat(fits + 1)));
    expect(operations).toMatchObject({ r2Write: 1, durableObjectRequest: 1 });
  });

  it('of 300 MB fail, and name the bound', async () => {
    for (const output of ['"x".repeat(3e8)', 'Array(1000).fill("x".repeat(3e5))']) {
      const [result] = await come(`export default () => ${output}`);
      const message = expect.stringContaining(String(STEP_OUTPUT_MAX_BYTES)) as string;
      expect(result).toMatchObject({ kind: 'failed', error: { code: 'memory', message } });
    }
  });

  it('of 300 MB of bytes fail as well', async () => {
    const [result] = await come('export default () => new Uint8Array(300e6)');
    const message = expect.stringContaining(String(STEP_OUTPUT_BINARY_MAX_BYTES)) as string;
    expect(result).toMatchObject({ kind: 'failed', error: { code: 'memory', message } });
  });

  it.each([
    ['Uint8Array', 'new Uint8Array([0, 255, 7]).subarray(1)', [255, 7], 'application/octet-stream'],
    ['ArrayBuffer', 'new Uint8Array([1, 2]).buffer', [1, 2], 'application/octet-stream'],
    ['DataView', 'new DataView(new ArrayBuffer(2))', [0, 0], 'application/octet-stream'],
    [
      '{bytes, contentType}',
      '({ bytes: new Uint8Array([9]), contentType: "image/webp" })',
      [9],
      'image/webp',
    ],
    ['no bytes', 'new Uint8Array(0)', [], 'application/octet-stream'],
    ['a promise of bytes', 'Promise.resolve(new Uint8Array([4]))', [4], 'application/octet-stream'],
  ])('that are bytes are claims: %s', async (_, output, bytes, contentType) => {
    const { results } = await run(`export default () => ${output}`);
    const { claim, json } = claimOf(results[0]);
    expect({ json, contentType: claim.contentType, bytes: claim.bytes }).toEqual({
      json: false,
      contentType,
      bytes: bytes.length,
    });
    expect([...(await bytesOf(claim))]).toEqual(bytes);
  });

  it('that are bytes may be larger than JSON', async () => {
    const { results } = await run('export default () => new Uint8Array(40 * 1024 * 1024).fill(7)');
    const { claim } = claimOf(results[0]);
    expect(claim.bytes).toBe(40 * MIB);
    const bytes = await bytesOf(claim);
    expect([bytes.length, bytes[0], bytes.at(-1)]).toEqual([40 * MIB, 7, 7]);
  });

  it('of many units are stored each for itself', async () => {
    const code =
      'export default ({ item }) => item % 2 ? new Uint8Array([item]) : String(item).repeat(70000)';
    const { results } = await run(code, { units: items([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) });
    for (const [i, result] of results.entries()) {
      const { claim } = claimOf(result);
      const content = i % 2 ? String.fromCharCode(i) : JSON.stringify(String(i).repeat(70_000));
      expect(await textOf(claim)).toBe(content);
    }
  });
});

describe('what a step needs', () => {
  it('is put in its place when it is JSON in R2, and is a claim when it is bytes', async () => {
    const large = await stored(JSON.stringify({ text: 'é'.repeat(500 * KIB) }));
    const raw = await stored('{"not":"read"}', 'application/json');
    const claim = (of: Claim, json: boolean): Output => ({ kind: 'claim', claim: of, json });
    const needs = [
      { step: 'large', output: claim(large, true) },
      { step: 'list', output: [inlined('😀'), claim(large, true), inlined(2)] },
      { step: 'raw', output: claim(raw, false) },
    ];
    const code = `export default async ({ steps: { large, list, raw } }, ctx) => {
  const bytes = await ctx.payload(raw)
  return [large.text.length, list.map((one) => one.text?.length ?? one), raw, bytes instanceof Uint8Array,
    new TextDecoder().decode(bytes), bytes === await ctx.payload({ claim: raw })]
}`;
    const chars = 500 * KIB;
    expect(await come(code, { needs, units: items([1, 2]) })).toEqual(
      [1, 2].map(() => [chars, ['😀', chars, 2], raw, true, '{"not":"read"}', true]),
    );
  });

  it('may not be more than a function can hold', async () => {
    const claim = {
      token: 'claim_x',
      bytes: STEP_INPUT_MAX_BYTES,
      sha256: '0'.repeat(64),
      contentType: 'application/json',
    };
    const [result] = await come('export default () => 1', {
      needs: [{ step: 'a', output: { kind: 'claim', claim, json: true } }],
    });
    expect(result).toMatchObject({
      error: {
        code: 'memory',
        message: expect.stringContaining(String(STEP_INPUT_MAX_BYTES)) as string,
      },
    });
  });

  it('may be a list of many claims, in its order', async () => {
    const claims = await Promise.all(Array.from({ length: 60 }, (_, i) => stored(String(i))));
    const output = claims.map((claim): Output => ({ kind: 'claim', claim, json: true }));
    const needs = [{ step: 'list', output }];
    const { results, operations } = await run('export default ({ steps }) => steps.list', {
      needs,
    });
    expect(results.map(valueOf)).toEqual([claims.map((_, i) => i)]);
    expect(operations.r2Read).toBeGreaterThanOrEqual(60);
  });

  it('may be 20 MB', async () => {
    const large = await stored(JSON.stringify(Array(20_000).fill('x'.repeat(1_000))));
    const needs = [{ step: 'large', output: { kind: 'claim', claim: large, json: true } as const }];
    expect(await come('export default ({ steps }) => steps.large.length', { needs })).toEqual([
      20_000,
    ]);
  });

  it('is gone: then the units fail, and say so', async () => {
    const gone = await stored('[1]');
    await passClaimTime(gone.token);
    await env.BUCKET.delete(claimKey(gone.token));
    const needs = [{ step: 'gone', output: { kind: 'claim', claim: gone, json: true } as const }];
    const results = await come('export default () => 1', { needs, units: items([1, 2]) });
    const error = { code: 'input_missing', message: expect.stringContaining(gone.token) as string };
    expect(results).toMatchObject([{ error }, { error }]);
  });
});

describe('an isolate that dies', () => {
  /** The platform, but that isolates die of some calls: the local runtime has no memory limit that could be met. */
  const dyingOf = (kills: (units: StepUnit[]) => boolean, message: string) => {
    const groups: number[] = [];
    const get: WorkerLoader['get'] = (name, code) => {
      const isolate = env.LOADER.get(name, code).getEntrypoint() as unknown as ProcessIsolate;
      const step: ProcessIsolate['step'] = (call, json, host) => {
        groups.push(call.units.length);
        return kills(call.units)
          ? Promise.reject(new Error(message))
          : isolate.step(call, json, host);
      };
      return { getEntrypoint: () => ({ step }) } as unknown as WorkerStub;
    };
    return { groups, platform: { ...env, LOADER: { get } as unknown as WorkerLoader } };
  };
  const MEMORY = 'Worker exceeded memory limit.';

  it('fails the unit that killed it, and no other', async () => {
    const { groups, platform } = dyingOf((units) => units.some(({ item }) => item === 2), MEMORY);
    const call = await callOf('export default ({ item }) => item', { units: items([0, 1, 2, 3]) });
    const { results } = await runUnits(platform, call, Date.now);
    expect(results.map(valueOf)).toEqual([
      0,
      1,
      { kind: 'failed', error: { code: 'memory', message: MEMORY }, log: [] },
      3,
    ]);
    expect(groups).toEqual([4, 1, 1, 1, 1]);
  });

  it('is nobody’s fault when the platform says so', async () => {
    const { platform } = dyingOf(() => true, 'internal error; reference = 1');
    const call = await callOf('export default () => 1');
    await expect(runUnits(platform, call, Date.now)).rejects.toThrow(/internal error/);
  });

  it('is nobody’s fault when the program cannot be had', async () => {
    const program = { key: 'dag/programs/none', hash: 'none' };
    await expect(run('export default () => 1', { program })).rejects.toThrow(/cannot be read/);
  });
});

describe('code that changes the realm', () => {
  it.each([
    ['JSON.stringify', 'JSON.stringify = () => "{"'],
    ['JSON.parse', 'JSON.parse = () => 5'],
    ['Promise.prototype.then', 'Promise.prototype.then = function () {}'],
    ['Array.prototype.push', 'Array.prototype.push = function () { return 0 }'],
    ['TextEncoder', 'TextEncoder.prototype.encode = () => new Uint8Array(3)'],
    ['ArrayBuffer.isView', 'ArrayBuffer.isView = () => true'],
    ['Function.prototype.call', 'Function.prototype.call = Function.prototype.apply = () => 1'],
    ['Promise', 'globalThis.Promise = class {}'],
    ['Promise.prototype.constructor', 'Promise.prototype.constructor = function () {}'],
    ['iteration', 'Array.prototype[Symbol.iterator] = function* () {}'],
  ])('gets the right outcome: %s', async (_, tamper) => {
    const code = `${tamper}\nexport default async ({ item }) => {
  await null
  return item < 3 ? item : { bytes: new Uint8Array(1).fill(item) }
}`;
    // The second call meets a realm that the first one has spoilt.
    for (let call = 0; call < 2; call++) {
      const { results } = await run(code, { units: items([0, 1, 2, 3]) });
      expect(results.slice(0, 3).map(valueOf)).toEqual([0, 1, 2]);
      expect([...(await bytesOf(claimOf(results[3]).claim))]).toEqual([3]);
    }
  });
});

describe('expressions', () => {
  const spec = (more: object) =>
    DagSpec.parse({
      kind: 'dag',
      steps: {
        a: { run: 'sleep', ms: 1 },
        b: { run: 'edge', code: 'export default () => 1', needs: ['a'], ...more },
      },
    });

  const evaluate = async (more: object, names: string[]) => {
    const compiled = compileExpressions(spec(more));
    if (!compiled.ok || compiled.text === null) throw new Error(JSON.stringify(compiled));
    const program = await storeStepProgram(env, compiled.text);
    const needs = [{ step: 'a', output: inlined({ list: [1, 2], on: '' }) }];
    const { results } = await evaluateExpressions(env, {
      program,
      guard: true,
      input: '{"n":1}',
      needs,
      names,
    });
    return results.map((result) =>
      result.ok ? (JSON.parse(result.json) as unknown) : result.error,
    );
  };

  it('see the input and the outputs of what is needed', async () => {
    const both = {
      when: 'steps.a.list.length === 2 && input.n',
      forEach: 'steps.a.list.map((n) => ({ n }))',
    };
    expect(await evaluate(both, ['b.when', 'b.forEach'])).toEqual([true, [{ n: 1 }, { n: 2 }]]);
    expect(await evaluate({ when: 'steps.a.on' }, ['b.when'])).toEqual([false]);
  });

  it.each([
    ['when', 'steps["no" + "ne"].x', 'program_threw'],
    ['when', 'steps.a.no.x', 'program_threw'],
    ['when', '(() => { for (;;); })()', 'loop_guard'],
    ['when', '(async () => false)()', 'bad_value'],
    ['forEach', '"text"', 'bad_value'],
    ['forEach', 'Array(1000001).fill(0)', 'bad_value'],
    ['forEach', 'Array(1000).fill("x".repeat(10000))', 'memory'],
    ['forEach', '[() => 1]', 'bad_value'],
  ])('fail, by name: %s: %s', async (field, source, code) => {
    const [error] = await evaluate({ [field]: source }, [`b.${field}`]);
    expect(error).toMatchObject({
      code,
      message: expect.stringContaining(`b.${field}: `) as string,
    });
  });
});
