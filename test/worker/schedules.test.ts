// Schedules inside workerd: real alarms, real jobs mapped by the edge, and crashes between every two steps.
import {
  env,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test';
import { describe, expect, it, vi } from 'vitest';
import {
  SCHEDULE_MISSED_LISTED,
  SCHEDULE_MAX_BYTES,
  SCHEDULE_RUNS_KEPT,
} from '../../shared/limits.ts';
import type { List } from '../../shared/schemas/common.ts';
import type { Job } from '../../shared/schemas/job.ts';
import type { Schedule, ScheduleRun, ScheduleSpecInput } from '../../shared/schemas/schedule.ts';
import type { ScheduleFiring } from '../../worker/schedules/firings.ts';
import type { ScheduleRecord } from '../../worker/schedules/schedule-record.ts';
import { catalog, scheduleObject } from '../../worker/stubs.ts';
import { call, ended, job, postJson, problemOf, result } from './rest.ts';

const NEVER_SOON = '0 0 1 1 *';
const HOUR_MS = 3600_000;
const DAY_MS = 24 * HOUR_MS;

/** A job of some integers, mapped at once. */
const numbers = (to = 3): ScheduleSpecInput['job'] => ({
  kind: 'mapreduce',
  input: { range: { from: 0, to } },
  code: 'export const map = (n, emit) => emit("sum", n)\nexport const reduce = "sum"',
  partitions: 1,
  mappers: 'edge',
});
const totals = (stream: string, more: Partial<ScheduleSpecInput['job']> = {}) => ({
  ...numbers(),
  input: { stream, from: 'lastRun' as const },
  code: 'export const map = (event, emit) => emit(event.type, event.payload)\nexport const reduce = "collect"',
  ...more,
});

const putJson = (path: string, body: unknown) =>
  call(path, {
    method: 'PUT',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
const put = (name: string, spec: ScheduleSpecInput) => putJson(`/schedules/${name}`, spec);
const get = async (name: string): Promise<Schedule> => (await call(`/schedules/${name}`)).json();
const post = (name: string, action: string) =>
  call(`/schedules/${name}/${action}`, { method: 'POST' });

async function made(name: string, spec: ScheduleSpecInput): Promise<Schedule> {
  const response = await put(name, spec);
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

async function runNow(name: string): Promise<ScheduleRun> {
  const response = await post(name, 'run');
  if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

const jobOf = ({ job: id, state, reason }: ScheduleRun): string => {
  if (id === null) throw new Error(`${state}: ${reason}`);
  return id;
};

const until = (name: string, holds: (schedule: Schedule) => boolean): Promise<Schedule> =>
  vi.waitUntil(
    async () => {
      const schedule = await get(name);
      return holds(schedule) && schedule;
    },
    { timeout: 25_000, interval: 50 },
  );
const allOver = ({ runs }: Schedule) =>
  runs.every(({ state }) => ['done', 'failed', 'cancelled', 'missed', 'refused'].includes(state));
const count = ({ runs }: Schedule, wanted: string) =>
  runs.filter(({ state }) => state === wanted).length;

async function stub(name: string) {
  const uid = await catalog(env).schedule(name);
  if (uid === null) throw new Error(`no schedule ${name}`);
  return env.SCHEDULES.get(env.SCHEDULES.idFromName(uid));
}

/** Changes what the object has stored, as a crash or a clock would leave it, and ends the instance. */
async function leaveBehind(
  name: string,
  change: (record: ScheduleRecord, runs: ScheduleFiring[]) => void,
): Promise<void> {
  const object = await stub(name);
  await runInDurableObject(object, (_, { storage }) => {
    const { sql } = storage;
    const record = JSON.parse(
      sql.exec<{ record: string }>('SELECT record FROM schedule').one().record,
    ) as ScheduleRecord;
    const runs = [...sql.exec<{ run: string }>('SELECT run FROM runs ORDER BY seq')].map(
      ({ run }) => JSON.parse(run) as ScheduleFiring,
    );
    change(record, runs);
    sql.exec('UPDATE schedule SET record = ?', JSON.stringify(record));
    for (const run of runs)
      sql.exec('UPDATE runs SET run = ? WHERE seq = ?', JSON.stringify(run), run.seq);
  });
  await evictDurableObject(object);
}

const publish = async (stream: string, events: unknown[]) => {
  const response = await postJson(`/streams/${stream}/events`, events);
  if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
};
const numbersIn = async (id: string): Promise<number[]> =>
  (await result(id)).flatMap(({ value }) => value as number[]).sort((a, b) => a - b);

describe('a schedule', () => {
  it('is created, shown with its next five times, changed, listed and deleted', async () => {
    const response = await put('nightly', { cron: '0 3 * * *', job: numbers() });
    expect(response.status).toBe(201);
    expect(response.headers.get('location')).toBe('/api/schedules/nightly');
    const schedule: Schedule = await response.json();
    expect(schedule).toMatchObject({
      name: 'nightly',
      cron: '0 3 * * *',
      timezone: 'UTC',
      state: 'active',
      runs: [],
      job: { ...numbers(), splitBytes: 8388608 },
    });
    expect(schedule.nextRuns).toHaveLength(5);
    schedule.nextRuns.forEach((at, i) => {
      expect(at).toMatch(/^20\d\d-\d\d-\d\dT03:00:00\.000Z$/);
      const before = schedule.nextRuns[i - 1];
      if (before) expect(Date.parse(at) - Date.parse(before)).toBe(DAY_MS);
    });
    expect(Date.parse(schedule.nextRuns[0] ?? '')).toBeGreaterThan(Date.now());
    expect(await get('nightly')).toEqual(schedule);

    const changed = await put('nightly', {
      cron: '0 3 * * *',
      timezone: 'Asia/Kolkata',
      job: numbers(),
    });
    expect(changed.status).toBe(200);
    const { nextRuns, createdAt }: Schedule = await changed.json();
    expect(nextRuns[0]).toMatch(/T21:30:00\.000Z$/);
    expect(createdAt).toBe(schedule.createdAt);

    await made('another', { cron: '@daily', job: numbers() });
    const page: List<Schedule> = await (await call('/schedules?limit=1')).json();
    expect(page.items.map(({ name }) => name)).toEqual(['another']);
    const rest: List<Schedule> = await (await call(`/schedules?cursor=${page.next}`)).json();
    expect(rest).toMatchObject({
      items: [{ name: 'nightly', timezone: 'Asia/Kolkata' }],
      next: null,
    });

    const object = await stub('nightly');
    expect((await call('/schedules/nightly', { method: 'DELETE' })).status).toBe(204);
    for (const gone of [
      await call('/schedules/nightly'),
      await call('/schedules/nightly', { method: 'DELETE' }),
      await post('nightly', 'run'),
      await post('nightly', 'pause'),
    ])
      expect(await problemOf(gone)).toMatchObject({ status: 404, code: 'not_found' });
    // The alarm that was set may come once more, finds nothing, and sets no other.
    await runDurableObjectAlarm(object);
    expect(await runDurableObjectAlarm(object)).toBe(false);
  });

  it('that was being deleted while it was put is a new one, and the old one never runs', async () => {
    await made('reborn', { cron: NEVER_SOON, job: numbers() });
    const uid = (await catalog(env).schedule('reborn')) ?? '';
    // Its deletion was cut off half-way.
    await scheduleObject(env, uid).delete();
    expect((await call('/schedules/reborn')).status).toBe(404);
    await made('reborn', { cron: NEVER_SOON, job: numbers() });
    expect(await catalog(env).schedule('reborn')).not.toBe(uid);
    expect(await scheduleObject(env, uid).put('reborn', uid, await get('reborn'))).toBe('deleted');
    // What comes late of the deletion does not meet the new one.
    await catalog(env).deleteSchedule('reborn', uid);
    expect((await get('reborn')).runs).toEqual([]);
  });

  it('may be due long after alarms end', async () => {
    await made('far', { cron: '0 0 0 1 1 * 2999', job: numbers() });
    expect(await get('far')).toMatchObject({ runs: [], nextRuns: ['2999-01-01T00:00:00.000Z'] });
    const object = await stub('far');
    const alarmMs = await runInDurableObject(object, (_, { storage }) => storage.getAlarm());
    expect(alarmMs).toBeGreaterThan(Date.now() + 100 * 365 * DAY_MS);
    await runDurableObjectAlarm(object);
    expect((await get('far')).runs).toEqual([]);
    expect(await runInDurableObject(object, (_, { storage }) => storage.getAlarm())).toBe(alarmMs);
  });

  it('is refused for a pattern that makes no sense, or never comes again', async () => {
    for (const cron of ['61 * * * *', 'every day', '0 0 30 2 *', '2020-01-01T00:00:00']) {
      const problem = await problemOf(await put('bad', { cron, job: numbers() }));
      expect(problem).toMatchObject({
        status: 400,
        code: 'invalid_request',
        errors: [{ path: 'cron' }],
      });
      expect(problem.detail.length).toBeGreaterThan(20);
    }
    expect((await call('/schedules/bad')).status).toBe(404);
  });

  it('is refused for a zone, stream or dataset that is not there, a bad program, a range that cannot be', async () => {
    const refused = async (spec: Partial<ScheduleSpecInput>) => {
      const { status, code, errors } = await problemOf(
        await put('bad', { cron: NEVER_SOON, job: numbers(), ...spec }),
      );
      return { status, code, path: errors[0]?.path };
    };
    expect(await refused({ timezone: 'Mars/Olympus' })).toEqual({
      status: 400,
      code: 'invalid_request',
      path: 'timezone',
    });
    expect(await refused({ job: totals('no-such') })).toEqual({
      status: 404,
      code: 'not_found',
      path: 'job.input.stream',
    });
    expect(await refused({ job: { ...numbers(), input: { dataset: 'no-such' } } })).toEqual({
      status: 404,
      code: 'not_found',
      path: 'job.input.dataset',
    });
    const code = 'export const map = (n, emit) =>\n  emit(n';
    expect(await refused({ job: { ...numbers(), code } })).toEqual({
      status: 400,
      code: 'bad_program',
      path: 'job.code',
    });
    const inline = '"'.repeat(SCHEDULE_MAX_BYTES / 2);
    expect(await refused({ job: { ...numbers(), input: { inline } } })).toMatchObject({
      code: 'too_large',
    });
    expect(await problemOf(await putJson('/schedules/bad', { cron: NEVER_SOON }))).toMatchObject({
      errors: [{ path: 'job' }],
    });
    await putJson('/streams/ranges', {});
    const input = { stream: 'ranges', from: 5, to: 2 };
    expect(await refused({ job: { ...numbers(), input } })).toEqual({
      status: 400,
      code: 'invalid_request',
      path: 'job.input.to',
    });
  });
});

describe('a run', () => {
  it('that is asked for starts at once, and shows the state of its job', async () => {
    await made('manual', { cron: NEVER_SOON, job: numbers(5) });
    const run = await runNow('manual');
    expect(run).toMatchObject({ manual: true, state: expect.stringMatching(/^(queued|mapping)$/) });
    const done = await ended(jobOf(run));
    expect(await result(done.id)).toEqual([{ key: 'sum', value: 10 }]);
    const { runs } = await get('manual');
    expect(runs).toEqual([{ ...run, state: 'done', reason: '' }]);
    const second = await runNow('manual');
    expect(second.job).not.toBe(run.job);
    expect((await get('manual')).runs.map(({ job }) => job)).toEqual([second.job, run.job]);
  });

  it('comes with every alarm of the plan, one job a time', async () => {
    await made('often', { cron: '* * * * * *', job: numbers() });
    await until('often', (schedule) => count(schedule, 'done') >= 3);
    expect((await post('often', 'pause')).status).toBe(200);
    const { runs } = await until('often', allOver);
    const ran = runs.filter(({ state }) => state === 'done');
    expect(new Set(ran.map(({ job }) => job)).size).toBe(ran.length);
    expect(new Set(runs.map(({ at }) => at)).size).toBe(runs.length);
    for (const { at, startedAt, manual } of ran) {
      expect(at).toMatch(/\.000Z$/);
      expect(Date.parse(startedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(at));
      expect(manual).toBe(false);
    }
  });

  it('is not started twice by an alarm that comes twice', async () => {
    const hour = new Date(Date.now() - 12 * HOUR_MS).getUTCHours();
    await made('twice', { cron: `0 ${hour} * * *`, job: numbers() });
    await leaveBehind('twice', (record) => {
      record.nextMs = (record.nextMs ?? 0) - DAY_MS;
    });
    const object = await stub('twice');
    await Promise.all([runDurableObjectAlarm(object), runDurableObjectAlarm(object), get('twice')]);
    await runDurableObjectAlarm(object);
    const { runs } = await until('twice', (schedule) => count(schedule, 'done') === 1);
    expect(runs).toHaveLength(1);
    expect(await runDurableObjectAlarm(object)).toBe(true); // Tomorrow's.
    expect((await get('twice')).runs).toEqual(runs);
  });

  it('is not lost when the edge goes down before it is submitted', async () => {
    await made('before', { cron: NEVER_SOON, job: numbers() });
    await ended(jobOf(await runNow('before')));
    await leaveBehind('before', (_, runs) => {
      for (const run of runs)
        Object.assign(run, {
          state: 'queued',
          job: null,
          startedMs: null,
          submitted: null,
          attempts: 0,
        });
    });
    const { runs } = await until('before', (schedule) => count(schedule, 'done') === 1);
    expect(runs).toHaveLength(1);
    expect(runs[0]?.job).not.toBeNull();
  });

  it('is not started twice when the edge goes down between its submission and writing that down', async () => {
    await made('between', { cron: NEVER_SOON, job: numbers() });
    const run = await runNow('between');
    await leaveBehind('between', (_, runs) => {
      for (const run of runs) Object.assign(run, { state: 'queued', job: null, startedMs: null });
    });
    // A change in between does not make the second try another job.
    expect((await put('between', { cron: NEVER_SOON, job: numbers(9) })).status).toBe(200);
    const { runs } = await until('between', (schedule) => count(schedule, 'done') === 1);
    expect(runs.map(({ job }) => job)).toEqual([run.job]);
    const jobs: List<Job> = await (await call('/jobs?limit=500')).json();
    expect(jobs.items.filter(({ id }) => id >= jobOf(run))).toHaveLength(1);
  });

  it('is not tried again when nobody can know whether it was submitted', async () => {
    await made('unsure', { cron: NEVER_SOON, job: numbers() });
    await runNow('unsure');
    await leaveBehind('unsure', (_, runs) => {
      for (const run of runs)
        Object.assign(run, { state: 'queued', job: null, triedMs: Date.now() - 2 * DAY_MS });
    });
    const { runs } = await until('unsure', allOver);
    expect(runs).toMatchObject([{ state: 'refused', job: null }]);
  });

  it('is late after a time without an edge, and the times before it are missed', async () => {
    const hour = new Date(Date.now() - 12 * HOUR_MS).getUTCHours();
    await made('down', { cron: `0 ${hour} * * *`, job: numbers() });
    const days = SCHEDULE_MISSED_LISTED + 4;
    let dueMs = 0;
    await leaveBehind('down', (record) => {
      dueMs = (record.nextMs ?? 0) - DAY_MS;
      record.nextMs = dueMs - days * DAY_MS;
    });
    const { runs, nextRuns } = await until('down', (schedule) => count(schedule, 'done') === 1);
    expect(runs.map(({ at }) => at)).toEqual(
      Array.from({ length: SCHEDULE_MISSED_LISTED + 1 }, (_, i) =>
        new Date(dueMs - i * DAY_MS).toISOString(),
      ),
    );
    const [late, ...missed] = runs;
    expect(late).toMatchObject({
      state: 'done',
      reason: expect.stringMatching(/^started 1[12] h .*late/),
    });
    expect(missed.every(({ state, job }) => state === 'missed' && job === null)).toBe(true);
    expect(missed.at(-1)?.reason).toMatch(/; 4 before it, too$/);
    expect(missed.at(0)?.reason).not.toMatch(/before it/);
    expect(nextRuns[0]).toBe(new Date(dueMs + DAY_MS).toISOString());
  });

  it('does not come while the schedule is paused, and is not missed then', async () => {
    await made('paused', { cron: '* * * * * *', job: numbers() });
    const paused: Schedule = await (await post('paused', 'pause')).json();
    expect(paused).toMatchObject({ state: 'paused', nextRuns: [] });
    const { runs } = await until('paused', allOver);
    await vi.waitUntil(async () => !(await runDurableObjectAlarm(await stub('paused'))));
    await leaveBehind('paused', () => undefined);
    expect(await get('paused')).toMatchObject({ state: 'paused', runs });
    // Run now works all the same.
    await ended(jobOf(await runNow('paused')));
    expect((await put('paused', { cron: NEVER_SOON, job: numbers() })).status).toBe(200);
    const resumed: Schedule = await (await post('paused', 'resume')).json();
    expect(resumed.state).toBe('active');
    expect(resumed.nextRuns).toHaveLength(5);
    expect(resumed.runs.length).toBe(runs.length + 1);
    expect(count(resumed, 'missed')).toBe(runs.filter(({ state }) => state === 'missed').length);
  });

  it('waits out trouble that passes, and is then one job', async () => {
    await made('trouble', { cron: NEVER_SOON, job: numbers() });
    const object = await stub('trouble');
    const heal = await runInDurableObject(object, (instance) => {
      const bindings = instance as unknown as { env: typeof env };
      const healthy = bindings.env;
      const put = () => Promise.reject(new Error('the bucket does not answer'));
      bindings.env = { ...healthy, BUCKET: { ...healthy.BUCKET, put } as unknown as R2Bucket };
      return () => {
        bindings.env = healthy;
      };
    });
    vi.spyOn(console, 'error').mockImplementation(() => undefined);
    expect(await runNow('trouble')).toMatchObject({
      state: 'queued',
      job: null,
      reason: expect.stringContaining('the bucket does not answer'),
    });
    await runInDurableObject(object, heal);
    const { runs } = await until('trouble', (schedule) => count(schedule, 'done') === 1);
    expect(runs).toHaveLength(1);
    vi.restoreAllMocks();
  });

  it('follows its job when that is cancelled, tried again, or deleted', async () => {
    const code = 'export function map() { throw new Error("no") }';
    await made('follow', { cron: NEVER_SOON, job: { ...numbers(), code } });
    const failed = await ended(jobOf(await runNow('follow')));
    expect((await get('follow')).runs[0]).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('no'),
    });
    await call(`/jobs/${failed.id}/retry`, { method: 'POST' });
    expect((await get('follow')).runs[0]?.state).not.toBe('failed');
    await call(`/jobs/${failed.id}`, { method: 'DELETE' });
    expect((await get('follow')).runs[0]).toMatchObject({
      state: 'cancelled',
      reason: 'its job was deleted',
    });
  });

  it('is forgotten when many have come since', async () => {
    await made('many', { cron: NEVER_SOON, job: numbers() });
    await runNow('many');
    await until('many', allOver);
    await runInDurableObject(await stub('many'), (_, { storage }) => {
      const { run } = storage.sql.exec<{ run: string }>('SELECT run FROM runs').one();
      for (let seq = 2; seq <= SCHEDULE_RUNS_KEPT + 5; seq++)
        storage.sql.exec(
          'INSERT INTO runs (seq, run) VALUES (?, ?)',
          seq,
          JSON.stringify({ ...(JSON.parse(run) as ScheduleFiring), seq }),
        );
      storage.sql.exec(
        "UPDATE schedule SET record = json_set(record, '$.lastSeq', ?)",
        SCHEDULE_RUNS_KEPT + 5,
      );
    });
    const newest = await runNow('many');
    const { runs } = await get('many');
    expect(runs).toHaveLength(SCHEDULE_RUNS_KEPT);
    expect(runs[0]?.job).toBe(newest.job);
  });
});

describe('"lastRun"', () => {
  const order = (n: number, key: string) => ({ type: 'Order', key, payload: n });
  const orders = (...all: number[]) => all.map((n) => order(n, `k${n % 7}`));

  it('reads each event in one run: two with new events, one without', async () => {
    await putJson('/streams/shop', { partitions: 3 });
    await publish('shop', orders(1, 2, 3, 4));
    await made('dashboard', { cron: NEVER_SOON, job: totals('shop') });
    const first = await ended(jobOf(await runNow('dashboard')));
    expect(first.state).toBe('done');
    expect(await numbersIn(first.id)).toEqual([1, 2, 3, 4]);
    await publish('shop', orders(5, 6));
    const second = await ended(jobOf(await runNow('dashboard')));
    expect(await numbersIn(second.id)).toEqual([5, 6]);
    const third = await ended(jobOf(await runNow('dashboard')));
    expect(third).toMatchObject({ state: 'done', counters: { recordsIn: 0 } });
    expect(await result(third.id)).toEqual([]);
    const { input } = third.spec;
    const ranges = 'stream' in input ? (input.ranges ?? []) : [];
    expect(ranges).toHaveLength(3);
    expect(ranges.every(({ from, to }) => from === to)).toBe(true);
  });

  it('reads again what a failed job should have read, whatever was changed since', async () => {
    await putJson('/streams/again', { partitions: 2 });
    await publish('again', orders(1, 2));
    const broken = 'export function map() { throw new Error("broken") }';
    await made('again', { cron: NEVER_SOON, job: totals('again', { code: broken }) });
    expect(await ended(jobOf(await runNow('again')))).toMatchObject({ state: 'failed' });
    await publish('again', orders(3));
    await put('again', { cron: NEVER_SOON, job: totals('again') });
    const fixed = await ended(jobOf(await runNow('again')));
    expect(await numbersIn(fixed.id)).toEqual([1, 2, 3]);
    await publish('again', orders(4));
    expect(await numbersIn((await ended(jobOf(await runNow('again')))).id)).toEqual([4]);
  });

  it('waits for the run before; one waits, and what it reads begins where that one ended', async () => {
    await putJson('/streams/slow', { partitions: 2 });
    await publish('slow', orders(1, 2));
    // Nobody volunteers: the job goes on until it is cancelled.
    await made('slow', { cron: NEVER_SOON, job: totals('slow', { mappers: 'volunteers' }) });
    const first = await runNow('slow');
    expect(await runNow('slow')).toMatchObject({
      state: 'queued',
      job: null,
      reason: expect.stringMatching(/^waits for the run of 20/),
    });
    expect(await problemOf(await post('slow', 'run'))).toMatchObject({ code: 'conflict' });
    // The plan's next time does not overtake it.
    await leaveBehind('slow', (record) => {
      record.nextMs = Date.now() - 1;
    });
    await until('slow', ({ runs }) => runs.length === 3);
    expect((await get('slow')).runs.map(({ state }) => state)).toEqual([
      'queued',
      'queued',
      'queued',
    ]);
    await put('slow', { cron: NEVER_SOON, job: totals('slow') });
    await call(`/jobs/${first.job}/cancel`, { method: 'POST' });
    const { runs } = await until('slow', allOver);
    expect(runs.map(({ state }) => state)).toEqual(['done', 'done', 'cancelled']);
    // The cancelled one read nothing; the second all of it; the third what was left.
    expect(await numbersIn(runs[1]?.job ?? '')).toEqual([1, 2]);
    expect(await result(runs[0]?.job ?? '')).toEqual([]);
  });

  it('lets a planned run that still waits give way to the next', async () => {
    await putJson('/streams/queue', { partitions: 1 });
    await publish('queue', orders(1));
    await made('queue', { cron: NEVER_SOON, job: totals('queue', { mappers: 'volunteers' }) });
    const first = await runNow('queue');
    for (const runs of [2, 3]) {
      await leaveBehind('queue', (record) => {
        record.nextMs = Date.now() - 1;
      });
      await until('queue', (schedule) => schedule.runs.length === runs);
    }
    const waiting = await get('queue');
    expect(waiting.runs.map(({ state }) => state)).toEqual(['queued', 'missed', 'queued']);
    expect(waiting.runs[1]?.reason).toMatch(/still going on/);
    const paused: Schedule = await (await post('queue', 'pause')).json();
    expect(paused.runs[0]).toMatchObject({
      state: 'missed',
      reason: expect.stringMatching(/paused/),
    });
    await call(`/jobs/${first.job}/cancel`, { method: 'POST' });
    await until('queue', allOver);
  });

  it('is refused, with the reason, once the stream is gone; a stream made again is read from its beginning', async () => {
    await putJson('/streams/brief', { partitions: 1 });
    await publish('brief', orders(1, 2, 3));
    await made('brief', { cron: NEVER_SOON, job: totals('brief') });
    await ended(jobOf(await runNow('brief')));
    expect((await call('/streams/brief', { method: 'DELETE' })).status).toBe(204);
    expect(await runNow('brief')).toMatchObject({
      state: 'refused',
      job: null,
      reason: expect.stringContaining('stream brief'),
    });
    await putJson('/streams/brief', { partitions: 1 });
    await publish('brief', orders(7));
    const anew = await ended(jobOf(await runNow('brief')));
    expect(await numbersIn(anew.id)).toEqual([7]);
    expect((await job(anew.id)).state).toBe('done');
  });
});
