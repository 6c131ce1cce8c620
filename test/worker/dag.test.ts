// DAG jobs by REST, inside workerd: what they come to, how they are steered, and what is said of those that go wrong.
import { describe, expect, it } from 'vitest';
import type { List } from '../../shared/schemas/common.ts';
import type { DagJobSummary, StepItem } from '../../shared/schemas/dag.ts';
import type { AnyJobSummary } from '../../shared/schemas/jobs.ts';
import { passClaimTime } from './claim-time.ts';
import {
  dagEnded,
  dagJob,
  dagResult,
  edge,
  refusal,
  runDag,
  seen,
  stepOf,
  submitDag,
} from './dag-calls.ts';
import { call, events, postJson, problemOf, run, submit } from './rest.ts';
import { create, publish } from './stream-calls.ts';

const NOTHING = edge('export default () => null');
const WAITS = { run: 'wait' as const, signal: 'go' };

describe('a run', () => {
  it('makes a product of two things that are made at once', async () => {
    const job = await submitDag(
      {
        video: edge(
          'export default async (input, ctx) => ({ video: `${input.input.productId}.webm`, attempt: ctx.attempt })',
        ),
        image: edge(
          'export default ({ input }, ctx) => { ctx.log("thumbnail of", input.productId); return [320, 640] }',
        ),
        product: edge(
          'export default async ({ input, steps }, ctx) => ({ id: input.productId, ...steps.video, sizes: steps.image, by: ctx.step })',
          { needs: ['video', 'image'] },
        ),
      },
      { name: 'product upload', input: { productId: 'p1' } },
    );
    expect(job).toMatchObject({ kind: 'dag', name: 'product upload', spec: { kind: 'dag' } });
    expect(job.levels).toEqual([['video', 'image'], ['product']]);
    const done = await dagEnded(job.id);
    expect(done).toMatchObject({
      state: 'done',
      error: null,
      steps: {
        video: { state: 'done', attempts: 1, output: { video: 'p1.webm', attempt: 1 } },
        image: { state: 'done', output: [320, 640] },
        product: { state: 'done', level: 1 },
      },
    });
    const product = { id: 'p1', video: 'p1.webm', attempt: 1, sizes: [320, 640], by: 'product' };
    expect(await dagResult(job.id)).toEqual({
      video: { video: 'p1.webm', attempt: 1 },
      image: [320, 640],
      product,
    });
    const detail = await stepOf(job.id, 'image');
    expect(detail).toMatchObject({ step: 'image', state: 'done', level: 0 });
    expect(detail.attemptsMade).toMatchObject([
      { attempt: 1, item: null, error: null, log: ['thumbnail of p1'] },
    ]);
    const types = (await events(job.id)).map(({ type, step }) =>
      `${type} ${String(step ?? '')}`.trim(),
    );
    expect(types[0]).toBe('submitted');
    expect(types.at(-1)).toBe('done');
    expect(types.indexOf('stepStarted product')).toBeGreaterThan(types.indexOf('stepDone video'));
    expect(types.indexOf('stepStarted product')).toBeGreaterThan(types.indexOf('stepDone image'));
  });

  it('skips what its condition says, and what needs it, unless that runs with null', async () => {
    const job = await runDag(
      {
        cheap: edge('export default () => "cheap"', { when: 'input.price < 10' }),
        dear: edge('export default () => "dear"', { when: 'input.price >= 10' }),
        after: edge('export default () => 1', { needs: ['dear'] }),
        end: edge('export default ({ steps }) => steps', {
          needs: ['cheap', 'dear'],
          afterSkipped: 'run',
        }),
      },
      { input: { price: 5 } },
    );
    expect(job.state).toBe('done');
    expect(job.steps['dear']).toMatchObject({ state: 'skipped', reason: 'its condition is false' });
    expect(job.steps['after']).toMatchObject({ state: 'skipped' });
    expect(await dagResult(job.id)).toEqual({
      cheap: 'cheap',
      dear: null,
      after: null,
      end: { cheap: 'cheap', dear: null },
    });
  });

  it('lets code read all steps before it, and says which step it may not read', async () => {
    const steps = {
      far: edge('export default () => 5'),
      near: edge('export default () => 7', { needs: ['far'] }),
      beside: edge('export default () => 9'),
    };
    const end = { needs: ['near'], when: 'steps.far === 5' };
    const code = 'export default ({ steps }) => steps.near * steps.far';
    const good = await runDag({ ...steps, end: edge(code, end) });
    expect(good.steps['end']).toMatchObject({ state: 'done', output: 35 });
    const wrong = 'export default ({ steps }) => steps.near * steps.beside';
    const bad = await runDag({ ...steps, end: edge(wrong, end) });
    const message =
      'Error: steps.beside is not there for the step "end": "beside" has to be in its `needs`';
    expect(bad).toMatchObject({ state: 'failed', steps: { end: { error: { message } } } });
    const unmet = await runDag({ ...steps, end: edge(code, { ...end, when: 'steps.beside > 1' }) });
    expect(unmet).toMatchObject({
      state: 'failed',
      steps: { end: { error: { message: `end.when: ${message}` } } },
    });
  });

  it('runs a step for each item of a list, some of them again, and lists them in order', async () => {
    const code = `export default ({ item, input }, ctx) => {
  if (item === 7 && ctx.attempt < 3) throw new Error('not yet')
  return item * input + ctx.item
}`;
    const job = await runDag(
      {
        list: edge('export default () => Array.from({ length: 25 }, (_, n) => n)'),
        each: edge(code, {
          needs: ['list'],
          forEach: 'steps.list',
          concurrency: 4,
          retry: { maxAttempts: 3, baseMs: 1, maxMs: 2 },
        }),
        sum: edge('export default ({ steps }) => steps.each.reduce((a, b) => a + b, 0)', {
          needs: ['each'],
        }),
      },
      { input: 2 },
    );
    expect(job.steps['each']).toMatchObject({
      state: 'done',
      items: { count: 25, done: 25, failed: 0 },
    });
    expect(await dagResult(job.id)).toMatchObject({
      sum: 900,
      each: Array.from({ length: 25 }, (_, n) => 3 * n),
    });
    const page = async (query: string): Promise<List<StepItem>> =>
      (await call(`/jobs/${job.id}/steps/each/items${query}`)).json();
    const first = await page('?limit=10');
    expect(first.items.map(({ item, output }) => [item, output])).toEqual(
      Array.from({ length: 10 }, (_, n) => [n, 3 * n]),
    );
    expect(first.items[7]).toMatchObject({ attempts: 3, state: 'done' });
    const rest = await page(`?limit=100&cursor=${first.next}`);
    expect(rest.items.map(({ item }) => item)).toEqual(
      Array.from({ length: 15 }, (_, n) => n + 10),
    );
    expect(rest.next).toBeNull();
    const { attemptsMade } = await stepOf(job.id, 'each', '?item=7');
    expect(attemptsMade.map(({ attempt, error }) => [attempt, error?.message])).toEqual([
      [1, expect.stringContaining('not yet')],
      [2, expect.stringContaining('not yet')],
      [3, undefined],
    ]);
  });

  it('puts large outputs in their place in the result, and bytes as a claim that can be read', async () => {
    const job = await runDag({
      large: edge('export default () => ({ text: "ü".repeat(100_000), end: true })'),
      bytes: edge('export default () => new Uint8Array(200_000).fill(7)'),
      typed: edge(
        'export default () => ({ bytes: new TextEncoder().encode("<svg/>"), contentType: "image/svg+xml" })',
      ),
      reads: edge(
        `export default async ({ steps }, ctx) => {
  const bytes = await ctx.payload(steps.bytes)
  return { chars: steps.large.text.length, bytes: bytes.length, seven: bytes.every((byte) => byte === 7) }
}`,
        { needs: ['large', 'bytes'] },
      ),
    });
    expect(job.steps['large']).toMatchObject({
      claim: { bytes: 200_022, contentType: 'application/json' },
    });
    const result = await dagResult(job.id);
    expect(result['large']).toEqual({ text: 'ü'.repeat(100_000), end: true });
    expect(result['reads']).toEqual({ chars: 100_000, bytes: 200_000, seven: true });
    expect(result['bytes']).toMatchObject({
      bytes: 200_000,
      contentType: 'application/octet-stream',
    });
    const { token } = result['typed'] as { token: string };
    const picture = await call(`/claims/${token}`);
    expect([picture.headers.get('claim-content-type'), await picture.text()]).toEqual([
      'image/svg+xml',
      '<svg/>',
    ]);
    const head = await call(`/jobs/${job.id}/result`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'application/json']);
    // The run holds it, whatever time passes; whoever deletes the run lets it go.
    await passClaimTime(token);
    expect((await call(`/claims/${token}`)).status).toBe(200);
    expect((await call(`/jobs/${job.id}`, { method: 'DELETE' })).status).toBe(204);
    await passClaimTime(token);
    expect((await call(`/claims/${token}`)).status).toBe(410);
  });

  it('runs a thousand steps beside each other, between a first and a last one', async () => {
    const names = Array.from({ length: 1_000 }, (_, n) => `s${n}`);
    const middle = Object.fromEntries(
      names.map((name) => [
        name,
        edge('export default ({ steps }, ctx) => steps.first + Number(ctx.step.slice(1))', {
          needs: ['first'],
        }),
      ]),
    );
    const job = await runDag({
      first: edge('export default () => 1'),
      ...middle,
      last: edge('export default ({ steps }) => Object.values(steps).reduce((a, b) => a + b)', {
        needs: names,
      }),
    });
    expect(job.error).toBeNull();
    expect(job.state).toBe('done');
    expect((await dagResult(job.id))['last']).toBe(1_000 + (999 * 1_000) / 2);
  }, 120_000);

  it('takes the result of a MapReduce job for an output', async () => {
    const words = `export function map(line, emit) { for (const word of line.split(' ')) emit(word, 1) }
export const combine = 'sum'
export const reduce = 'sum'`;
    const job = await runDag({
      words: {
        run: 'mapreduce',
        job: { input: { inline: 'a b\na' }, code: words, mappers: 'edge', partitions: 1 },
      },
      most: edge(
        'export default ({ steps }) => steps.words.records.toSorted((a, b) => b.value - a.value)[0].key',
        { needs: ['words'] },
      ),
    });
    expect(job.error).toBeNull();
    expect(job.steps['words']?.job).toMatch(/^job_/);
    expect(await dagResult(job.id)).toMatchObject({
      words: { job: job.steps['words']?.job, keys: 2 },
      most: 'a',
    });
  });
});

