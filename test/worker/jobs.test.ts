// A job's life inside workerd, with the real queues, R2 and Durable Objects, mapped by the edge.
import {
  createExecutionContext,
  createMessageBatch,
  env,
  evictDurableObject,
  getQueueResult,
} from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { ALLOWED_GLOBALS } from '../../shared/sandbox/realm.ts';
import worker from '../../worker/index.ts';
import { jobPrefix, spillPrefix } from '../../worker/platform/keys.ts';
import { jobObject } from '../../worker/stubs.ts';
import { call, ended, events, job, postJson, problemOf, result, run, submit } from './rest.ts';

const WORDS = `export function map(line, emit) { for (const word of line.split(' ')) emit(word, 1) }
export const combine = 'sum'
export const reduce = 'sum'`;
const inline = (text: string) => ({ inline: text });
const listed = async (prefix: string) =>
  (await env.BUCKET.list({ prefix })).objects.map((object) => object.key);

describe('a job that the edge maps', () => {
  it('counts words, whatever the split size and the number of partitions', async () => {
    const text = 'b a b\nc a\n\nb';
    for (const [splitBytes, partitions] of [
      [100, 1],
      [1, 3],
      [4, 7],
    ] as const) {
      const done = await run({
        mappers: 'edge',
        input: inline(text),
        code: WORDS,
        splitBytes,
        partitions,
      });
      expect(done).toMatchObject({
        state: 'done',
        counters: { recordsIn: 4, bytesIn: text.length, keysOut: 4 },
      });
      expect(await result(done.id)).toEqual([
        { key: '', value: 1 },
        { key: 'a', value: 2 },
        { key: 'b', value: 3 },
        { key: 'c', value: 1 },
      ]);
    }
  });

  it('runs the program’s own combine and reduce, and groups without a reduce', async () => {
    const code = `export function map(n, emit) { emit(n % 3, n) }
export function combine(key, values) { return values.reduce((a, b) => a + b, 0) }
export async function reduce(key, values) { return { key, sum: values.reduce((a, b) => a + b, 0) } }`;
    const input = { range: { from: -5, to: 95 }, splitItems: 9 };
    const done = await run({ mappers: 'edge', input, code });
    const expected = new Map<string, number>();
    for (let n = -5; n < 95; n++)
      expected.set(String(n % 3), (expected.get(String(n % 3)) ?? 0) + n);
    const summed = (await result(done.id)).map(
      ({ value }) => value as { key: string; sum: number },
    );
    expect(new Map(summed.map(({ key, sum }) => [key, sum]))).toEqual(expected);
    const grouped = await run({
      mappers: 'edge',
      input: inline('x\ny\nx'),
      code: 'export const map = (l, emit) => emit(l, [1])',
    });
    expect(await result(grouped.id)).toEqual([
      { key: 'x', value: [[1], [1]] },
      { key: 'y', value: [[1]] },
    ]);
  });

  it('ends an empty input at once, with an empty result', async () => {
    const done = await run({ mappers: 'edge', input: inline(''), code: WORDS });
    expect(done).toMatchObject({ state: 'done', progress: { splits: 0 } });
    expect(await result(done.id)).toEqual([]);
  });

  it('finds CSV records whose quoted fields hold newlines', async () => {
    const csv = 'id,name\r\n1,"two\nlines"\r\n2,"say ""hi"""\r\n3,plain\r\n';
    const code =
      'export const map = (row, emit) => emit(row.id, row.name)\nexport const reduce = "first"';
    const done = await run({
      mappers: 'edge',
      input: { inline: csv, format: 'csv' },
      code,
      splitBytes: 5,
    });
    expect(await result(done.id)).toEqual([
      { key: '1', value: 'two\nlines' },
      { key: '2', value: 'say "hi"' },
      { key: '3', value: 'plain' },
    ]);
  });

  it.each([100, 5])('ends at damage that has no end, splits of %i bytes', async (splitBytes) => {
    const code = 'export const map = (row, emit) => emit("rows", 1)\nexport const reduce = "count"';
    const job = { mappers: 'edge' as const, code, splitBytes, skipBadRecords: 3 };
    const csv = (inline: string) => run({ ...job, input: { inline, format: 'csv' } });
    expect(await csv('id,n\n1,a\n2,"b\n3,c\n4,d\n')).toMatchObject({
      state: 'failed',
      error: {
        code: 'bad_record',
        message: expect.stringContaining('the quote at byte 11 ') as string,
      },
    });
    expect(await csv('"id"x,n\n1,a\n2,b\n')).toMatchObject({
      state: 'failed',
      error: {
        code: 'bad_record',
        message: expect.stringContaining('the CSV header is bad') as string,
      },
    });
    const rows = await csv('id,n\r1,a\r2,b\r3,c\r');
    expect(await result(rows.id)).toEqual([{ key: 'rows', value: 3 }]);
  });

  it('skips as many bad records as allowed, lists them, and fails past that', async () => {
    const input = { inline: '{"n":1}\nnot json\n{"n":2}\n{"n":', format: 'ndjson' as const };
    const code =
      'export const map = (record, emit) => emit("n", record.n)\nexport const reduce = "sum"';
    const done = await run({ mappers: 'edge', input, code, skipBadRecords: 2 });
    expect(done).toMatchObject({ state: 'done', counters: { recordsIn: 2, badRecords: 2 } });
    expect(done.badRecords.map(({ offset }) => offset)).toEqual([8, 25]);
    expect(await result(done.id)).toEqual([{ key: 'n', value: 3 }]);
    const failed = await run({ mappers: 'edge', input, code, skipBadRecords: 1 });
    expect(failed).toMatchObject({ state: 'failed', error: { code: 'too_many_bad_records' } });
    const strict = await run({ mappers: 'edge', input, code });
    expect(strict).toMatchObject({ state: 'failed', error: { code: 'bad_record', record: 8 } });
  });

  it('counts and carries names that JavaScript knows', async () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'plain'];
    const text = `{${names.map((name) => `"${name}":1`).join(',')}}`;
    const params = JSON.parse(text) as Record<string, number>;
    const code = `export function map(row, emit, ctx) {
  for (const [name, value] of Object.entries(row)) { ctx.counter(name, ctx.params[name]); emit(name, Number(value)) }
}
export function reduce(key, values, ctx) { ctx.counter(key, 100); return JSON.parse('{"' + key + '":' + values.length + '}') }`;
    const rows = Array.from({ length: 20 }, () => '1,2,3,4,5,6').join('\n');
    const input = { inline: `${names.join(',')}\n${rows}\n`, format: 'csv' as const };
    const done = await run({ mappers: 'edge', input, code, params, splitBytes: 50 });
    expect(done).toMatchObject({ state: 'done', error: null });
    expect(done.progress.splits).toBeGreaterThan(3);
    expect(JSON.stringify((done.spec as { params: unknown }).params)).toBe(text);
    expect(Object.entries(done.counters.user).toSorted()).toEqual(
      names.map((name) => [name, 120]).toSorted(),
    );
    const results = await result(done.id);
    expect(results.map(({ key, value }) => [key, JSON.stringify(value)])).toEqual(
      names.toSorted().map((name) => [name, `{"${name}":20}`]),
    );
  });

  it('finds the same globals at the edge as in a volunteer’s sandbox', async () => {
    const code = `export function map(line, emit) {
  for (let object = globalThis; object && object !== Object.prototype; object = Object.getPrototypeOf(object)) {
    for (const name of Object.getOwnPropertyNames(object)) emit(name, 1)
  }
}`;
    const done = await run({ mappers: 'edge', input: inline('x'), code });
    const found = new Set((await result(done.id)).map(({ key }) => key));
    // Two that are silent or stopped, and one that is there and undefined.
    const known = new Set([...ALLOWED_GLOBALS, 'console', 'performance', 'crypto']);
    expect([...found].filter((name) => !known.has(name))).toEqual([]);
    for (const name of ['Math', 'JSON', 'Map', 'TextEncoder', 'URL', 'structuredClone']) {
      expect(found).toContain(name);
    }
  });

  it('adds up the program’s own counters, once each', async () => {
    const code =
      'export function map(n, emit, ctx) { ctx.counter("seen"); if (n % 2) ctx.counter("odd", 2) }';
    const done = await run({
      mappers: 'edge',
      input: { range: { from: 0, to: 10 }, splitItems: 3 },
      code,
    });
    expect(done.counters.user).toEqual({ seen: 10, odd: 10 });
  });
});

