// Units of a step through the runner that isolates carry: what each gets, what leaves it, and what becomes of trouble.
import { describe, expect, it } from 'vitest';
import { compileStep } from '../../../../shared/dag/program.ts';
import type { StepCall, StepHost, StepResult, StepUnit } from '../../../../shared/dag/step.ts';
import { runStep, sideBySideFor, type StepRun } from '../../../../shared/dag/step-run.ts';
import { STEP_INLINE_MAX_BYTES, STEP_UNITS_TOGETHER } from '../../../../shared/limits.ts';
import { guardCounted } from '../../../../shared/sandbox/guard.ts';
import { NEW_FUNCTION_ORIGIN } from '../../../../shared/sandbox/program-text.ts';
import type { ProcessorFactory } from '../../../../shared/sandbox/load.ts';
import { evaluated } from '../programs.ts';

const units = (values: unknown[], attempt = 1): StepUnit[] =>
  values.map((value, item) => ({ item, itemJson: JSON.stringify(value), attempt }));

interface Options extends Partial<Pick<StepRun, 'json' | 'quietMs'>> {
  host?: Partial<StepHost>;
  call?: Partial<StepCall>;
  guardSteps?: number;
}

/** What was stored, by its number. */
type Stored = { bytes: Uint8Array; contentType: string }[];

async function run(code: string, { host, call, guardSteps, ...more }: Options = {}) {
  const compiled = compileStep(code);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
  const guarded = guardSteps === undefined ? compiled.text : guardCounted(compiled.text);
  const stored: Stored = [];
  const result = await runStep({
    factory: evaluated(guarded) as ProcessorFactory,
    call: { run: 'run_1', step: 's', units: units([0]), timeoutMs: 5_000, ...call },
    json: '{"input":null,"steps":{}}',
    host: {
      call: () => Promise.resolve({ ok: true, value: null }),
      payload: () => Promise.resolve({ ok: false, message: 'there is none' }),
      store(body, _, contentType) {
        stored.push({ bytes: body as Uint8Array, contentType });
        return Promise.resolve({ ok: true, value: stored.length - 1 });
      },
      ...host,
    },
    origin: NEW_FUNCTION_ORIGIN,
    guardSteps: guardSteps ?? null,
    streamOf: (bytes) => bytes.slice(),
    ...more,
  });
  if (!result.ok) throw new Error(result.error.message);
  return { results: result.outcome.results, stored };
}

const jsonOf = (result: StepResult | undefined): unknown =>
  result?.kind === 'json' ? (JSON.parse(result.json) as unknown) : result;

describe('units of a step', () => {
  it('each get a copy of their own, and fresh contexts', async () => {
    const code = `export default async (given, ctx) => {
  given.input.list.push(given.item); ctx.log(given.item); ctx.attempt = 9
  await null
  return [given.input.list, ctx.item]
}`;
    const { results } = await run(code, {
      json: '{"input":{"list":[]},"steps":{}}',
      call: { units: units(['a', 'b', 'c']) },
    });
    expect(results.map(jsonOf)).toEqual([
      [['a'], 0],
      [['b'], 1],
      [['c'], 2],
    ]);
    expect(results.map(({ log }) => log)).toEqual([['a'], ['b'], ['c']]);
  });

  it('have module variables that the next call does not see', async () => {
    const code = 'let n = 0\nexport default () => ++n';
    for (let call = 0; call < 2; call++) {
      const { results } = await run(code, { call: { units: units([0, 0]) } });
      expect(results.map(jsonOf)).toEqual([1, 2]);
    }
  });

  it('see no `item` without `forEach`, and null where the item is null', async () => {
    const code = 'export default (given, ctx) => ["item" in given, given.item ?? null, ctx.item]';
    const whole = [{ item: null, itemJson: null, attempt: 1 }];
    const { results } = await run(code, { call: { units: whole } });
    expect(results.map(jsonOf)).toEqual([[false, null, null]]);
    const nothing = await run(code, { call: { units: units([null]) } });
    expect(nothing.results.map(jsonOf)).toEqual([[true, null, 0]]);
  });

  it('may not read a step that they do not need: the error names both', async () => {
    const code = `export default ({ item, steps }) => {
  if (item === 0) return steps.own + 1
  if (item === 1) { const { other } = steps; return other }
  if (item === 2) return steps?.['other'] ?? 'default'
  if (item === 3) return [steps, JSON.stringify(steps), { ...steps }, Object.keys(steps), 'other' in steps]
  if (item === 4) return [steps.hasOwnProperty('own'), String(steps), steps.constructor === Object, \`\${steps.nil}\`]
  return Promise.resolve(steps)
}`;
    const { results } = await run(code, {
      json: '{"input":null,"steps":{"own":1,"nil":null}}',
      call: { step: 'report', units: units([0, 1, 2, 3, 4, 5]) },
    });
    const message =
      'Error: steps.other is not there for the step "report": "other" has to be in its `needs`';
    const error = { code: 'program_threw', message };
    expect(results.slice(1, 3)).toMatchObject([
      { kind: 'failed', error: { ...error, line: 3 } },
      { kind: 'failed', error: { ...error, line: 4 } },
    ]);
    const steps = { own: 1, nil: null };
    expect([results[0], ...results.slice(3)].map(jsonOf)).toEqual([
      2,
      [steps, JSON.stringify(steps), steps, ['own', 'nil'], false],
      [true, '[object Object]', true, 'null'],
      steps,
    ]);
  });

  it('run fewer side by side when their input is large', () => {
    expect(sideBySideFor(100)).toBe(STEP_UNITS_TOGETHER);
    expect(sideBySideFor(1_000_000)).toBe(8);
    expect(sideBySideFor(30_000_000)).toBe(1);
  });

  it('that have not begun when the time of a call is over are left to the next', async () => {
    const code = `export default (_, ctx) => ctx.call('slow', 'x')`;
    const slow = () =>
      new Promise<{ ok: true; value: null }>((resolve) => {
        setTimeout(() => resolve({ ok: true, value: null }), 40);
      });
    const json = `{"input":"${'x'.repeat(9_000_000)}","steps":{}}`;
    const call = { units: units([0, 1, 2, 3]), timeoutMs: 50 };
    const { results } = await run(code, { json, call, host: { call: slow } });
    expect(results.length).toBeGreaterThan(0);
    expect(results.length).toBeLessThan(4);
    // On a machine that is busy, reading the input alone may take one of them its time.
    const kinds = new Set(
      results.map((one) => (one.kind === 'failed' ? one.error.code : one.kind)),
    );
    expect([...kinds].filter((kind) => kind !== 'json' && kind !== 'deadline')).toEqual([]);
  });

  it('end at the first that loops without end; those after it are left to the next call', async () => {
    const code = 'export default ({ item }) => { while (item === 1) {} return item }';
    const { results } = await run(code, {
      call: { units: units([0, 1, 2]) },
      guardSteps: 10_000,
    });
    expect(results).toMatchObject([
      { kind: 'json', json: '0' },
      {
        kind: 'failed',
        error: { code: 'loop_guard', message: expect.stringContaining('in one step') as string },
      },
    ]);
  });

  it('that wait for nothing are given up, the others are not', async () => {
    const code = 'export default ({ item }) => item ? new Promise(() => {}) : item';
    const call = { units: units([0, 1, 0]) };
    const { results } = await run(code, { call, quietMs: 30 });
    expect(results.map(({ kind }) => kind)).toEqual(['json', 'failed', 'json']);
  });
});