it('waits for events of one key, whichever comes first, also before the wait has begun', async () => {
  const stream = `products-${crypto.randomUUID().slice(0, 8)}`;
  await create(stream, { partitions: 3 });
  const made = (type: string, product: string, n: number) => ({
    type,
    key: product,
    payload: { n },
  });
  await publish(stream, made('Video', 'p1', 0));
  const { id } = await submitDag(
    {
      gate: WAITS,
      both: {
        run: 'wait',
        stream,
        types: ['Video', 'Image'],
        key: 'input.product',
        needs: ['gate'],
      },
      sum: edge(
        'export default ({ steps: { both } }) => both.Video.payload.n + both.Image.payload.n',
        { needs: ['both'] },
      ),
    },
    { input: { product: 'p1' } },
  );
  await publish(stream, [made('Image', 'p2', 100), made('Image', 'p1', 1)]);
  await postJson(`/jobs/${id}/signals/go`, null);
  await seen(id, 'stepDone');
  await publish(stream, [
    made('Video', 'p2', 100),
    made('Video', 'p1', 20),
    made('Video', 'p1', 300),
  ]);
  expect(await dagEnded(id)).toMatchObject({ state: 'done', error: null });
  expect(await dagResult(id)).toMatchObject({
    sum: 21,
    both: { Image: { key: 'p1', type: 'Image' } },
  });
});

