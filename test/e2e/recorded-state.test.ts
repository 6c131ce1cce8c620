// What an earlier version stored is read by this one, whatever its classes and tables are called by now: the same
// answers; and work that was under way goes on where it was.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../worker/local/build.ts';
import { startTestEdge, type TestEdge } from '../support/edge.ts';
import { until } from '../support/killable-edge.ts';
import { recordsOf, submit, waitFor } from '../support/jobs.ts';
import { ProtocolVolunteer } from '../support/protocol-volunteer.ts';
import { readRecording, stable, unpackState } from '../support/recorded-state.ts';

const FOLDER = join(ROOT, 'test/fixtures/state-0.4.0');
const recording = readRecording(FOLDER);
const { jobs, runs } = recording;

const SUM_OF_N = `export function map(event, emit) { emit('n', event.payload?.n ?? 0) }
export const reduce = 'sum'`;

let edge: TestEdge;
let persistDir: string;

beforeAll(async () => {
  persistDir = await mkdtemp(join(tmpdir(), 'manyhands-recorded-'));
  unpackState(FOLDER, recording, persistDir);
  edge = await startTestEdge({ persistDir });
});
afterAll(async () => {
  await edge?.stop();
  await rm(persistDir, { recursive: true, force: true });
});

const payloads = async (stream: string) =>
  (await edge.client.streams.events(stream)).events.map(({ payload }) => payload);
const resultOf = (id: string) => recordsOf(edge.client, id);

/** An attempt that waits for a quorum was `held` in 0.4.0: the one value that has another name now. */
const renamed = (answer: unknown): unknown =>
  JSON.parse(JSON.stringify(answer).replaceAll('"state":"held"', '"state":"awaiting-quorum"'));

const withKey = (key: string) => ({ headers: { 'idempotency-key': key } });
/** As `record-state.ts` made them. */
const order = (n: number, seconds = n) => ({
  type: 'Order',
  id: `order-${n}`,
  key: `buyer-${n % 3}`,
  time: new Date(Date.UTC(2020, 0, 1) + seconds * 1_000).toISOString(),
  payload: { n },
});

it('is the state of the version that it says', () => {
  expect(recording.version).toBe('0.4.0');
});

describe('what was stored', () => {
  it.each(recording.answers)('$path answers as it did', async ({ path, answer }) => {
    const response = await edge.client.request(`/api${path}`);
    if (typeof answer === 'string') expect(await response.text()).toBe(answer);
    else expect(stable(await response.json())).toMatchObject(renamed(answer) as object);
  });

  it('a submission and an append that come again are the first ones', async () => {
    // What 0.4.0 was told first: the same body under the same key.
    const { jobs: calls, streams } = edge.client;
    const { spec } = await calls.mapReduce(jobs.finished);
    expect(await calls.submit(spec, withKey('words-once'))).toMatchObject({ id: jobs.finished });
    const orders = Array.from({ length: 8 }, (_, n) => order(n));
    const appended = await streams.append('orders', orders, withKey('orders-once'));
    expect(appended).toMatchObject({ accepted: 8, duplicates: 0 });
    expect(await streams.append('orders', orders, withKey('another'))).toMatchObject({
      accepted: 0,
      duplicates: 8,
    });
  });
});