describe('what a unit returns', () => {
  it('is handed back while it is small, and stored as JSON when it is not', async () => {
    const code = 'export default ({ item }) => "x".repeat(item)';
    const fits = STEP_INLINE_MAX_BYTES - 2;
    const { results, stored } = await run(code, { call: { units: units([fits, fits + 1]) } });
    expect(results.map(({ kind }) => kind)).toEqual(['json', 'stored']);
    expect(results[1]).toMatchObject({ stored: 0, json: true });
    const [{ bytes, contentType } = { bytes: new Uint8Array(), contentType: '' }] = stored;
    expect(contentType).toBe('application/json');
    expect(bytes.length).toBe(STEP_INLINE_MAX_BYTES + 1);
  });

  it('is stored in whatever order, and named by its own number', async () => {
    const code = 'export default ({ item }) => new Uint8Array([item])';
    const answers: (() => void)[] = [];
    let numbers = 0;
    const seen = new Map<number, number>();
    const { results } = await run(code, {
      call: { units: units([7, 8, 9]) },
      host: {
        store: (body) =>
          new Promise((resolve) => {
            answers.unshift(() => {
              seen.set(numbers, (body as Uint8Array)[0] as number);
              resolve({ ok: true, value: numbers++ });
            });
            if (answers.length === 3) for (const answer of answers) answer();
          }),
      },
    });
    const bytes = results.map((result) => (result.kind === 'stored' ? seen.get(result.stored) : 0));
    expect(bytes).toEqual([7, 8, 9]);
  });

  it('fails its unit when it cannot be stored, and no other', async () => {
    const code = 'export default ({ item }) => item ? new Uint8Array(1) : 0';
    const host: Partial<StepHost> = {
      store: () => Promise.resolve({ ok: false, message: 'the bucket is away' }),
    };
    const { results } = await run(code, { call: { units: units([0, 1]) }, host });
    const message = 'the output could not be stored: the bucket is away';
    expect(results).toMatchObject([{ kind: 'json' }, { error: { code: 'internal', message } }]);
  });

  it('is not stored when it comes too late', async () => {
    const code = `export default async (_, ctx) => { await ctx.call('slow', 'x'); return new Uint8Array(1) }`;
    let answer: () => void = () => undefined;
    const host: Partial<StepHost> = {
      call: () =>
        new Promise((resolve) => {
          answer = () => resolve({ ok: true, value: null });
        }),
    };
    const { results, stored } = await run(code, { call: { timeoutMs: 30 }, host });
    expect(results).toMatchObject([{ kind: 'failed', error: { code: 'deadline' } }]);
    answer();
    await new Promise((resolve) => setImmediate(resolve));
    expect(stored).toEqual([]);
  });

  it('may be bytes of a claim that it opened, as bytes whatever their type', async () => {
    const code = 'export default async ({ item }, ctx) => [...await ctx.payload(item)]';
    const bytes = new TextEncoder().encode('{}');
    const host: Partial<StepHost> = {
      payload: () =>
        Promise.resolve({ ok: true, value: { bytes, contentType: 'application/json' } }),
    };
    const claim = { token: 'claim_1', bytes: 2 };
    const call = { units: units([claim, { claim }]) };
    const { results } = await run(code, { call, host });
    expect(results.map(jsonOf)).toEqual([[...bytes], [...bytes]]);
  });
});