describe('signals', () => {
  it('answer a wait, also those that came before it began, in their order', async () => {
    const { id } = await submitDag({
      first: WAITS,
      second: { run: 'wait', signal: 'later', needs: ['first'] },
      third: { run: 'wait', signal: 'later', needs: ['second'] },
    });
    const send = (name: string, body?: unknown) =>
      body === undefined
        ? call(`/jobs/${id}/signals/${name}`, { method: 'POST' })
        : postJson(`/jobs/${id}/signals/${name}`, body);
    expect((await send('later', 1)).status).toBe(202);
    expect((await send('later', { n: 2 })).status).toBe(202);
    const taken = await send('go');
    expect([taken.status, await taken.json()]).toEqual([202, { signal: 'go' }]);
    const job = await dagEnded(id);
    expect(job.state).toBe('done');
    expect(await dagResult(id)).toEqual({ first: null, second: 1, third: { n: 2 } });
    const over = await problemOf(await send('go'));
    expect(over).toMatchObject({ code: 'conflict', status: 409 });
  });

  it('carry names that JavaScript knows, as steps, inputs and outputs do', async () => {
    const text = '{"__proto__":{"a":1},"constructor":2,"toString":3}';
    const { id } = await submitDag({
      constructor: { run: 'wait' as const, signal: 'constructor' },
      toString: { run: 'wait' as const, signal: 'toString', needs: ['constructor'] },
      valueOf: {
        ...{
          run: 'edge' as const,
          needs: ['constructor', 'toString'],
          when: 'steps.toString.constructor === 2',
        },
        code: 'export default ({ steps }) => [JSON.stringify(steps.constructor), steps.toString]',
      },
    });
    const send = (name: string) =>
      call(`/jobs/${id}/signals/${name}`, { method: 'POST', body: text });
    expect((await send('constructor')).status).toBe(202);
    expect((await send('toString')).status).toBe(202);
    expect(await problemOf(await send('valueOf'))).toMatchObject({ code: 'not_found' });
    expect(await dagEnded(id)).toMatchObject({ state: 'done', error: null });
    expect(JSON.stringify(await dagResult(id))).toBe(
      `{"constructor":${text},"toString":${text},"valueOf":[${JSON.stringify(text)},${text}]}`,
    );
    const nothing = await problemOf(await call(`/jobs/${id}/steps/hasOwnProperty`));
    expect(nothing).toMatchObject({ code: 'not_found' });
  });

  it('are refused when no step waits for them, when they are too large, and of no run', async () => {
    const { id } = await submitDag({ a: WAITS });
    const send = async (path: string, body: unknown) => problemOf(await postJson(path, body));
    expect(await send(`/jobs/${id}/signals/gone`, 1)).toMatchObject({ code: 'not_found' });
    expect(await send(`/jobs/${id}/signals/0`, 1)).toMatchObject({ code: 'invalid_request' });
    expect(await send(`/jobs/${id}/signals/go`, 'x'.repeat(300_000))).toMatchObject({
      code: 'too_large',
    });
    expect(await send('/jobs/run_none/signals/go', 1)).toMatchObject({ code: 'not_found' });
    const { id: other } = await submit({
      input: { inline: '' },
      code: 'export const map = () => {}',
    });
    expect(await send(`/jobs/${other}/signals/go`, 1)).toMatchObject({ code: 'not_found' });
    await call(`/jobs/${id}/cancel`, { method: 'POST' });
    expect(await send(`/jobs/${id}/signals/go`, 1)).toMatchObject({ code: 'conflict' });
  });
});

