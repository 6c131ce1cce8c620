// A WindowObject with its code in a real isolate, on a real database: windows through evictions, what its alarm closes,
// what is late or from the future, what cannot be closed, and how many rows that writes.
import { env, evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { STATE_MAX_BYTES } from '../../shared/limits.ts';
import type { EventWindow } from '../../shared/schemas/processor.ts';
import { type RoutedBatch, type ShardConfig, shardName } from '../../worker/contracts/shard.rpc.ts';
import { consumerObject, logObject, windowObject } from '../../worker/stubs.ts';
import type { StreamDefinition } from '../../worker/contracts/names.ts';
import { storeProgram } from '../../worker/isolates/processor-program.edge.ts';
import { newStream } from './streams.ts';

const COUNT = `export const add = (state, event) => ({ n: (state ? state.n : 0) + 1, ids: [...(state ? state.ids : []), event.id] });
export const merge = (a, b) => ({ n: a.n + b.n, ids: [...a.ids, ...b.ids] });
export function process({ key, start, end, startMs, endMs, count, state }, ctx) {
  if (key === 'bad') throw new Error('no ' + ctx.attempt);
  return { type: 'Closed', key: ctx.key, payload: { key, start, ms: endMs - startMs, count, ids: state.ids } };
}`;
const KEEP = `export function process({ key, start, count, events }) {
  if (key === 'bad') throw new Error('no');
  return { type: 'Closed', key, payload: { key, start, count, ids: events.map((event) => event.id) } };
}`;

const T0 = Date.parse('2026-01-01T00:00:00.000Z');
const common = { graceMs: 100, idleMs: 5_000, skewMs: 60_000, time: 'time' };
const SECONDS: EventWindow = { type: 'tumbling', sizeMs: 1_000, ...common };
const SESSIONS: EventWindow = { type: 'session', gapMs: 1_000, ...common, graceMs: 10_000 };

let made = 0;

async function newWindows(code: string, window: EventWindow, sources = 1) {
  const n = made++;
  const output = await newStream(`closed-${n}`, 1);
  const late = await newStream(`late-${n}`, 1);
  const { name: stream, uid } = await newStream(`source-${n}`, sources);
  const { key, hash } = await storeProgram(env, code, { kind: 'window', window });
  const ref = { processor: 'p', processorUid: `processor_panes${n}`, generation: 1, shard: 0 };
  const config: ShardConfig = {
    ref,
    work: { kind: 'window', window, adds: code === COUNT, merges: code === COUNT },
    version: 1,
    programKey: key,
    programHash: hash,
    guard: true,
    output: output.name,
    late: late.name,
    services: {},
    params: {},
    retry: { maxAttempts: 2, baseMs: 1_000, maxMs: 1_000 },
    paused: false,
    sources: Array.from({ length: sources }, (_, partition) => ({ stream, uid, partition })),
  };
  const keyWindows = windowObject(env, ref);
  await keyWindows.configure(config);
  const stub = env.WINDOWS.get(env.WINDOWS.idFromName(shardName(ref)));
  return { keyWindows, config, output, late, stub };
}

/** The consumer of the only partition: paused, it only keeps dead letters. */
async function consumerOf({ ref, sources, retry }: ShardConfig) {
  const source = sources[0];
  if (!source) throw new Error('no source');
  const { processor, processorUid, generation } = ref;
  const own = { processor, processorUid, generation, source };
  const consumer = consumerObject(env, own);
  const program = { programKey: 'none', programHash: 'none', guard: false };
  const nothing = { types: null, output: null, services: {}, params: {}, rebuilding: false };
  const config = { ref: own, version: 1, ...program, ...nothing, retry, paused: true };
  await consumer.configure(config, 'earliest');
  return consumer;
}

interface Sent {
  ms: number;
  key?: string;
  id?: string;
}

function batchOf(first: number, events: Sent[], more: Partial<RoutedBatch> = {}): RoutedBatch {
  const { source = 0 } = more;
  const lines = events.map(
    ({ ms, key = 'k', id = `${source}:${first + events.length}:${ms}` }, i) => {
      const time = new Date(T0 + ms).toISOString();
      return JSON.stringify({ partition: source, offset: first + i, id, type: 'T', key, time });
    },
  );
  return {
    source,
    text: lines.join('\n'),
    keys: events.map(({ key = 'k' }) => key),
    appendedAt: [{ offset: 0, atMs: T0 }],
    attempt: 1,
    final: false,
    redrive: false,
    clock: events.length > 0 ? { maxTimeMs: T0 + Math.max(...events.map(({ ms }) => ms)) } : null,
    settled: 0,
    ...more,
  };
}

const APPLIED = { kind: 'applied', failures: [], stoppedAt: null };

async function eventsOf({ uid }: StreamDefinition) {
  const found = await logObject(env, { uid, partition: 0 }).locate(0, 10_000, 4e6);
  if (found.kind !== 'rows') return [];
  const lines = found.chunks.flatMap(({ text }) => text.split('\n'));
  return lines.map((line) => JSON.parse(line) as { payload: unknown; source: unknown; id: string });
}
const payloadsOf = async (stream: StreamDefinition) =>
  (await eventsOf(stream)).map(({ payload }) => payload);

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: T0 }));
afterEach(() => void vi.useRealTimers());

