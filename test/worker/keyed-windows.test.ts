// Windows of event time inside workerd, through the REST API: they close when event time has passed them, whatever the
// order of arrival; what is late, from the future or without a time; sessions; what the clock closes; drains.
import { describe, expect, it } from 'vitest';
import type { List } from '../../shared/schemas/common.ts';
import type { LateEvent, OpenEventWindow } from '../../shared/schemas/processor.ts';
import type { EventInput } from '../../shared/schemas/stream.ts';
import {
  act,
  caughtUp,
  deadLetters,
  get,
  type KeyedInput,
  payloads,
  placesOf,
  processor,
  publish,
  readAll,
  rowsOf,
  shown,
  SOON,
  state,
  stream,
  streams,
} from './keyed.ts';
import { call } from './rest.ts';

type Window = Omit<Extract<KeyedInput, { kind: 'window' }>, 'kind'>;
const windowed = (name: string, spec: Window) => processor(name, { kind: 'window', ...spec });

const SUM = `export function add(state, event) { return { sum: (state?.sum ?? 0) + event.payload.n } }
export function merge(a, b) { return { sum: a.sum + b.sum } }
export function process({ key, start, end, count, state }) {
  return { type: 'Closed', key, payload: { key, start, end, count, sum: state.sum } };
}`;
const EVENTS = `export function process({ key, start, events }) {
  return { type: 'Closed', key, payload: { key, start, ns: events.map((event) => event.payload.n) } };
}`;

/** Long enough that the clock of the test never closes what only event time should. */
const PATIENT = { graceMs: 0, idleMs: 3_600_000 };
const T0 = Date.parse('2026-01-01T00:00:00.000Z');
const iso = (ms: number) => new Date(T0 + ms).toISOString();
const at = (ms: number, n = 1, key = 'k'): EventInput => ({
  type: 'Click',
  key,
  time: iso(ms),
  payload: { n },
});

interface Closed {
  key: string;
  start: string;
  end: string;
  count: number;
  sum: number;
}
const closed = async (name: string) =>
  (await payloads<Closed>(name)).sort((a, b) => (a.start + a.key < b.start + b.key ? -1 : 1));
const windows = async (name: string) =>
  (await get<List<OpenEventWindow>>(`/processors/${name}/windows`)).items;
const late = async (name: string) => (await get<List<LateEvent>>(`/processors/${name}/late`)).items;

describe('tumbling windows', () => {
  it('close when event time has passed their end and grace, and take what came out of order', async () => {
    await stream('clicks', 1);
    await streams('counts', 'tooLate');
    await windowed('minutes', {
      stream: 'clicks',
      output: 'counts',
      late: 'tooLate',
      code: SUM,
      window: { type: 'tumbling', sizeMs: 1_000, ...PATIENT, graceMs: 500 },
    });
    await publish('clicks', [at(100, 1), at(900, 2), at(1_400, 4)]);
    await publish('clicks', [at(950, 8), at(200, 16)]);
    await caughtUp('minutes');
    expect(await closed('counts')).toEqual([]);
    expect((await windows('minutes')).map(({ start, events }) => [start, events])).toEqual([
      [iso(0), 4],
      [iso(1_000), 1],
    ]);
    const one = await state('minutes', 'k');
    expect(one.windows).toMatchObject([
      { start: iso(0), end: iso(1_000), closesAt: iso(1_500), state: { sum: 27 } },
      { start: iso(1_000), end: iso(2_000) },
    ]);
    expect((await shown('minutes')).keyed).toMatchObject({ keys: 2, watermark: iso(1_400) });

    await publish('clicks', [at(1_500, 32)]);
    await expect
      .poll(() => closed('counts'), SOON)
      .toEqual([{ key: 'k', start: iso(0), end: iso(1_000), count: 4, sum: 27 }]);
    await publish('clicks', [at(999, 64), at(1_600, 128)]);
    await caughtUp('minutes');
    expect((await late('minutes')).map(({ event, reason }) => [event.time, reason])).toEqual([
      [iso(999), 'closed'],
    ]);
    expect(
      (await readAll('tooLate')).map(({ payload, source }) => [payload, source?.late]),
    ).toEqual([[{ n: 64 }, 'closed']]);
    expect((await shown('minutes')).counters).toMatchObject({ late: 1, fired: 1, emitted: 1 });
    await act('minutes', 'drain');
    await expect.poll(async () => (await closed('counts')).length, SOON).toBe(2);
    expect((await closed('counts'))[1]).toMatchObject({ start: iso(1_000), count: 3, sum: 164 });
    expect(await windows('minutes')).toEqual([]);
  });

  it('wait for every partition and every key of theirs, and keep events when nothing adds them up', async () => {
    await streams('wide', 'seen');
    await windowed('wideWindows', {
      stream: 'wide',
      output: 'seen',
      code: EVENTS,
      shards: 3,
      window: { type: 'tumbling', sizeMs: 1_000, ...PATIENT },
    });
    const keys = Array.from({ length: 12 }, (_, i) => `k${i}`);
    await publish(
      'wide',
      keys.flatMap((key) => [at(500, 2, key), at(100, 1, key)]),
    );
    await caughtUp('wideWindows');
    expect(await windows('wideWindows')).toHaveLength(12);
    // Every partition goes on to the next window; so do all shards, also those that get no event of it.
    await publish(
      'wide',
      keys.map((key) => at(1_000, 3, key)),
    );
    await expect.poll(async () => (await payloads('seen')).length, SOON).toBe(12);
    for (const { ns } of await payloads<{ ns: number[] }>('seen')) expect(ns).toEqual([1, 2]);
  });

  it('slide, when a window begins more often than it is long', async () => {
    await stream('steps', 1);
    await streams('sliding');
    await windowed('slides', {
      stream: 'steps',
      output: 'sliding',
      code: SUM,
      window: { type: 'tumbling', sizeMs: 1_000, slideMs: 500, ...PATIENT },
    });
    await publish('steps', [at(600, 1), at(1_100, 2)]);
    await caughtUp('slides');
    await act('slides', 'drain');
    await expect
      .poll(async () => (await closed('sliding')).map(({ start, sum }) => [start, sum]), SOON)
      .toEqual([
        [iso(0), 1],
        [iso(500), 3],
        [iso(1_000), 2],
      ]);
  });

  it('close by the clock when nothing comes any more', async () => {
    await streams('quiet', 'ended');
    await windowed('clocked', {
      stream: 'quiet',
      output: 'ended',
      code: SUM,
      window: { type: 'tumbling', sizeMs: 200, graceMs: 0, idleMs: 50 },
    });
    await publish('quiet', [at(10, 1), at(20, 2)]);
    await expect
      .poll(() => closed('ended'), SOON)
      .toEqual([{ key: 'k', start: iso(0), end: iso(200), count: 2, sum: 3 }]);
  });

  it('leave out events from the future, and make dead letters of those without a time', async () => {
    await stream('skewed', 1);
    await streams('sane');
    await windowed('sober', {
      stream: 'skewed',
      output: 'sane',
      code: SUM,
      retry: { maxAttempts: 2, baseMs: 5, maxMs: 10 },
      window: { type: 'tumbling', sizeMs: 1_000, ...PATIENT, time: 'payload.at', skewMs: 1_000 },
    });
    const timed = (time: unknown, n: number): EventInput => ({
      type: 'Click',
      key: 'k',
      payload: { at: time as string, n },
    });
    await publish('skewed', [
      timed(iso(100), 1),
      timed(Date.now() + 3_600_000, 2),
      timed(T0 + 200, 4),
      timed('yesterday', 8),
      { type: 'Click', key: 'k', payload: { n: 16 } },
    ]);
    await caughtUp('sober');
    expect((await late('sober')).map(({ reason }) => reason)).toEqual(['future']);
    const dead = await deadLetters('sober');
    expect(dead).toHaveLength(2);
    for (const { error } of dead) expect(error.message).toContain('payload.at');
    expect((await state('sober', 'k')).windows).toMatchObject([{ events: 2, state: { sum: 5 } }]);
    expect((await shown('sober')).keyed?.watermark).toBe(iso(200));
  });
});