describe('whoever submitted it', () => {
  it('gets the same run for the same Idempotency-Key, and no other body under it', async () => {
    const steps = { a: NOTHING };
    const headers = { 'idempotency-key': crypto.randomUUID() };
    const [first, second] = await Promise.all([
      submitDag(steps, {}, headers),
      submitDag(steps, {}, headers),
    ]);
    expect(second.id).toBe(first.id);
    await dagEnded(first.id);
    expect(await submitDag(steps, {}, headers)).toMatchObject({ id: first.id, state: 'done' });
    const other = await postJson('/jobs', { kind: 'dag', steps: { b: NOTHING } }, headers);
    expect(await problemOf(other)).toMatchObject({ code: 'conflict' });
  });

  it('finds it in the list, by kind and state, beside other jobs and newest first', async () => {
    const first = await runDag(
      { a: NOTHING, b: { ...NOTHING, when: 'false' } },
      { name: 'listed' },
    );
    const between = await run({
      mappers: 'edge',
      input: { inline: '' },
      code: 'export const map = () => {}',
    });
    const waiting = await submitDag({ a: WAITS });
    const list = async (query: string): Promise<List<AnyJobSummary>> =>
      (await call(`/jobs${query}`)).json();
    const ids = (page: List<AnyJobSummary>) => page.items.map(({ id }) => id);
    const three = [waiting.id, between.id, first.id];
    expect(ids(await list('?limit=3'))).toEqual(three);
    // Page by page, across kinds.
    const pages: string[] = [];
    for (let cursor = '', n = 0; n < 3; n++) {
      const page = await list(`?limit=1${cursor}`);
      pages.push(...ids(page));
      cursor = `&cursor=${page.next}`;
    }
    expect(pages).toEqual(three);
    expect(ids(await list('?kind=dag&limit=2'))).toEqual([waiting.id, first.id]);
    expect(ids(await list('?kind=mapreduce&limit=1'))).toEqual([between.id]);
    expect(ids(await list('?state=running&limit=1'))).toEqual([waiting.id]);
    const [listed] = (await list(`?kind=dag&state=done&limit=1`)).items as DagJobSummary[];
    expect(listed).toMatchObject({
      id: first.id,
      name: 'listed',
      progress: { steps: 2, done: 1, skipped: 1, running: 0 },
    });
    expect(listed).not.toHaveProperty('spec');
    await call(`/jobs/${waiting.id}`, { method: 'DELETE' });
    expect(ids(await list('?kind=dag&limit=1'))).toEqual([first.id]);
  });

  it('cancels it: what runs is given up, once', async () => {
    const { id } = await submitDag({ a: WAITS, b: { ...NOTHING, needs: ['a'] } });
    const response = await call(`/jobs/${id}/cancel`, { method: 'POST' });
    expect(await response.json()).toMatchObject({
      state: 'cancelled',
      steps: { a: { state: 'cancelled' }, b: { state: 'cancelled' } },
    });
    expect(await problemOf(await call(`/jobs/${id}/cancel`, { method: 'POST' }))).toMatchObject({
      code: 'conflict',
    });
    expect(await problemOf(await call(`/jobs/${id}/result`))).toMatchObject({ code: 'conflict' });
  });

  it('tries it again from what failed, with finished outputs kept', async () => {
    // Fails while the service has no such user.
    const user = `u${crypto.randomUUID().slice(0, 8)}`;
    const services = { users: { url: '/api/services/users/{key}' } };
    const { id } = await submitDag({
      once: edge('export default () => Math.random()'),
      asks: edge(
        `export default async (input, ctx) => [ctx.attempt, (await ctx.call('users', '${user}')).email]`,
        { needs: ['once'], services },
      ),
      beside: edge('export default () => "beside"', { needs: ['once'] }),
      end: edge('export default ({ steps }) => steps.once', { needs: ['asks', 'once'] }),
    });
    const failed = await dagEnded(id);
    expect(failed).toMatchObject({
      state: 'failed',
      error: { message: expect.stringMatching(/^asks: /) },
    });
    expect(failed.steps['beside']).toMatchObject({ state: 'done' });
    expect(failed.steps['end']).toMatchObject({
      state: 'cancelled',
      reason: 'it needs asks, which failed',
    });
    expect(await problemOf(await call(`/jobs/${id}/result`))).toMatchObject({ code: 'conflict' });
    const body = JSON.stringify({ name: 'Ada', email: 'ada@example.org' });
    await call(`/services/users/${user}`, { method: 'PUT', body });
    const again = await call(`/jobs/${id}/retry`, { method: 'POST' });
    const kept = failed.steps['once']?.output;
    expect(await again.json()).toMatchObject({
      state: 'running',
      error: null,
      steps: { once: { state: 'done', output: kept } },
    });
    const done = await dagEnded(id);
    expect(done).toMatchObject({
      state: 'done',
      steps: { once: { attempts: 1 }, beside: { attempts: 1 } },
    });
    expect(await dagResult(id)).toEqual({
      once: kept,
      asks: [2, 'ada@example.org'],
      beside: 'beside',
      end: kept,
    });
  });

  it('does not try again what is done or runs', async () => {
    const retry = async (id: string) =>
      problemOf(await call(`/jobs/${id}/retry`, { method: 'POST' }));
    const { id } = await submitDag({ a: WAITS });
    expect(await retry(id)).toMatchObject({ code: 'conflict' });
    await postJson(`/jobs/${id}/signals/go`, 1);
    await dagEnded(id);
    expect(await retry(id)).toMatchObject({ code: 'conflict' });
    expect(await retry('run_none')).toMatchObject({ code: 'not_found' });
  });

  it('deletes it while it runs', async () => {
    const { id } = await submitDag({
      a: edge('export default () => new Promise(() => {})'),
      b: WAITS,
    });
    await seen(id, 'stepStarted');
    expect((await call(`/jobs/${id}`, { method: 'DELETE' })).status).toBe(204);
    for (const path of ['', '/result', '/events', '/events/live', '/steps/a', '/steps/a/items']) {
      expect(await problemOf(await call(`/jobs/${id}${path}`))).toMatchObject({
        code: 'not_found',
      });
    }
    expect((await call(`/jobs/${id}`, { method: 'DELETE' })).status).toBe(404);
  });

  it('is told what is not there', async () => {
    const { id } = await runDag({ a: NOTHING });
    const said = async (path: string) => (await problemOf(await call(path))).detail;
    expect(await said(`/jobs/${id}/steps/b`)).toContain('step b');
    expect(await said(`/jobs/${id}/steps/toString`)).toContain('step toString');
    expect(await said(`/jobs/${id}/steps/a?item=3`)).toContain('item 3');
    expect(await said('/jobs/run_none')).toContain('job run_none');
    expect(await said('/jobs/run_none/steps/a')).toContain('job run_none');
    expect(await said(`/jobs/${id}/tasks`)).toContain('steps');
    expect(await said(`/jobs/${id}/result/top`)).toContain('steps');
    const items: List<StepItem> = await (await call(`/jobs/${id}/steps/a/items`)).json();
    expect(items).toEqual({ items: [], next: null });
  });
});

