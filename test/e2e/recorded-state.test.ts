// What an earlier version stored is read by this one, whatever its classes and tables are called by now: the same
// answers; and work that was under way goes on where it was.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { List } from '../../shared/schemas/common.ts';
import type { DagJob } from '../../shared/schemas/dag.ts';
import type { DeadLetter, KeyedState, Processor } from '../../shared/schemas/processor.ts';
import type { Schedule } from '../../shared/schemas/schedule.ts';
import type { Appended, EventsPage } from '../../shared/schemas/stream.ts';
import { ROOT } from '../../worker/local/build.ts';
import { startTestEdge, type TestEdge } from '../support/edge.ts';
import { until } from '../support/killable-edge.ts';
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

const get = <Answer>(path: string) => edge.rest.json<Answer>(`/api${path}`);
const processor = (name: string) => get<Processor>(`/processors/${name}`);
const payloads = async (stream: string) =>
  (await get<EventsPage>(`/streams/${stream}/events`)).events.map(({ payload }) => payload);

/** An attempt that waits for a quorum was `held` in 0.4.0: the one value that has another name now. */
const renamed = (answer: unknown): unknown =>
  JSON.parse(JSON.stringify(answer).replaceAll('"state":"held"', '"state":"awaiting-quorum"'));

/** What 0.4.0 was told first: the same body under the same key. */
async function again<Answer>(path: string, key: string, body: unknown): Promise<Answer> {
  const response = await edge.rest.call('POST', `/api${path}`, {
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify(body),
  });
  return (await response.json()) as Answer;
}
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
    const response = await edge.rest.call('GET', `/api${path}`);
    if (typeof answer === 'string') expect(await response.text()).toBe(answer);
    else expect(stable(await response.json())).toMatchObject(renamed(answer) as object);
  });

  it('a submission and an append that come again are the first ones', async () => {
    const { spec } = await edge.rest.job(jobs.finished);
    expect(await again('/jobs', 'words-once', spec)).toMatchObject({ id: jobs.finished });
    const orders = Array.from({ length: 8 }, (_, n) => order(n));
    const appended = await again<Appended>('/streams/orders/events', 'orders-once', orders);
    expect(appended).toMatchObject({ accepted: 8, duplicates: 0 });
    expect(await again<Appended>('/streams/orders/events', 'another', orders)).toMatchObject({
      accepted: 0,
      duplicates: 8,
    });
  });
});

describe('what was under way', () => {
  it('jobs are mapped to their end, and only what was not mapped', async () => {
    const before = (await edge.rest.job(jobs.halfway)).counters;
    expect(before.volunteerTasks).toBe(2);
    const known = new ProtocolVolunteer(edge.url, { id: 'recorded-volunteer' });
    await known.until(({ messages }) => messages.some(({ type }) => type === 'welcome'));
    const done = await edge.rest.waitFor(jobs.halfway, 'done');
    expect(await edge.rest.result(jobs.halfway)).toEqual(await edge.rest.result(jobs.finished));
    expect(known.mapped).toHaveLength(done.progress.splits - 2);
    const other = new ProtocolVolunteer(edge.url, { id: 'another-volunteer' });
    await edge.rest.waitFor(jobs.voted, 'done');
    expect(await edge.rest.result(jobs.voted)).toEqual(await edge.rest.result(jobs.finished));
    expect(other.mapped.length).toBeGreaterThanOrEqual(5);
    for (const volunteer of [known, other]) volunteer.close();
  });

  it('processors read on from their offsets, and repeat no effect', async () => {
    await edge.rest.post('/api/streams/orders/events', [order(11), order(12), order(13)]);
    for (const name of ['mail', 'count']) {
      await until(
        name,
        () => processor(name),
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
      const { state, version } = await get<KeyedState>(`/processors/count/state/${key}`);
      expect([version, state]).toEqual([2, { orders }]);
    }
    await edge.rest.post('/api/processors/resting/resume');
    await until(
      'what rested',
      () => processor('resting'),
      ({ counters }) => counters.processed === 14,
    );
  });

  it('a dead letter is run again', async () => {
    await edge.rest.put('/api/services/users/bob', { name: 'Bob', email: 'bob@example.org' });
    await edge.rest.post('/api/processors/mail/dead-letters/redrive', { all: true });
    await until(
      'the redriven event',
      () => get<List<DeadLetter>>('/processors/mail/dead-letters'),
      ({ items }) => items.length === 0,
    );
    expect((await payloads('mails')).filter((n) => n === 8)).toHaveLength(1);
  });

  it('a join is completed by what comes now', async () => {
    await edge.rest.put('/api/services/users/grace', { name: 'Grace', email: 'g@example.org' });
    const pairs = await until(
      'the pair',
      () => payloads('pairs'),
      ({ length }) => length > 1,
    );
    expect(pairs).toEqual([{ id: 'ada' }, { id: 'grace' }]);
  });

  it('a batch fires with what it held and what came, and the next one opens', async () => {
    const { items } =
      await get<List<{ window: number; events: number }>>('/processors/sum/batches');
    expect(items.map(({ window }) => window)).toEqual([1]);
    await edge.rest.post('/api/streams/orders/events', [order(14), order(15)]);
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
    await edge.rest.post('/api/streams/orders/events', later);
    const minutes = await until(
      'the minutes',
      () => payloads('minutes'),
      ({ length }) => length >= 3,
    );
    expect(minutes.toSorted()).toEqual([5, 5, 6]);
  });

  it('a schedule’s next run reads what came after its last one', async () => {
    await edge.rest.post('/api/schedules/yearly/run');
    const { runs: firings } = await until(
      'the run',
      () => get<Schedule>('/schedules/yearly'),
      (schedule) => schedule.runs.length === 2 && schedule.runs[0]?.state === 'done',
    );
    const sumOf = async (job: string | null | undefined) =>
      Number((await edge.rest.result(job ?? ''))[0]?.value);
    const [now, before] = await Promise.all(firings.map(({ job }) => sumOf(job)));
    const fromEarliest = await edge.rest.submit({
      input: { stream: 'orders' },
      code: SUM_OF_N,
      mappers: 'edge',
    });
    await edge.rest.waitFor(fromEarliest.id, 'done');
    expect(before).toBe(28);
    expect(now).toBe((await sumOf(fromEarliest.id)) - 28);
  });

  it('a DAG run takes the signal and the event that it waits for, and ends', async () => {
    await edge.rest.post(`/api/jobs/${runs.waiting}/signals/approved`, { by: 'ada' });
    await edge.rest.post('/api/streams/users/events', [
      { type: 'Confirmed', id: 'lin', payload: { id: 'lin' } },
    ]);
    const run = await until(
      'the end',
      () => get<DagJob>(`/jobs/${runs.waiting}`),
      ({ state }) => state !== 'running',
    );
    expect(run.state, JSON.stringify(run.error)).toBe('done');
    // What was done before was not done again.
    expect(run.steps['draft']?.attempts).toBe(1);
    const result = await get<Record<string, unknown>>(`/jobs/${runs.waiting}/result`);
    expect(result['publish']).toBe('ab-ab-ab- 100000 2,2,2,0 ada');
    expect(result['large']).toBe('y'.repeat(100_000));
    expect(result['arrival']).toMatchObject({ Confirmed: { payload: { id: 'lin' } } });
  });
});