describe('a program that goes wrong', () => {
  const cases: [string, string, object][] = [
    [
      'throws',
      'export function map() {\n  throw new TypeError("boom")\n}',
      { code: 'program_threw', message: 'TypeError: boom', line: 2 },
    ],
    [
      'loops for ever',
      'export function map() {\n  for (;;) {}\n}',
      { code: 'loop_guard', line: 2 },
    ],
    [
      'emits what is not JSON',
      'export const map = (l, emit) => emit("a", () => 1)',
      { code: 'bad_value' },
    ],
    [
      'emits a 2 MB key',
      'export const map = (l, emit) => emit("k".repeat(2e6), 1)',
      { code: 'bad_key' },
    ],
    [
      'emits a key that is an object',
      'export const map = (l, emit) => emit({}, 1)',
      { code: 'bad_key' },
    ],
    [
      'emits a 2 MB value',
      'export const map = (l, emit) => emit("a", "v".repeat(2e6))',
      { code: 'bad_value' },
    ],
    [
      'swallows emit’s error',
      'export const map = (l, emit) => { try { emit("a", undefined) } catch {} }',
      { code: 'bad_value' },
    ],
    [
      'returns a promise that never settles',
      'export const map = () => new Promise(() => {})',
      { code: 'program_threw', message: 'returned a promise that nothing will ever settle' },
    ],
    [
      'never settles in reduce',
      'export const map = (l, emit) => emit(l, 1)\nexport const reduce = () => new Promise(() => {})',
      { code: 'program_threw' },
    ],
    [
      'breaks when it loads',
      'const x = null.x\nexport const map = () => {}',
      { code: 'bad_program', line: 1 },
    ],
    [
      'throws in reduce',
      'export const map = (l, emit) => emit(l, 1)\nexport function reduce() {\n  throw new RangeError("no")\n}',
      { code: 'program_threw', line: 3 },
    ],
  ];
  it.each(cases)('%s: the job fails with the reason and its place', async (_, code, error) => {
    const failed = await run({ mappers: 'edge', input: inline('x'), code });
    expect(failed).toMatchObject({ state: 'failed', error });
    expect(failed.reason).toBe(failed.error?.message);
    const next = await run({ mappers: 'edge', input: inline('x'), code: WORDS });
    expect(next.state).toBe('done');
  });
});

