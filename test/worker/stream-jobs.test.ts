// MapReduce over a stream inside workerd: a job reads what lay in the log between two points, once each.
import {
  env,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import type { Job } from '../../shared/schemas/job.ts';
import type { JobObject } from '../../worker/jobs/mapreduce/job.object.ts';
import type { LogObject } from '../../worker/log/partition/log.object.ts';
import { catalog, jobObject, logObject } from '../../worker/stubs.ts';
import { logName } from '../../worker/contracts/names.ts';
import { call, ended, postJson, problemOf, result, run } from './rest.ts';
import { appendNumbers, newStream } from './streams.ts';

const SUM = `export function map(event, emit, ctx) {
  ctx.counter('partition ' + event.partition)
  emit(event.key, event.payload.n)
}
export const combine = 'sum'
export const reduce = 'sum'`;

const spec = (input: object) => ({ mappers: 'edge' as const, input: input as never, code: SUM });
const submitted = async (input: object, headers: Record<string, string> = {}) =>
  postJson('/jobs', { kind: 'mapreduce', ...spec(input) }, headers);

/** What the job must find: the sums by key of the numbers [from, to). */
function sums(from: number, to: number, keys = 10): { key: string; value: number }[] {
  const by = new Map<string, number>();
  for (let n = from; n < to; n++) by.set(`k${n % keys}`, (by.get(`k${n % keys}`) ?? 0) + n);
  return [...by].map(([key, value]) => ({ key, value })).sort((a, b) => (a.key < b.key ? -1 : 1));
}

const pins = (uid: string, partition: number) => {
  const id = env.LOGS.idFromName(logName({ uid, partition }));
  return runInDurableObject(env.LOGS.get(id), (_: LogObject, state) =>
    [...state.storage.sql.exec<{ holder: string }>('SELECT holder FROM pins')].map(
      ({ holder }) => holder,
    ),
  );
};

describe('a job over a stream', () => {
  it('reads every event once, in pieces, from all partitions, and lets go of them', async () => {
    const stream = await newStream('numbers', 3);
    await appendNumbers(stream, 0, 2_000, 40);
    const done = await run({ ...spec({ stream: 'numbers' }), splitBytes: 20_000 });
    expect(done).toMatchObject({ state: 'done', counters: { recordsIn: 2_000 } });
    expect(done.counters.bytesIn).toBe(done.inputBytes);
    expect(done.progress.splits).toBeGreaterThan(3);
    expect(await result(done.id)).toEqual(sums(0, 2_000, 40));
    expect(Object.keys(done.counters.user).sort()).toEqual([
      'partition 0',
      'partition 1',
      'partition 2',
    ]);
    const shown = done.spec.input;
    if (!('stream' in shown) || !shown.ranges) throw new Error('the ranges are not shown');
    expect(shown.ranges.map(({ from }) => from)).toEqual([0, 0, 0]);
    expect(shown.ranges.reduce((sum, { to }) => sum + to, 0)).toBe(2_000);
    await call(`/jobs/${done.id}`, { method: 'DELETE' });
    for (const partition of [0, 1, 2]) expect(await pins(stream.uid, partition)).toEqual([]);
  });

  it('reads the same again from the ranges that are shown, whatever came since', async () => {
    const stream = await newStream('again', 2);
    await appendNumbers(stream, 0, 50);
    const first = await run(spec({ stream: 'again', from: 'earliest', to: 'latest' }));
    await appendNumbers(stream, 50, 90);
    const second = await run(spec(first.spec.input));
    expect(await result(second.id)).toEqual(sums(0, 50));
    const rest = await run(spec({ stream: 'again' }));
    expect(rest.counters.recordsIn).toBe(90);
  });

  it('reads between offsets, and nothing of an empty range', async () => {
    const stream = await newStream('offsets', 1);
    await appendNumbers(stream, 0, 100);
    const some = await run(spec({ stream: 'offsets', from: 90, to: 95 }));
    expect(await result(some.id)).toEqual(sums(90, 95));
    const none = await run(spec({ stream: 'offsets', from: 'latest' }));
    expect(none).toMatchObject({ state: 'done', progress: { splits: 0 } });
    expect(await result(none.id)).toEqual([]);
  });

  it('fixes its ranges at the first submission of an Idempotency-Key', async () => {
    const stream = await newStream('keyed', 2);
    await appendNumbers(stream, 0, 20);
    const key = { 'Idempotency-Key': 'stream-job' };
    const first = (await (await submitted({ stream: 'keyed' }, key)).json()) as Job;
    await appendNumbers(stream, 20, 40);
    const second = (await (await submitted({ stream: 'keyed' }, key)).json()) as Job;
    expect(second.id).toBe(first.id);
    expect(second.spec.input).toEqual(first.spec.input);
    expect((await ended(first.id)).counters.recordsIn).toBe(20);
    const fixed = await jobObject(env, first.id).fixRanges([{ partition: 0, from: 0, to: 1 }]);
    expect({ ranges: fixed }).toMatchObject({
      ranges: 'ranges' in first.spec.input ? first.spec.input.ranges : null,
    });
  });

  it('forgets ranges that were fixed for a submission that never came', async () => {
    const stub = env.JOBS.get(env.JOBS.idFromName('job-never'));
    const ranges = [{ partition: 0, from: 0, to: 1 }];
    await jobObject(env, 'job-never').fixRanges(ranges);
    await runInDurableObject(stub, (_: JobObject, state) => {
      state.storage.sql.exec("UPDATE timers SET atMs = 0 WHERE name = 'unsubmitted'");
    });
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    await evictDurableObject(stub);
    const others = [{ partition: 0, from: 5, to: 6 }];
    expect(await jobObject(env, 'job-never').fixRanges(others)).toEqual(others);
  });

  it('keeps its events until it is cancelled, also from retention', async () => {
    const stream = await newStream('held', 1);
    await appendNumbers(stream, 0, 30);
    const response = await postJson('/jobs', {
      kind: 'mapreduce',
      ...spec({ stream: 'held' }),
      mappers: 'volunteers',
    });
    const { id } = (await response.json()) as Job;
    expect(await pins(stream.uid, 0)).toEqual([id]);
    await postJson(`/jobs/${id}/cancel`, {});
    await expect.poll(() => pins(stream.uid, 0)).toEqual([]);
  });

  it('is refused with the field at fault', async () => {
    const stream = await newStream('refused', 2);
    await appendNumbers(stream, 0, 10);
    const refusals: [object, number, string, string][] = [
      [{ stream: 'nowhere' }, 404, 'not_found', 'input.stream'],
      [{ stream: 'refused', from: 5, to: 3 }, 400, 'invalid_request', 'input.to'],
      [{ stream: 'refused', from: 'lastRun' }, 400, 'invalid_request', 'input.from'],
      [
        { stream: 'refused', ranges: [{ partition: 2, from: 0, to: 1 }] },
        400,
        'invalid_request',
        'input.ranges.0.partition',
      ],
    ];
    for (const [input, status, code, path] of refusals) {
      const response = await submitted(input);
      expect(response.status).toBe(status);
      expect(await problemOf(response)).toMatchObject({ code, errors: [{ path }] });
    }
  });

  it('says what is still there when retention was faster', async () => {
    const put = await catalog(env).putStream('short', {
      partitions: 1,
      retention: { hours: 1e-6 },
    });
    if (put.kind === 'fixedPartitions') throw new Error('made before');
    const stream = await newStream('short', 1);
    await appendNumbers(stream, 0, 10);
    const log = logObject(env, { uid: stream.uid, partition: 0 });
    const first = async () => (await log.status())?.first;
    await expect.poll(first, { timeout: 15_000 }).toBe(10);
    const response = await submitted({ stream: 'short', from: 3 });
    expect(response.status).toBe(410);
    expect(await problemOf(response)).toMatchObject({
      code: 'gone',
      detail: expect.stringContaining('first available is 10') as string,
    });
    expect(await run(spec({ stream: 'short' }))).toMatchObject({ state: 'done' });
  });
});