describe('sessions', () => {
  it('end when nothing came for the gap, and become one when an event lies between', async () => {
    await streams('visits', 'sessions');
    await windowed('visitors', {
      stream: 'visits',
      output: 'sessions',
      code: SUM,
      window: { type: 'session', gapMs: 1_000, ...PATIENT, graceMs: 2_000 },
    });
    await publish('visits', [at(0, 1, 'a'), at(1_500, 2, 'a'), at(0, 4, 'b')]);
    await caughtUp('visitors');
    expect(await windows('visitors')).toHaveLength(3);
    await publish('visits', [at(800, 8, 'a')]);
    await caughtUp('visitors');
    expect((await state('visitors', 'a')).windows).toMatchObject([
      { start: iso(0), events: 3, state: { sum: 11 } },
    ]);
    await act('visitors', 'drain');
    await expect
      .poll(
        async () => (await closed('sessions')).map(({ key, count, sum }) => [key, count, sum]),
        SOON,
      )
      .toEqual([
        ['a', 3, 11],
        ['b', 1, 4],
      ]);
  });
});

describe('a window processor', () => {
  it('that is replayed closes the same windows again, and leaves nothing when it is deleted', async () => {
    await streams('past', 'results');
    await windowed('rebuilt', {
      stream: 'past',
      output: 'results',
      code: SUM,
      window: { type: 'tumbling', sizeMs: 1_000, ...PATIENT },
    });
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
    for (const ms of [100, 1_100, 2_100]) {
      await publish(
        'past',
        keys.map((key) => at(ms, ms, key)),
      );
    }
    await expect.poll(async () => (await closed('results')).length, SOON).toBe(12);
    await act('rebuilt', 'replay', { from: 'earliest' });
    await expect.poll(async () => (await shown('rebuilt')).version, SOON).toBe(2);
    await expect.poll(async () => (await readAll('results')).length, SOON).toBe(24);
    const results = await readAll('results');
    const of = (version: number) =>
      results
        .filter(({ source }) => source?.version === version)
        .map(({ payload }) => JSON.stringify(payload))
        .sort();
    expect(of(2)).toEqual(of(1));
    const { shards } = await placesOf('rebuilt');
    expect((await call('/processors/rebuilt', { method: 'DELETE' })).status).toBe(204);
    for (const ref of shards) expect(await rowsOf('window', ref)).toBe(0);
  });
});