describe('what is refused at submission', () => {
  const good = { kind: 'mapreduce', input: inline('x'), code: WORDS };
  it.each([
    [
      'a program that does not parse',
      { ...good, code: 'export function map( {' },
      400,
      'bad_program',
      'code',
    ],
    ['a program without map', { ...good, code: 'export const x = 1' }, 400, 'bad_program', 'code'],
    ['0 partitions', { ...good, partitions: 0 }, 400, 'invalid_request', 'partitions'],
    ['10,000 partitions', { ...good, partitions: 10_000 }, 400, 'invalid_request', 'partitions'],
    [
      'a missing dataset',
      { ...good, input: { dataset: 'nowhere' } },
      404,
      'not_found',
      'input.dataset',
    ],
    ['a kind that does not exist', { ...good, kind: 'magic' }, 400, 'invalid_request', 'kind'],
    [
      'a range that runs backwards',
      { ...good, input: { range: { from: 2, to: 1 } } },
      400,
      'invalid_request',
      'input.range.to',
    ],
    [
      'too many splits',
      { ...good, input: { range: { from: 0, to: 1e9 }, splitItems: 1 } },
      400,
      'invalid_request',
      'input',
    ],
    ['an unknown field', { ...good, colour: 'red' }, 400, 'invalid_request', ''],
  ])('%s', async (_, body, status, code, path) => {
    const response = await postJson('/jobs', body);
    expect(response.status).toBe(status);
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ status, code });
    expect(problem.errors[0]?.path).toBe(path);
  });

  it('a body that is too large, and one that is not JSON', async () => {
    const large = await postJson('/jobs', { ...good, name: 'x'.repeat(5 * 1024 * 1024) });
    expect((await problemOf(large)).code).toBe('too_large');
    const broken = await call('/jobs', { method: 'POST', body: '{"kind":' });
    expect((await problemOf(broken)).code).toBe('invalid_request');
  });

  it('says which methods a route takes', async () => {
    for (const [method, path, allow] of [
      ['PATCH', '/jobs', 'GET, POST'],
      ['POST', '/jobs/job_1', 'GET, DELETE'],
      ['DELETE', '/health', 'GET'],
    ] as const) {
      const response = await call(path, { method });
      expect(response.headers.get('allow')).toBe(allow);
      expect((await problemOf(response)).code).toBe('method_not_allowed');
    }
  });

  it('answers unknown jobs and routes with problems', async () => {
    for (const path of [
      '/jobs/job_nope',
      '/jobs/job_nope/tasks',
      '/jobs/job_nope/events',
      '/jobs/job_nope/events/live',
      '/nothing',
    ]) {
      expect((await problemOf(await call(path))).code).toBe('not_found');
    }
  });
});