describe('a step that goes wrong says so', () => {
  it('over a list of a million', async () => {
    const job = await runDag({
      each: edge('export default () => 1', { forEach: 'Array.from({ length: 1e6 }, () => 0)' }),
    });
    expect(job).toMatchObject({
      state: 'failed',
      steps: { each: { state: 'failed', error: { code: 'bad_value' } } },
    });
    expect(job.steps['each']?.error?.message).toMatch(/1000000 items; it may give 10000/);
  });

  it('with an output of 300 MB', async () => {
    const job = await runDag({ big: edge('export default () => "x".repeat(300 * 1024 * 1024)') });
    expect(job).toMatchObject({ state: 'failed', steps: { big: { error: { code: 'memory' } } } });
    expect(job.steps['big']?.error?.message).toContain('16777216 bytes');
  }, 60_000);

  it('that never returns', async () => {
    const job = await runDag({
      waits: edge('export default () => new Promise(() => {})', { timeoutMs: 50 }),
      loops: edge('export default () => { for (;;); }'),
    });
    expect(job.state).toBe('failed');
    expect(job.steps['waits']?.error?.code).toBe('deadline');
    expect(job.steps['loops']?.error?.code).toBe('loop_guard');
  }, 60_000);

  it('with the line of its own code', async () => {
    const code = 'export default () => {\n  throw new Error("no such thing")\n}';
    const job = await runDag({ bad: edge(code) });
    expect(job.error?.message).toContain('bad: ');
    expect(job.steps['bad']?.error).toMatchObject({
      code: 'program_threw',
      message: expect.stringContaining('no such thing'),
      line: 2,
    });
  });
});