describe('what was under way', () => {
  it('jobs are mapped to their end, and only what was not mapped', async () => {
    const before = (await edge.client.jobs.mapReduce(jobs.halfway)).counters;
    expect(before.volunteerTasks).toBe(2);
    const known = new ProtocolVolunteer(edge.url, { id: 'recorded-volunteer' });
    await known.until(({ messages }) => messages.some(({ type }) => type === 'welcome'));
    const done = await waitFor(edge.client, jobs.halfway, 'done');
    expect(await resultOf(jobs.halfway)).toEqual(await resultOf(jobs.finished));
    expect(known.mapped).toHaveLength(done.progress.splits - 2);
    const other = new ProtocolVolunteer(edge.url, { id: 'another-volunteer' });
    await waitFor(edge.client, jobs.voted, 'done');
    expect(await resultOf(jobs.voted)).toEqual(await resultOf(jobs.finished));
    expect(other.mapped.length).toBeGreaterThanOrEqual(5);
    for (const volunteer of [known, other]) volunteer.close();
  });

  it('processors read on from their offsets, and repeat no effect', async () => {
    await edge.client.streams.append('orders', [order(11), order(12), order(13)]);
    for (const name of ['mail', 'count']) {
      await until(
        name,
        () => edge.client.processors.get(name),
        ({ counters }) => counters.processed === 13,
      );
    }
    const mails = await payloads('mails');
    expect(mails.toSorted((a, b) => Number(a) - Number(b))).toEqual([
      ...[0, 1, 2, 3, 4, 5, 6, 7],
      ...[9, 10, 11, 12, 13],
    ]);
    for (const [key, orders] of [
      ['buyer-0', 4],
      ['buyer-1', 5],
      ['buyer-2', 4],
    ] as const) {
      const { state, version } = await edge.client.processors.state('count', key);
      expect([version, state]).toEqual([2, { orders }]);
    }
    await edge.client.processors.resume('resting');
    await until(
      'what rested',
      () => edge.client.processors.get('resting'),
      ({ counters }) => counters.processed === 14,
    );
  });

  it('a dead letter is run again', async () => {
    await edge.client.users.put('bob', { name: 'Bob', email: 'bob@example.org' });
    await edge.client.processors.redrive('mail', { all: true });
    await until(
      'the redriven event',
      () => edge.client.processors.deadLetters('mail'),
      ({ items }) => items.length === 0,
    );
    expect((await payloads('mails')).filter((n) => n === 8)).toHaveLength(1);
  });

  it('a join is completed by what comes now', async () => {
    await edge.client.users.put('grace', { name: 'Grace', email: 'g@example.org' });
    const pairs = await until(
      'the pair',
      () => payloads('pairs'),
      ({ length }) => length > 1,
    );
    expect(pairs).toEqual([{ id: 'ada' }, { id: 'grace' }]);
  });

  it('a batch fires with what it held and what came, and the next one opens', async () => {
    const { items } = await edge.client.processors.batches('sum');
    expect(items.map(({ window }) => window)).toEqual([1]);
    await edge.client.streams.append('orders', [order(14), order(15)]);
    const sums = await until(
      'the sum',
      () => payloads('sums'),
      ({ length }) => length > 1,
    );
    expect(sums[1]).toEqual({ sum: 8 + 9 + 11 + 12 + 13 + 14 + 15, events: 8, reason: 'events' });
  });

  it('a window of event time closes with what was in it', async () => {
    // In both partitions.
    const later = Array.from({ length: 12 }, (_, n) => order(100 + n, 600));
    await edge.client.streams.append('orders', later);
    const minutes = await until(
      'the minutes',
      () => payloads('minutes'),
      ({ length }) => length >= 3,
    );
    expect(minutes.toSorted()).toEqual([5, 5, 6]);
  });

  it('a schedule’s next run reads what came after its last one', async () => {
    await edge.client.schedules.run('yearly');
    const { runs: firings } = await until(
      'the run',
      () => edge.client.schedules.get('yearly'),
      (schedule) => schedule.runs.length === 2 && schedule.runs[0]?.state === 'done',
    );
    const sumOf = async (job: string | null | undefined) =>
      Number((await resultOf(job ?? ''))[0]?.value);
    const [now, before] = await Promise.all(firings.map(({ job }) => sumOf(job)));
    const fromEarliest = await submit(edge.client, {
      input: { stream: 'orders' },
      code: SUM_OF_N,
      mappers: 'edge',
    });
    await waitFor(edge.client, fromEarliest.id, 'done');
    expect(before).toBe(28);
    expect(now).toBe((await sumOf(fromEarliest.id)) - 28);
  });

  it('a DAG run takes the signal and the event that it waits for, and ends', async () => {
    await edge.client.jobs.signal(runs.waiting, 'approved', { by: 'ada' });
    await edge.client.streams.append('users', [
      { type: 'Confirmed', id: 'lin', payload: { id: 'lin' } },
    ]);
    const run = await until(
      'the end',
      () => edge.client.jobs.dag(runs.waiting),
      ({ state }) => state !== 'running',
    );
    expect(run.state, JSON.stringify(run.error)).toBe('done');
    // What was done before was not done again.
    expect(run.steps['draft']?.attempts).toBe(1);
    const result = await edge.client.jobs.outputs(runs.waiting);
    expect(result['publish']).toBe('ab-ab-ab- 100000 2,2,2,0 ada');
    expect(result['large']).toBe('y'.repeat(100_000));
    expect(result['arrival']).toMatchObject({ Confirmed: { payload: { id: 'lin' } } });
  });
});