describe('Idempotency-Key', () => {
  const body = { kind: 'mapreduce', mappers: 'volunteers', input: inline('x'), code: WORDS };
  const headers = { 'idempotency-key': 'once' };

  it('gives the same job for the same body, even at once, and 409 for another', async () => {
    const count = async () =>
      ((await (await call('/jobs?limit=500')).json()) as { items: unknown[] }).items.length;
    const before = await count();
    const answers = await Promise.all([1, 2, 3].map(() => postJson('/jobs', body, headers)));
    const ids = await Promise.all(
      answers.map(async (answer) => ((await answer.json()) as { id: string }).id),
    );
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect(new Set(ids).size).toBe(1);
    const other = await postJson('/jobs', { ...body, name: 'other' }, headers);
    expect((await problemOf(other)).code).toBe('conflict');
    expect(await count()).toBe(before + 1);
  });

  it('is good for another body after a refusal, whatever that was for', async () => {
    const missing = { input: { dataset: 'comes-later' }, code: WORDS };
    const refusals: [body: object, status: number][] = [
      [{ ...body, code: 'export const nothing = 1' }, 400],
      [{ ...body, input: { dataset: 'comes-later' } }, 404],
      [{ ...body, input: { stream: 'comes-later' } }, 404],
      [{ kind: 'dag', steps: { a: { run: 'mapreduce', job: missing } } }, 404],
    ];
    for (const [i, [refused, status]] of refusals.entries()) {
      const again = { 'idempotency-key': `refused-${i}` };
      expect((await postJson('/jobs', refused, again)).status).toBe(status);
      const [first, second] = [
        await postJson('/jobs', body, again),
        await postJson('/jobs', body, again),
      ];
      expect([first.status, second.status]).toEqual([201, 201]);
      const [{ id }, { id: same }] = [
        await first.json<{ id: string }>(),
        await second.json<{ id: string }>(),
      ];
      expect(same).toBe(id);
    }
  });

  it('of a deleted job runs nothing again', async () => {
    const dag = { kind: 'dag', steps: { a: { run: 'wait', signal: 'go' } } };
    for (const spec of [body, dag]) {
      const spent = { 'idempotency-key': `deleted-${spec.kind}` };
      const { id } = await (await postJson('/jobs', spec, spent)).json<{ id: string }>();
      expect((await call(`/jobs/${id}`, { method: 'DELETE' })).status).toBe(204);
      const problem = await problemOf(await postJson('/jobs', spec, spent));
      expect(problem).toMatchObject({ status: 409, code: 'conflict' });
      expect(problem.detail).toContain('deleted');
      expect((await call(`/jobs/${id}`)).status).toBe(404);
    }
  });
});

describe('cancel, retry, delete', () => {
  const waiting = { mappers: 'volunteers' as const, input: inline('x\ny'), code: WORDS };

  it('cancels once; a cancelled job is no longer cancelled or tried again', async () => {
    const { id } = await submit(waiting);
    expect(await job(id)).toMatchObject({
      state: 'queued',
      reason: expect.stringContaining('volunteer'),
    });
    const cancelled = await postJson(`/jobs/${id}/cancel`, {});
    expect(await cancelled.json()).toMatchObject({ state: 'cancelled' });
    expect((await postJson(`/jobs/${id}/cancel`, {})).status).toBe(409);
    expect((await postJson(`/jobs/${id}/retry`, {})).status).toBe(409);
  });

  it('tries a failed job again', async () => {
    const failed = await run({
      mappers: 'edge',
      input: inline('x'),
      code: 'export const map = () => { throw 1 }',
    });
    const again = await postJson(`/jobs/${failed.id}/retry`, {});
    expect(await again.json()).toMatchObject({ error: null, finishedAt: null });
    expect((await ended(failed.id)).state).toBe('failed');
    const types = (await events(failed.id)).map(({ type }) => type);
    expect(types.filter((type) => type === 'failed')).toHaveLength(2);
    expect(types).toContain('retried');
  });

  it('deletes a job with all its objects', async () => {
    const done = await run({ mappers: 'edge', input: inline('x y'), code: WORDS });
    expect((await listed(jobPrefix(done.id))).length).toBeGreaterThan(0);
    expect((await call(`/jobs/${done.id}`, { method: 'DELETE' })).status).toBe(204);
    expect(await listed(jobPrefix(done.id))).toEqual([]);
    expect((await call(`/jobs/${done.id}`)).status).toBe(404);
    expect((await call(`/jobs/${done.id}`, { method: 'DELETE' })).status).toBe(404);
    const { items } = (await (await call('/jobs')).json()) as { items: { id: string }[] };
    expect(items.map(({ id }) => id)).not.toContain(done.id);
  });
});

