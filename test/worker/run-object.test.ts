// A RunObject with its steps in real isolates, on a real database: through evictions, failures and retries, time-outs,
// signals, sleeps and events, cancelled, taken up again and deleted in the middle; and what it costs.
import { env, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { describe, expect, it, vi } from 'vitest';
import { storeClaim } from '../../worker/claim-check/claims.edge.ts';
import { FIRST_OUTPUT } from '../../worker/jobs/dag/run/outputs-page.ts';
import { catalog, claimShardOf, jobObject, runObject, userService } from '../../worker/stubs.ts';
import { appendEvents } from '../../worker/log/append.edge.ts';
import { parseEventBody } from '../../worker/log/events.ts';
import { ended, type NewRun, stubOf, submissionOf, submitRun, until } from './dag-runs.ts';
import { newStream } from './streams.ts';

const NOTHING = 'export default () => null';
const edge = (code: string, more: object = {}) => ({ run: 'edge' as const, code, ...more });

async function resultOf({ run }: NewRun): Promise<Record<string, unknown>> {
  const page = await run.outputs(FIRST_OUTPUT);
  return Object.fromEntries(
    (page?.pieces ?? []).map(({ step, from, outputs }) => {
      const values = outputs.map((one) =>
        one.kind === 'json' ? (JSON.parse(one.json) as unknown) : one,
      );
      return [step, from === null ? (values[0] ?? null) : values];
    }),
  );
}

const typesOf = async ({ run }: NewRun) =>
  (await run.events(0, 1_000))?.map(({ type, step }) => (step ? `${type} ${String(step)}` : type));

/** The instance dies where it is, and its alarm wakes another one. */
async function die({ id }: NewRun): Promise<void> {
  await runInDurableObject(stubOf(id), (_, state) => state.abort('killed')).catch(() => undefined);
  await runDurableObjectAlarm(stubOf(id));
}

describe('steps', () => {
  it('get the input and what they need, and run in order', async () => {
    const run = await submitRun(
      {
        a: edge('export default ({ input }) => input.n + 1'),
        b: edge(
          'export default async ({ input }, ctx) => { ctx.log("b", ctx.attempt); return input.n * 10; }',
        ),
        c: edge('export default ({ steps }) => steps.a + steps.b', { needs: ['a', 'b'] }),
      },
      { n: 4 },
    );
    expect(run.first).toMatchObject({ kind: 'dag', name: 'a run', levels: [['a', 'b'], ['c']] });
    const job = await ended(run);
    expect(job).toMatchObject({ state: 'done', reason: '', error: null });
    expect(job.steps['c']).toMatchObject({ state: 'done', output: 45, attempts: 1, level: 1 });
    expect(job.criticalPath.at(-1)).toBe('c');
    expect(job.cost.usd).toBeGreaterThan(0);
    expect(await resultOf(run)).toEqual({ a: 5, b: 40, c: 45 });
    expect(await run.run.attempts('b', null)).toMatchObject([
      { attempt: 1, item: null, error: null, log: ['b 1'] },
    ]);
    expect(await run.run.attempts('a', null)).toMatchObject([{ attempt: 1, log: [] }]);
    const types = await typesOf(run);
    expect(types?.slice(0, 3)).toEqual(['submitted', 'stepStarted a', 'stepStarted b']);
    expect(types?.slice(-3)).toEqual(['stepStarted c', 'stepDone c', 'done']);
    const listed = (await catalog(env).jobs({ kind: 'dag', limit: 100 })).items;
    await expect
      .poll(async () => (await catalog(env).jobs({ kind: 'dag', limit: 100 })).items)
      .toContainEqual(expect.objectContaining({ id: run.id, state: 'done' }));
    expect(listed.map(({ id }) => id)).toContain(run.id);
  });

  it('are skipped by a condition, and what needs them as it says', async () => {
    const run = await submitRun(
      {
        a: edge(NOTHING, { when: 'input.n > 10' }),
        b: edge(NOTHING, { needs: ['a'] }),
        c: edge('export default ({ steps }) => [steps.a, 1]', {
          needs: ['a'],
          afterSkipped: 'run',
        }),
        d: edge(NOTHING, { when: 'input.missing.field' }),
      },
      { n: 4 },
    );
    const { steps, state, error } = await ended(run);
    expect(steps['a']).toMatchObject({ state: 'skipped', reason: 'its condition is false' });
    expect(steps['b']).toMatchObject({ state: 'skipped', reason: 'it needs a, which was skipped' });
    expect(steps['c']).toMatchObject({ state: 'done', output: [null, 1] });
    expect(steps['d']).toMatchObject({ state: 'failed', error: { code: 'program_threw' } });
    expect(state).toBe('failed');
    expect(error?.message).toMatch(/^d: /);
  });

  it('run for each item of a list, no more at once than they say, with the item’s number', async () => {
    const code = 'export default ({ item }, ctx) => [item, ctx.item]';
    const run = await submitRun({
      all: edge(code, { forEach: '["a", "b", "c", "d", "e"]', concurrency: 2 }),
      none: edge(code, { forEach: '[]' }),
      after: edge('export default ({ steps }) => steps.all.length + steps.none.length', {
        needs: ['all', 'none'],
      }),
    });
    const { steps } = await ended(run);
    expect(steps['all']?.output).toEqual(['a', 'b', 'c', 'd', 'e'].map((item, i) => [item, i]));
    expect(steps['all']?.items).toEqual({ count: 5, done: 5, failed: 0, running: 0 });
    expect(steps['none']).toMatchObject({ state: 'done', output: [] });
    expect(steps['after']?.output).toBe(5);
    const started = (await run.run.events(0, 100))?.filter(
      ({ type, items }) => type === 'stepStarted' && items,
    );
    expect(started?.map(({ items }) => items)).toEqual([[0, 1], [2, 3], [4]]);
    const page = await run.run.items('all', undefined, 2);
    expect(page).toMatchObject({
      items: [{ item: 0, state: 'done', output: ['a', 0] }, { item: 1 }],
      next: '2',
    });
    expect((await run.run.items('all', '4', 2))?.next).toBeNull();
    expect(await run.run.items('nobody', undefined, 2)).toBeNull();
  });

  it('fail with the item that failed, after as many attempts as they may make', async () => {
    const code = `export default ({ item }, ctx) => {
      ctx.log('try', ctx.attempt);
      if (ctx.attempt < item) throw new Error('no ' + item);
      return item;
    }`;
    const retry = { maxAttempts: 2, baseMs: 10, maxMs: 20 };
    const run = await submitRun({
      all: edge(code, { forEach: '[0, 1, 2]', retry }),
      b: edge(NOTHING, { needs: ['all'] }),
    });
    const { steps, state } = await ended(run);
    expect(state).toBe('done');
    expect(steps['b']?.state).toBe('done');
    const bad = await submitRun({
      all: edge('export default ({ item }) => { if (item) throw new TypeError("no"); }', {
        forEach: '[0, 1]',
        retry,
      }),
      b: edge(NOTHING, { needs: ['all'] }),
    });
    const job = await ended(bad);
    expect(job.error).toMatchObject({
      code: 'program_threw',
      message: expect.stringContaining('all: item 1: ') as string,
    });
    expect(job.steps['b']).toMatchObject({
      state: 'cancelled',
      reason: 'it needs all, which failed',
    });
    expect(await bad.run.attempts('all', 1)).toMatchObject([
      { attempt: 1, error: { code: 'program_threw' } },
      { attempt: 2 },
    ]);
  });
});

describe('failures', () => {
  it('a step that fails is tried again after a pause, and told its attempt', async () => {
    const code =
      'export default (_, { attempt }) => { if (attempt < 3) throw new Error("flaky"); return attempt; }';
    const retry = { maxAttempts: 3, baseMs: 20, maxMs: 50 };
    const run = await submitRun({ a: edge(code, { retry }) });
    const { steps } = await ended(run);
    expect(steps['a']).toMatchObject({ state: 'done', output: 3, attempts: 3, error: null });
    const attempts = await run.run.attempts('a', null);
    expect(attempts?.map(({ attempt, error }) => [attempt, error?.code ?? null])).toEqual([
      [1, 'program_threw'],
      [2, 'program_threw'],
      [3, null],
    ]);
    expect(await typesOf(run)).toContain('stepRetried a');
  });

  it('a step that never returns runs out of time, and what does not need it goes on', async () => {
    const run = await submitRun({
      stuck: edge('export default () => new Promise(() => {})', { timeoutMs: 100 }),
      other: edge('export default () => 1'),
    });
    const job = await ended(run);
    expect(job.steps['stuck']?.state).toBe('failed');
    expect(job.steps['other']).toMatchObject({ state: 'done', output: 1 });
  });

  it('a large output goes to R2 by itself, is there for the next step, and goes with the run', async () => {
    const run = await submitRun({
      large: edge('export default () => "x".repeat(200_000)'),
      bytes: edge('export default () => new Uint8Array([1, 2, 3])'),
      next: edge('export default ({ steps }) => [steps.large.length, typeof steps.bytes.token]', {
        needs: ['large', 'bytes'],
      }),
    });
    const { steps } = await ended(run);
    expect(steps['next']?.output).toEqual([200_000, 'string']);
    expect(steps['large']?.output).toBeUndefined();
    const claims = ['large', 'bytes'].map((name) => steps[name]?.claim?.token ?? '');
    for (const token of claims) {
      await expect.poll(() => holdersOf(token)).toEqual([run.id]);
    }
    expect(await run.run.delete()).toBe(true);
    for (const token of claims) expect(await holdersOf(token)).toEqual([]);
    expect(await run.run.get()).toBeNull();
  });

  it('holds the claims that its input names', async () => {
    const body = new Response('hello').body as ReadableStream<Uint8Array>;
    const claim = await storeClaim(
      env,
      { body, contentType: 'text/plain', contentLength: 5 },
      Date.now(),
    );
    const code = 'export default async ({ input }, ctx) => (await ctx.payload(input.file)).length';
    const run = await submitRun({ a: edge(code) }, { file: claim });
    expect((await ended(run)).steps['a']?.output).toBe(5);
    await expect.poll(() => holdersOf(claim.token)).toEqual([run.id]);
  });
});

describe('restarts', () => {
  it('goes on where it was: what is done stays, what ran is made again', async () => {
    await userService(env).put({ id: 'u1', name: 'Ann', email: 'a@example.org' });
    await userService(env).setFaults({ latencyMs: 300, errorRate: 0 });
    const ask =
      'export default async (_, ctx) => { await ctx.call("users", "u1"); return ctx.attempt; }';
    const services = { users: { url: '/api/services/users/{key}' } };
    const run = await submitRun({
      a: edge('export default () => Math.random()'),
      b: edge(ask, { needs: ['a'], services }),
      each: edge(ask, { forEach: '[1, 2]', services }),
      c: edge('export default ({ steps }) => [steps.b, steps.each]', { needs: ['b', 'each'] }),
    });
    const before = await until(
      run,
      ({ steps }) => steps['b']?.state === 'running' && steps['each']?.items?.running === 2,
    );
    await die(run);
    const after = await ended(run);
    await userService(env).setFaults({ latencyMs: 0, errorRate: 0 });
    expect(after.state).toBe('done');
    expect(after.steps['a']?.output).toBe(before.steps['a']?.output);
    const { attempts = 0, output } = after.steps['b'] ?? {};
    expect(attempts).toBeGreaterThan(1);
    expect(output).toBe(attempts);
    expect((after.steps['c']?.output as number[])[0]).toBe(attempts);
    expect((await run.run.attempts('b', null))?.at(-1)).toMatchObject({
      attempt: attempts,
      error: null,
    });
  });

  it('comes to the same wherever it dies', async () => {
    const run = await submitRun({
      list: edge('export default () => [1, 2, 3, 4, 5, 6]'),
      each: edge('export default ({ item }) => item * item', {
        needs: ['list'],
        forEach: 'steps.list',
        concurrency: 2,
      }),
      nap: { run: 'sleep', ms: 30, needs: ['list'] },
      sum: edge('export default ({ steps }) => steps.each.reduce((a, b) => a + b, 0)', {
        needs: ['each', 'nap'],
      }),
    });
    for (let i = 0; i < 8; i++) {
      await die(run);
      await run.run.get();
    }
    expect((await ended(run)).steps['sum']?.output).toBe(91);
    const seqs = (await run.run.events(0, 1_000))?.map(({ seq }) => seq) ?? [];
    expect(seqs).toEqual(seqs.map((_, i) => i + 1));
    await die(run);
    expect((await run.run.get())?.state).toBe('done');
    expect((await resultOf(run)).sum).toBe(91);
  });
});

describe('waiting', () => {
  it('a signal that comes before its step counts, and one that comes later wakes it', async () => {
    const run = await submitRun({
      first: { run: 'wait', signal: 'go' },
      a: edge('export default ({ steps }) => steps.first.n', { needs: ['first'] }),
      second: { run: 'wait', signal: 'late', needs: ['a'] },
    });
    expect(await run.run.signal('late', { n: 'early' })).toBe('taken');
    await die(run);
    const waiting = await run.run.get();
    expect(waiting).toMatchObject({ reason: 'first: waits for the signal go', signals: ['late'] });
    expect(await run.run.signal('go', { n: 7 })).toBe('taken');
    const { steps } = await ended(run);
    expect(steps['a']?.output).toBe(7);
    expect(steps['second']?.output).toEqual({ n: 'early' });
    expect(await run.run.signal('go', null)).toBe('conflict');
  });

  it('sleeps, and wakes by itself', async () => {
    const run = await submitRun({
      nap: { run: 'sleep', ms: 120 },
      after: edge(NOTHING, { needs: ['nap'] }),
    });
    await die(run);
    const { steps } = await ended(run);
    const { startedAt, finishedAt } = steps['nap'] ?? {};
    expect(Date.parse(finishedAt ?? '') - Date.parse(startedAt ?? '')).toBeGreaterThanOrEqual(120);
  });

  it('a wait that nobody answers runs out of time', async () => {
    const run = await submitRun({ w: { run: 'wait', signal: 'never', timeoutMs: 50 } });
    const { steps } = await ended(run);
    expect(steps['w']).toMatchObject({ state: 'failed', error: { code: 'deadline' } });
  });

  it('for events of a key: those since the run began, in any order, once each type has come', async () => {
    const stream = await newStream('uploads', 4);
    const event = (type: string, key: string, n: number) => ({ type, key, payload: { n } });
    const append = (...events: object[]) => appendEvents(env, stream, parseEventBody(events));
    await append(event('Video', 'p1', 0));
    const run = await submitRun(
      {
        gate: { run: 'wait', signal: 'gate' },
        both: {
          run: 'wait',
          stream: 'uploads',
          types: ['Video', 'Image'],
          key: 'input.id',
          needs: ['gate'],
        },
        sum: edge(
          'export default ({ steps }) => [steps.both.Video.payload.n, steps.both.Image.payload.n]',
          { needs: ['both'] },
        ),
      },
      { id: 'p1' },
    );
    // Before the wait has begun, but after the run has.
    await append(event('Image', 'p1', 1), event('Image', 'p1', 2), event('Video', 'p2', 3));
    await run.run.signal('gate', null);
    await until(run, ({ steps }) => steps['both']?.reason.includes('Video') === true);
    await until(
      run,
      ({ steps }) => steps['both']?.reason === 'waits for Video with the key "p1" in uploads',
    );
    await die(run);
    await append(event('Video', 'p1', 4));
    expect((await ended(run)).steps['sum']?.output).toEqual([4, 1]);
  });

  it('for events of a stream that there is not fails', async () => {
    const run = await submitRun({
      w: { run: 'wait', stream: 'nowhere', types: ['A'], key: '"k"' },
    });
    const { steps } = await ended(run);
    expect(steps['w']).toMatchObject({ state: 'failed', error: { code: 'input_missing' } });
  });
});

describe('cancelled, taken up again, deleted', () => {
  const flaky =
    'export default ({ input }, ctx) => { if (ctx.attempt === 1) throw new Error("first"); return ctx.attempt; }';

  it('a retry runs what failed and what needs it, and keeps what was done', async () => {
    const run = await submitRun({
      a: edge('export default () => Math.random()'),
      each: edge(
        'export default ({ item }, ctx) => { if (item === 1 && ctx.attempt === 1) throw new Error("x"); return [item, ctx.attempt]; }',
        { forEach: '[0, 1, 2]' },
      ),
      b: edge(flaky, { needs: ['a'] }),
      c: edge('export default ({ steps }) => [steps.a, steps.b]', { needs: ['b', 'a'] }),
    });
    const before = await ended(run);
    expect(before).toMatchObject({ state: 'failed', steps: { c: { state: 'cancelled' } } });
    expect(await run.run.cancel()).toBe('conflict');
    await die(run);
    expect(await run.run.retry()).toMatchObject({ state: 'running', error: null });
    const after = await ended(run);
    expect(after.state).toBe('done');
    expect(after.steps['c']?.output).toEqual([before.steps['a']?.output, 2]);
    expect(after.steps['each']?.output).toEqual([
      [0, 1],
      [1, 2],
      [2, 1],
    ]);
    expect(await run.run.retry()).toBe('conflict');
    expect(await run.run.attempts('b', null)).toMatchObject([{ attempt: 1 }, { attempt: 2 }]);
  });

  it('cancelled, nothing more begins, also after a restart; it can be taken up again', async () => {
    const run = await submitRun({
      a: { run: 'wait', signal: 'go' },
      b: edge('export default () => 1', { needs: ['a'] }),
    });
    expect(await run.run.cancel()).toMatchObject({
      state: 'cancelled',
      steps: { a: { state: 'cancelled' }, b: { state: 'cancelled' } },
    });
    await die(run);
    expect(await run.run.signal('go', null)).toBe('conflict');
    expect(await run.run.retry()).toMatchObject({ state: 'running' });
    await run.run.signal('go', null);
    expect((await ended(run)).steps['b']?.output).toBe(1);
  });

  it.each(['cancel', 'delete'] as const)('%s ends the code of a step that runs', async (how) => {
    let asked = 0;
    const service = vi.spyOn(globalThis, 'fetch').mockImplementation(async () => {
      asked++;
      return Response.json(asked);
    });
    try {
      const services = { counter: { url: 'https://counter.test/{key}' } };
      const code = `export default async (input, ctx) => {
        for (;;) await ctx.call('counter', 'k');
      }`;
      const run = await submitRun({ a: edge(code, { services, timeoutMs: 60_000 }) });
      await expect.poll(() => asked).toBeGreaterThan(2);
      await run.run[how]();
      // One that was on its way may still arrive; after it nobody asks.
      let before: number;
      do {
        before = asked;
        await new Promise((resolve) => setTimeout(resolve, 200));
      } while (asked > before && asked < 100_000);
      expect(asked).toBe(before);
    } finally {
      service.mockRestore();
    }
  });

  it('deleted while it runs, nothing of it comes back', async () => {
    const run = await submitRun({
      each: edge('export default ({ item }) => { for (let i = 0; i < 1e6; i++); return item; }', {
        forEach: 'Array.from({ length: 300 }, (_, i) => i)',
      }),
      w: { run: 'wait', stream: 'uploads', types: ['Never'], key: '"k"' },
    });
    await until(
      run,
      ({ steps }) => (steps['each']?.items?.done ?? 0) > 0 && steps['w']?.state === 'running',
    );
    expect(await run.run.delete()).toBe(true);
    expect(await run.run.get()).toBeNull();
    expect(await run.run.delete()).toBe(false);
    expect(await run.run.signal('go', null)).toBeNull();
    await die(run);
    expect(await run.run.get()).toBeNull();
    expect((await catalog(env).jobs({ limit: 100 })).items.map(({ id }) => id)).not.toContain(
      run.id,
    );
  });

  it('submitted twice it is one run', async () => {
    const submission = await submissionOf({ a: edge('export default () => Math.random()') });
    const run = runObject(env, submission.job);
    const [one, two] = await Promise.all([run.submit(submission), run.submit(submission)]);
    expect(one.createdAt).toBe(two.createdAt);
    const job = await ended({ run });
    expect(await run.submit(submission)).toMatchObject({ id: job.id, steps: job.steps });
    expect((await run.events(0, 100))?.filter(({ type }) => type === 'submitted')).toHaveLength(1);
  });
});

describe('steps that are jobs', () => {
  const job = {
    kind: 'mapreduce' as const,
    input: { inline: 'a\nb\na' },
    code: 'export function map(line, emit) { emit(line, 1) }\nexport const reduce = "sum"',
    mappers: 'edge' as const,
  };
  const jobsOf = async (ids: (string | undefined)[]) =>
    Promise.all(ids.map(async (id) => (await jobObject(env, id ?? '').get())?.state ?? null));

  it('come back with what their jobs came to, also through a death, and go with the run', async () => {
    const run = await submitRun({
      count: { run: 'mapreduce', job },
      each: {
        run: 'volunteer',
        code: 'export default ({ item }) => item * 2',
        forEach: '[1, 2, 3]',
      },
      after: edge('export default ({ steps }) => [steps.count.records.length, steps.each]', {
        needs: ['count', 'each'],
      }),
    });
    await until(run, ({ steps }) => !!steps['count']?.job && !!steps['each']?.job);
    await die(run);
    const { steps, state } = await ended(run);
    expect(state).toBe('done');
    expect(steps['after']?.output).toEqual([2, [2, 4, 6]]);
    expect(steps['each']).toMatchObject({ attempts: 3, items: { count: 3, done: 3 } });
    const ids = [steps['count']?.job, steps['each']?.job];
    expect(await jobsOf(ids)).toEqual(['done', 'done']);
    expect(await run.run.delete()).toBe(true);
    expect(await jobsOf(ids)).toEqual([null, null]);
  });

  it('are cancelled with the run, and when their time is over', async () => {
    const never = { ...job, mappers: 'volunteers' as const };
    const run = await submitRun({
      slow: { run: 'mapreduce', job: never, timeoutMs: 50 },
      other: { run: 'mapreduce', job: never },
    });
    const waiting = await until(
      run,
      ({ steps }) => steps['slow']?.state === 'failed' && !!steps['other']?.job,
    );
    expect(waiting.steps['slow']?.error?.code).toBe('deadline');
    expect(await run.run.cancel()).toMatchObject({ state: 'cancelled' });
    await expect.poll(() => jobsOf([waiting.steps['other']?.job])).toEqual(['cancelled']);
  });
});

describe('what it costs', () => {
  it('a chain of empty steps writes three rows for each', async () => {
    const chain = Array.from({ length: 50 }, (_, i) => [
      `s${i}`,
      edge(NOTHING, { needs: i === 0 ? [] : [`s${i - 1}`] }),
    ]);
    const { cost } = await ended(await submitRun(Object.fromEntries(chain)));
    expect(cost.operations['rowWritten']).toBeLessThanOrEqual(3 * 50 + 10);
    expect(cost.operations['workerRequest']).toBe(50);
  });

  it('a thousand items write two or three rows for each answer of fifty', async () => {
    const each = { forEach: 'Array.from({ length: 1000 }, (_, i) => i)', concurrency: 50 };
    const run = await submitRun({ all: edge('export default ({ item }) => item', each) });
    const { cost, steps } = await ended(run);
    expect(steps['all']?.items?.done).toBe(1_000);
    expect(cost.operations['rowWritten']).toBeLessThanOrEqual(20 * 3 + 15);
  });
});

/** Who keeps a payload. */
async function holdersOf(token: string): Promise<string[]> {
  const stub = env.CLAIMS.get(env.CLAIMS.idFromName(`claims-${claimShardOf(token)}`));
  return runInDurableObject(stub, (_, { storage }) =>
    [
      ...storage.sql.exec<{ holder: string }>('SELECT holder FROM holders WHERE token = ?', token),
    ].map(({ holder }) => holder),
  );
}