describe('a definition is refused, with its place', () => {
  const steps = (some: Record<string, unknown>) => refusal({ kind: 'dag', steps: some });

  it('when steps need each other in a circle', async () => {
    const loop = await steps({ a: { ...NOTHING, needs: ['a'] } });
    expect(loop).toMatchObject({
      status: 400,
      code: 'cycle',
      errors: [{ path: 'steps.a.needs', message: 'a needs itself' }],
    });
    const circle = await steps({
      a: { ...NOTHING, needs: ['c'] },
      b: { ...NOTHING, needs: ['a'] },
      c: { ...NOTHING, needs: ['b', 'gone'] },
    });
    expect(circle.code).toBe('cycle');
    expect(circle.errors[0]?.message).toMatch(/a → c → b → a/);
    expect(circle.errors[1]).toMatchObject({
      path: 'steps.c.needs',
      message: expect.stringContaining('gone'),
    });
  });

  it('when a step needs one that is not there, or one twice', async () => {
    const unknown = await steps({ a: { ...NOTHING, needs: ['b'] } });
    expect(unknown).toMatchObject({
      status: 400,
      code: 'unknown_step',
      errors: [{ path: 'steps.a.needs' }],
    });
    const twice = await steps({ a: NOTHING, b: { ...NOTHING, needs: ['a', 'a'] } });
    expect(twice).toMatchObject({ code: 'invalid_request', errors: [{ path: 'steps.b.needs' }] });
  });

  it('when its names, its number or its depth are not allowed', async () => {
    expect(await steps({ '1a': NOTHING })).toMatchObject({
      code: 'invalid_request',
      errors: [{ path: 'steps.1a' }],
    });
    expect(await steps({})).toMatchObject({
      errors: [{ path: 'steps', message: 'at least one step' }],
    });
    const many = Object.fromEntries(
      Array.from({ length: 2_001 }, (_, n) => [`s${n}`, { run: 'sleep', ms: 1 }]),
    );
    expect(await steps(many)).toMatchObject({
      errors: [{ path: 'steps', message: 'at most 2000 steps' }],
    });
    const chain = Object.fromEntries(
      Array.from({ length: 1_001 }, (_, n) => [
        `s${n}`,
        { run: 'sleep', ms: 1, needs: n ? [`s${n - 1}`] : [] },
      ]),
    );
    expect(await steps(chain)).toMatchObject({
      code: 'invalid_request',
      errors: [{ path: 'steps', message: expect.stringContaining('1000') }],
    });
  });

  it('when its code or an expression does not parse', async () => {
    const bad = await steps({
      a: edge('export default () => {\n  return 1 +\n}'),
      b: { run: 'volunteer', code: 'const x = 1' },
      c: { ...NOTHING, when: 'input.x >' },
    });
    expect(bad).toMatchObject({ status: 400, code: 'bad_program' });
    expect(bad.errors.map(({ path }) => path)).toEqual([
      'steps.a.code',
      'steps.b.code',
      'steps.c.when',
    ]);
    expect(bad.errors[0]?.message).toMatch(/^line 3, column 1: /);
    expect(bad.errors[1]?.message).toContain('export default');
  });

  it('when fields are unknown, missing or contradict each other', async () => {
    expect(await steps({ a: { ...NOTHING, retires: 3 } })).toMatchObject({
      code: 'invalid_request',
      errors: [{ path: 'steps.a' }],
    });
    expect(await steps({ a: { run: 'teleport' } })).toMatchObject({
      errors: [{ path: 'steps.a.run' }],
    });
    const both = { run: 'wait', signal: 'go', stream: 's', types: ['A'], key: 'input.k' };
    expect(await steps({ a: both })).toMatchObject({ errors: [{ path: 'steps.a.signal' }] });
    expect(await steps({ a: { run: 'wait' } })).toMatchObject({
      errors: [{ path: 'steps.a.signal' }],
    });
    expect(await refusal({ kind: 'dag' })).toMatchObject({ errors: [{ path: 'steps' }] });
    expect(await refusal({ kind: 'tree' })).toMatchObject({ errors: [{ path: 'kind' }] });
  });

  it('when it is too large, or nested too deeply', async () => {
    const large = await refusal({
      kind: 'dag',
      input: 'x'.repeat(4_200_000),
      steps: { a: NOTHING },
    });
    expect(large).toMatchObject({ status: 413, code: 'too_large' });
    const body = `{"kind":"dag","input":${'['.repeat(200_000)}${']'.repeat(200_000)},"steps":{"a":{"run":"sleep","ms":1}}}`;
    const deep = await problemOf(await call('/jobs', { method: 'POST', body }));
    expect(deep).toMatchObject({
      code: 'invalid_request',
      detail: expect.stringContaining('deep'),
    });
  });

  it('when a step is there twice, or has a name that JavaScript keeps', async () => {
    const sleep = '{"run":"sleep","ms":1}';
    const twice = `{"kind":"dag","steps":{"a":${sleep},"b":${sleep},"a":${sleep}}}`;
    const same = await problemOf(await call('/jobs', { method: 'POST', body: twice }));
    expect(same).toMatchObject({
      code: 'invalid_request',
      errors: [{ path: 'steps.a', message: 'there are two steps of this name' }],
    });
    const proto = `{"kind":"dag","steps":{"a":${sleep},"__proto__":${sleep}}}`;
    const kept = await problemOf(await call('/jobs', { method: 'POST', body: proto }));
    expect(kept).toMatchObject({ code: 'invalid_request', errors: [{ path: 'steps.__proto__' }] });
  });

  it('when a nested job could not be submitted, or what it reads is not there', async () => {
    const nested = (job: object) => steps({ a: { run: 'mapreduce', job } });
    const code = 'export const map = () => {}';
    expect(await nested({ input: { inline: '' }, code: 'export const x = 1' })).toMatchObject({
      code: 'bad_program',
      errors: [{ path: 'steps.a.job.code' }],
    });
    expect(await nested({ input: { inline: '', format: 'tsv' }, code })).toMatchObject({
      errors: [{ path: 'steps.a.job.input.format' }],
    });
    expect(await nested({ input: { dataset: 'none' }, code })).toMatchObject({
      status: 404,
      code: 'not_found',
      errors: [{ path: 'steps.a.job.input.dataset' }],
    });
    expect(await nested({ input: { stream: 'none' }, code })).toMatchObject({
      code: 'not_found',
      errors: [{ path: 'steps.a.job.input.stream' }],
    });
    expect(await nested({ input: { stream: 'none', from: 'lastRun' }, code })).toMatchObject({
      code: 'invalid_request',
      errors: [{ path: 'steps.a.job.input.from' }],
    });
    expect(
      await nested({ input: { range: { from: 0, to: 1e9 }, splitItems: 1 }, code }),
    ).toMatchObject({ code: 'invalid_request', errors: [{ path: 'steps.a.job.input' }] });
    const wait = { run: 'wait', stream: 'none', types: ['A'], key: 'input.k' };
    expect(await steps({ a: wait })).toMatchObject({
      code: 'not_found',
      errors: [{ path: 'steps.a.stream' }],
    });
  });
});

it('asks of a run no more than its id', async () => {
  expect((await dagJob('run_none')) as unknown).toMatchObject({ code: 'not_found' });
});