describe('events', () => {
  it('are listed in order, streamed live, and resumed after the last one seen', async () => {
    const done = await run({ mappers: 'edge', input: inline('x\ny'), code: WORDS });
    const all = await events(done.id);
    expect(all.map(({ seq }) => seq)).toEqual(all.map((_, i) => i + 1));
    expect(all[0]?.type).toBe('submitted');
    expect(all.at(-1)?.type).toBe('done');
    const live = await call(`/jobs/${done.id}/events/live`, { headers: { 'last-event-id': '2' } });
    expect(live.headers.get('content-type')).toBe('text/event-stream');
    const frames = (await live.text()).trim().split('\n\n');
    expect(frames.map((frame) => Number(/^id: (\d+)/.exec(frame)?.[1]))).toEqual(
      all.slice(2).map(({ seq }) => seq),
    );
    const over = await call(`/jobs/${done.id}/events/live`, {
      headers: { 'last-event-id': String(all.length) },
    });
    expect(over.status).toBe(204);
  });

  it('page with a cursor', async () => {
    const done = await run({ mappers: 'edge', input: inline('x'), code: WORDS });
    const first = (await (await call(`/jobs/${done.id}/events?limit=2`)).json()) as {
      items: unknown[];
      next: string;
    };
    expect(first).toMatchObject({ items: [{ seq: 1 }, { seq: 2 }], next: '2' });
    const second = (await (
      await call(`/jobs/${done.id}/events?limit=2&cursor=${first.next}`)
    ).json()) as object;
    expect(second).toMatchObject({ items: [{ seq: 3 }, { seq: 4 }] });
  });
});

describe('wake-ups that come twice, late or not at all', () => {
  const deliver = async (bodies: unknown[]) => {
    const messages = bodies.map((body, i) => ({
      id: `m${i}`,
      timestamp: new Date(),
      attempts: 1,
      body,
    }));
    const batch = createMessageBatch('manyhands-map', messages);
    const ctx = createExecutionContext();
    await worker.queue?.(batch as MessageBatch<never>, env, ctx);
    return getQueueResult(batch, ctx);
  };

  it('change nothing that is done, and are acknowledged', async () => {
    const done = await run({
      mappers: 'edge',
      input: inline('a b\nb'),
      code: WORDS,
      splitBytes: 2,
    });
    const before = await job(done.id);
    const wakeUps = [0, 1, 2, 3].flatMap((partition) => [
      { job: done.id, partition },
      { job: done.id, partition },
    ]);
    const answer = await deliver([
      ...wakeUps,
      { job: done.id, ring: 1 },
      { job: 'job_gone', ring: 1 },
      'rubbish',
    ]);
    expect(answer.explicitAcks).toHaveLength(11);
    expect(await job(done.id)).toEqual(before);
  });

  it('map each task once when two mappers answer at once, and survive an eviction in between', async () => {
    const { id } = await submit({
      mappers: 'edge',
      input: { range: { from: 0, to: 400 }, splitItems: 10 },
      code: 'export const map = (n, emit) => emit("n", 1)\nexport const reduce = "sum"',
    });
    await Promise.all([deliver([{ job: id, ring: 1 }]), deliver([{ job: id, ring: 2 }])]);
    await evictDurableObject(env.JOBS.get(env.JOBS.idFromName(id)));
    const done = await ended(id);
    expect(done).toMatchObject({ state: 'done', counters: { recordsIn: 400, edgeTasks: 40 } });
    expect(await result(id)).toEqual([{ key: 'n', value: 400 }]);
  });

  it('leaves no spill behind when a job is done', async () => {
    const done = await run({
      mappers: 'edge',
      input: inline('a b\nb'),
      code: WORDS,
      splitBytes: 2,
    });
    await expect.poll(() => listed(spillPrefix(done.id))).toEqual([]);
    expect(await jobObject(env, done.id).parts()).toMatchObject({ state: 'done' });
  });
});