describe('a WindowObject', () => {
  it('counts tumbling windows over partitions, through evictions, each event once', async () => {
    const { keyWindows, output, stub } = await newWindows(COUNT, SECONDS, 2);
    const first = batchOf(0, [
      { ms: 100, id: 'a' },
      { ms: 900, id: 'b' },
      { ms: 1_500, id: 'c' },
    ]);
    expect(await keyWindows.apply(first)).toEqual(APPLIED);
    await evictDurableObject(stub);
    expect(await keyWindows.apply(first)).toEqual(APPLIED);
    const second = batchOf(
      0,
      [
        { ms: 300, id: 'd' },
        { ms: 2_000, id: 'e' },
      ],
      { source: 1 },
    );
    expect(await keyWindows.apply(second)).toEqual(APPLIED);
    await evictDurableObject(stub);
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    expect(await keyWindows.apply(second)).toEqual(APPLIED);
    expect(await payloadsOf(output)).toEqual([
      { key: 'k', start: '2026-01-01T00:00:00.000Z', ms: 1_000, count: 3, ids: ['a', 'b', 'd'] },
    ]);
    expect((await eventsOf(output))[0]?.source).toMatchObject({ partition: 1, offset: 0 });
    expect(await keyWindows.status()).toMatchObject({
      keys: 2,
      watermarkMs: T0 + 1_500,
      counters: { fired: 1, emitted: 1 },
    });
    expect(await keyWindows.windowsOf('k')).toMatchObject([
      { events: 1, state: { ids: ['c'] }, closesAt: '2026-01-01T00:00:02.100Z' },
      { events: 1, state: { ids: ['e'] } },
    ]);
    expect((await keyWindows.windows(null, 1)).items).toHaveLength(1);
    expect(await keyWindows.drain()).toBe(2);
    expect(await keyWindows.drain()).toBe(0);
    expect(await keyWindows.status()).toMatchObject({ keys: 0, bytes: 0, counters: { fired: 3 } });
  });

  it('makes one of sessions that an event lies between, in the order of their beginnings', async () => {
    const { keyWindows, output } = await newWindows(COUNT, SESSIONS);
    await keyWindows.apply(
      batchOf(0, [
        { ms: 3_000, id: 'late' },
        { ms: 1_200, id: 'early' },
      ]),
    );
    await keyWindows.apply(batchOf(2, [{ ms: 2_100, id: 'between' }]));
    expect(await keyWindows.windowsOf('k')).toHaveLength(1);
    expect(await keyWindows.drain()).toBe(1);
    expect(await payloadsOf(output)).toEqual([
      {
        key: 'k',
        start: '2026-01-01T00:00:01.200Z',
        ms: 2_800,
        count: 3,
        ids: ['early', 'late', 'between'],
      },
    ]);
  });

  it('closes by its alarm what the clock has made due, and only then', async () => {
    const { keyWindows, output, stub } = await newWindows(KEEP, SECONDS);
    await keyWindows.apply(
      batchOf(0, [
        { ms: 500, id: 'b' },
        { ms: 450, id: 'a' },
      ]),
    );
    await keyWindows.rested(0, 2);
    await evictDurableObject(stub);
    // Idle after five seconds; from 500 to 1,100 the clock goes on.
    vi.setSystemTime(T0 + 5_599);
    await runDurableObjectAlarm(stub);
    expect(await payloadsOf(output)).toEqual([]);
    vi.setSystemTime(T0 + 5_600);
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    expect(await payloadsOf(output)).toEqual([
      { key: 'k', start: '2026-01-01T00:00:00.000Z', count: 2, ids: ['a', 'b'] },
    ]);
    expect(await keyWindows.status()).toMatchObject({ keys: 0, watermarkMs: T0 + 1_100 });
  });

  it('sends what is late or from the future to the late stream, with the reason', async () => {
    const { keyWindows, late, stub } = await newWindows(COUNT, SECONDS);
    await keyWindows.apply(batchOf(0, [{ ms: 1_100, id: 'closes' }]));
    const more = [
      { ms: 999, id: 'late' },
      { ms: 60_001, id: 'future' },
      { ms: 1_000, id: 'fine' },
    ];
    await keyWindows.apply(batchOf(1, more, { clock: { maxTimeMs: T0 + 1_100 } }));
    await evictDurableObject(stub);
    await keyWindows.apply(batchOf(1, more, { clock: { maxTimeMs: T0 + 1_100 } }));
    expect((await eventsOf(late)).map(({ source }) => source)).toMatchObject([
      { offset: 1, late: 'closed' },
      { offset: 2, late: 'future' },
    ]);
    expect((await keyWindows.late(10)).map(({ event, reason }) => [event.id, reason])).toEqual([
      ['future', 'future'],
      ['late', 'closed'],
    ]);
    expect(await keyWindows.status()).toMatchObject({
      keys: 1,
      watermarkMs: T0 + 1_100,
      counters: { late: 2 },
    });
  });

  it('makes dead letters of the events of a window that cannot be closed', async () => {
    const { keyWindows, config, stub } = await newWindows(KEEP, SECONDS);
    const consumer = await consumerOf(config);
    const events = [{ ms: 2, key: 'bad' }, { ms: 3 }, { ms: 1, key: 'bad' }];
    await keyWindows.apply(batchOf(0, events));
    // Twice the bad one, once the other.
    expect(await keyWindows.drain()).toBe(3);
    expect(await keyWindows.status()).toMatchObject({ keys: 0, bytes: 0, counters: { fired: 1 } });
    const { items } = await consumer.deadLetters(undefined, 10);
    expect(items).toMatchObject([
      { offset: 0, attempts: 2, error: { code: 'program_threw' } },
      { offset: 2, attempts: 2 },
    ]);
    expect(items[0]?.error.message).toContain('the window of "bad" from 2026-01-01T00:00:00.000Z');
    expect(items[0]?.event).toMatchObject({ key: 'bad' });
    await evictDurableObject(stub);
    expect(await keyWindows.drain()).toBe(0);
    // Its window is closed, whatever is run again.
    await keyWindows.apply(batchOf(0, events.slice(0, 1), { redrive: true, clock: null }));
    expect(await keyWindows.late(1)).toMatchObject([{ reason: 'closed', key: 'bad' }]);
  });

  it('fails an event without a time, and one for which its window has no room', async () => {
    const { keyWindows } = await newWindows(KEEP, SECONDS);
    const text = JSON.stringify({ partition: 0, offset: 0, id: 'a', type: 'T', time: 'soon' });
    const untimed = { ...batchOf(0, [{ ms: 0 }]), text };
    expect(await keyWindows.apply(untimed)).toMatchObject({
      kind: 'applied',
      failures: [{ offset: 0, error: { code: 'bad_value' } }],
    });
    const filling = 'x'.repeat(250_000);
    const large = [1, 2, 3, 4].map((ms) => ({ ms, id: `${ms}${filling}` }));
    expect(await keyWindows.apply(batchOf(1, large))).toEqual(APPLIED);
    const over = [
      { ms: 5, id: filling },
      { ms: 6, id: 'fits' },
    ];
    const failures = [{ offset: 5, error: { code: 'memory' } }];
    expect(await keyWindows.apply(batchOf(5, over))).toMatchObject({ failures });
    expect(await keyWindows.apply(batchOf(5, over, { final: true }))).toMatchObject({ failures });
    const [open] = await keyWindows.windowsOf('k');
    expect(open?.events).toBe(5);
    expect(open?.bytes).toBeLessThanOrEqual(STATE_MAX_BYTES);
    expect(await keyWindows.status()).toMatchObject({ bytes: open?.bytes });
  });

  it('writes one row for a window that a batch touches, and few others', async () => {
    const { keyWindows } = await newWindows(COUNT, SECONDS);
    const rows = async () => (await keyWindows.status())?.operations.rowWritten ?? 0;
    const events = Array.from({ length: 1_000 }, (_, i) => ({ ms: i, key: `k${i % 100}` }));
    await keyWindows.apply(batchOf(0, events.slice(0, 1)));
    const before = await rows();
    await keyWindows.apply(batchOf(1, events));
    // A hundred windows, their ends, and two records.
    expect((await rows()) - before).toBeLessThanOrEqual(100 + 4);
    const open = await rows();
    await keyWindows.drain();
    // Each window's row goes; beside it the outbox and the records, some for each step.
    expect((await rows()) - open).toBeLessThanOrEqual(100 + 12);
  });
});
