// Windows inside workerd, with the real log, queue, isolates and jobs: they fire by each bound, see every event
// once and in order, emit once, and what fails can be tried again.
import { env, evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { MIB } from '../../shared/limits.ts';
import { BatchSpec } from '../../shared/schemas/processor.ts';
import { runWindow } from '../../worker/processors/batch/run-batch.edge.ts';
import type { BatchObject } from '../../worker/processors/batch/batch.object.ts';
import type { BatchRpc } from '../../worker/contracts/batch.rpc.ts';
import { newId } from '../../worker/platform/new-id.edge.ts';
import { logObject, batchObject } from '../../worker/stubs.ts';
import { type StreamDefinition, batchName } from '../../worker/contracts/names.ts';
import { storeProgram } from '../../worker/isolates/processor-program.edge.ts';
import { readEvents } from '../../worker/log/read.edge.ts';
import { ended, result } from './rest.ts';
import { appendNumbers, newStream } from './streams.ts';

/** Emits one summary of its window: how many events of which numbers, and why it fired. */
const SUMMARY = `export async function process(batch, ctx) {
  const places = []
  for await (const event of batch) places.push([event.partition, event.offset, event.payload.n])
  return { type: 'Summary', payload: { reason: batch.reason, events: batch.events, bytes: batch.bytes, places, attempt: ctx.attempt } }
}`;

interface Summary {
  reason: string;
  events: number;
  bytes: number;
  places: [number, number, number][];
  attempt: number;
}

interface Windows {
  name: string;
  rpc: BatchRpc;
  stream: StreamDefinition;
  output: StreamDefinition;
  configure(changes: Record<string, unknown>): Promise<void>;
}

let made = 0;

async function newWindows(
  batch: object,
  options: {
    partitions?: number;
    code?: string;
    job?: object;
    from?: 'earliest';
    retry?: object;
  } = {},
): Promise<Windows> {
  const which = ++made;
  const stream = await newStream(`in-${which}`, options.partitions ?? 1);
  const output = await newStream(`out-${which}`, 1);
  const processorUid = newId('processor', Date.now());
  const name = batchName(processorUid, 1);
  const rpc = batchObject(env, name);
  const configure = async (changes: Record<string, unknown>) => {
    const code = options.job ? undefined : (options.code ?? SUMMARY);
    const spec = BatchSpec.parse({
      kind: 'batch',
      stream: stream.name,
      output: output.name,
      batch: { maxWaitMs: 3600_000, ...batch },
      retry: { maxAttempts: 2, baseMs: 1, maxMs: 1, ...options.retry },
      ...(code !== undefined ? { code } : { job: options.job }),
      ...changes,
    });
    const program = spec.code === undefined ? null : await storeProgram(env, spec.code);
    const named = { processor: `batch-${which}`, processorUid, generation: 1, version: 1 };
    const config = { ...named, spec, streams: [stream], program, guard: false, paused: false };
    await rpc.configure(config, 'earliest');
  };
  await configure({});
  return { name, rpc, stream, output, configure };
}

async function outputs({ output }: Windows): Promise<Summary[]> {
  const ref = { stream: output.name, uid: output.uid, partition: 0 };
  const read = await readEvents(env, ref, 0, { maxEvents: 1_000, maxBytes: 4e6 });
  if (read.kind !== 'events') return [];
  return read.text.split('\n').map((line) => (JSON.parse(line) as { payload: Summary }).payload);
}

const batches = async ({ rpc }: Windows) => (await rpc.batches(undefined, 100)).items;
const settled = (windows: Windows, count: number) =>
  expect
    .poll(async () => (await batches(windows)).map(({ state }) => state), { timeout: 15_000 })
    .toEqual(Array.from({ length: count }, () => 'done'));

/** The numbers that the windows saw, each partition's in the order of its log. */
function seen(summaries: Summary[]): number[] {
  const places = summaries.flatMap((summary) => summary.places);
  const next = new Map<number, number>();
  for (const [partition, offset] of places) {
    expect(offset).toBe(next.get(partition) ?? 0);
    next.set(partition, offset + 1);
  }
  return places.map(([, , n]) => n).sort((a, b) => a - b);
}
const numbers = (to: number) => Array.from({ length: to }, (_, n) => n);

describe('a window', () => {
  it('fires when it is full of events, exactly, over all partitions', async () => {
    const windows = await newWindows({ maxEvents: 25 }, { partitions: 3 });
    await appendNumbers(windows.stream, 0, 60, 40);
    await settled(windows, 2);
    const first = await outputs(windows);
    expect(first.map(({ reason, events, places }) => [reason, events, places.length])).toEqual([
      ['events', 25, 25],
      ['events', 25, 25],
    ]);
    await windows.rpc.drain();
    await settled(windows, 3);
    const all = await outputs(windows);
    expect(all[2]).toMatchObject({ reason: 'drain', events: 10 });
    expect(seen(all)).toEqual(numbers(60));
    const status = await windows.rpc.status();
    expect(status?.counters).toMatchObject({ processed: 60, emitted: 3, duplicates: 0 });
    expect(status?.openWindow).toMatchObject({ window: 4, events: 0, firesAt: null });
    const committed = await windows.rpc.committed();
    expect(committed.reduce((sum, one) => sum + one.committed, 0)).toBe(60);
  });

  it('fires before it is too large, and lets a larger event be alone', async () => {
    const windows = await newWindows({ maxEvents: 1_000, maxBytes: 1_000 });
    await appendNumbers(windows.stream, 0, 40);
    await expect.poll(() => batches(windows)).not.toEqual([]);
    await windows.rpc.drain();
    await expect.poll(async () => (await batches(windows))[0]?.reason).toBe('drain');
    await settled(windows, (await batches(windows)).length);
    for (const { reason, bytes, events } of await batches(windows)) {
      expect(bytes).toBeLessThanOrEqual(1_000);
      if (reason === 'bytes') expect(bytes + bytes / events).toBeGreaterThan(990);
    }
    expect(seen(await outputs(windows))).toEqual(numbers(40));
    await windows.configure({ batch: { maxBytes: 10, maxWaitMs: 3600_000 } });
    await appendNumbers(windows.stream, 40, 43);
    await expect.poll(async () => (await batches(windows))[2]?.from).toBe(40);
    expect((await batches(windows)).slice(0, 3)).toMatchObject([
      { reason: 'bytes', events: 1, from: 42, to: 43 },
      { reason: 'bytes', events: 1, from: 41, to: 42 },
      { reason: 'bytes', events: 1, from: 40, to: 41 },
    ]);
  });

  it('fires by time, though its object was evicted meanwhile', async () => {
    const windows = await newWindows({ maxWaitMs: 1_500 });
    await appendNumbers(windows.stream, 0, 5);
    const open = async () => (await windows.rpc.status())?.openWindow.events;
    await expect.poll(open).toBe(5);
    await evictDurableObject(env.BATCHES.get(env.BATCHES.idFromName(windows.name)));
    await settled(windows, 1);
    const [batch] = await batches(windows);
    expect(batch).toMatchObject({ reason: 'time', from: 0, to: 5, events: 5, attempts: 1 });
    const waitedMs = Date.parse(batch?.firedAt ?? '') - Date.parse(batch?.openedAt ?? '');
    expect(waitedMs).toBeGreaterThanOrEqual(1_500);
    expect(await outputs(windows)).toMatchObject([{ reason: 'time', events: 5 }]);
  });

  it('fills from what waited for long, and fires by time what is left of that', async () => {
    const windows = await newWindows({ maxEvents: 20, maxWaitMs: 1 }, { partitions: 3 });
    await windows.rpc.pause();
    await appendNumbers(windows.stream, 0, 90, 40);
    await windows.rpc.resume();
    await settled(windows, 5);
    const fired = (await batches(windows)).map(({ reason, events }) => [reason, events]);
    expect(fired).toEqual([['time', 10], ...Array.from({ length: 4 }, () => ['events', 20])]);
    expect(seen(await outputs(windows))).toEqual(numbers(90));
  });

  it('counts nothing and runs nothing while paused, and goes on where it was', async () => {
    const windows = await newWindows({ maxEvents: 5 });
    await appendNumbers(windows.stream, 0, 7);
    await settled(windows, 1);
    await windows.rpc.pause();
    await appendNumbers(windows.stream, 7, 20);
    await windows.rpc.look(windows.stream.uid, 0);
    expect(await batches(windows)).toHaveLength(1);
    expect((await windows.rpc.status())?.lag).toMatchObject([{ state: 'paused', committed: 5 }]);
    await windows.rpc.resume();
    await settled(windows, 4);
    expect(seen(await outputs(windows))).toEqual(numbers(20));
  });
});

describe('a run', () => {
  it('emits once, however often its wake-up is rung and whoever died before the append', async () => {
    const windows = await newWindows({ maxEvents: 4 });
    await windows.rpc.pause();
    await appendNumbers(windows.stream, 0, 4);
    await windows.rpc.resume();
    await windows.rpc.look(windows.stream.uid, 0);
    await Promise.all([1, 2, 3].map(() => runWindow(env, windows.name, 1)));
    await settled(windows, 1);
    await runWindow(env, windows.name, 1);
    expect(await outputs(windows)).toMatchObject([{ events: 4, attempt: 1 }]);
  });

  it('appends what was decided, though whoever decided it died', async () => {
    const windows = await newWindows(
      { maxEvents: 4 },
      {
        code: 'export const process = () => { throw new Error("not again") }',
        retry: { maxAttempts: 20, baseMs: 3600_000, maxMs: 3600_000 },
      },
    );
    await appendNumbers(windows.stream, 0, 4);
    await expect.poll(async () => (await batches(windows))[0]?.attempts).toBe(1);
    await expect.poll(async () => (await batches(windows))[0]?.state).toBe('waiting');
    // As if a run had come so far, and no further.
    const outputsText = JSON.stringify({ type: 'Summary', payload: { events: 4 } });
    const stub = stubOf(windows.name);
    await runInDurableObject(stub, (_: BatchObject, state) => makeDue(state.storage.sql));
    await evictDurableObject(stub);
    const work = await windows.rpc.begin(1);
    if (work?.kind !== 'function') throw new Error('the window is not to be run');
    expect(await windows.rpc.prepare(1, work.lease, { outputs: outputsText, log: [] })).toBe(true);
    expect(await windows.rpc.prepare(1, work.lease - 1, { outputs: '', log: [] })).toBe(false);
    await makeAllDue(windows);
    await settled(windows, 1);
    expect(await outputs(windows)).toEqual([{ events: 4 }]);
    expect(await windows.rpc.alive(1, work.lease)).toBe(false);
  });

  it('is tried again, given up, listed, and redriven beside later windows', async () => {
    const failing = `export async function process(batch) {
  for await (const event of batch) if (event.payload.n === 3) throw new Error('three')
  return { type: 'Summary', payload: { events: batch.events } }
}`;
    const windows = await newWindows({ maxEvents: 2 }, { code: failing });
    await appendNumbers(windows.stream, 0, 6);
    const states = async () => (await batches(windows)).map(({ state }) => state);
    await expect.poll(states, { timeout: 15_000 }).toEqual(['done', 'failed', 'done']);
    const [, failed] = await batches(windows);
    expect(failed).toMatchObject({ attempts: 2, error: { code: 'program_threw', line: 2 } });
    const letters = await windows.rpc.deadLetters(undefined, 10);
    expect(letters).toMatchObject({
      items: [{ id: 'window-2', event: null, batch: 2, offset: 2, attempts: 2, state: 'dead' }],
      next: null,
    });
    expect(await windows.rpc.status()).toMatchObject({
      deadLetters: 1,
      counters: { deadLettered: 1, retried: 1, processed: 4 },
      lag: [{ committed: 6, state: 'idle' }],
    });
    expect(await windows.rpc.redrive({ ids: ['window-1', 'window-9', 'nonsense'] })).toBe(0);
    await windows.configure({ code: SUMMARY });
    expect(await windows.rpc.redrive({ all: true })).toBe(1);
    await settled(windows, 3);
    expect((await outputs(windows)).at(-1)).toMatchObject({
      events: 2,
      places: [
        [0, 2, 2],
        [0, 3, 3],
      ],
    });
    expect(await windows.rpc.status()).toMatchObject({
      deadLetters: 0,
      counters: { redriven: 1, processed: 6, emitted: 3 },
    });
    expect(await windows.rpc.deadLetters(undefined, 10)).toEqual({ items: [], next: null });
  });

  it('reads a window of many megabytes, sealed and not, as it streams by', async () => {
    const code = `export async function process(batch) {
  let events = 0, sum = 0
  for await (const event of batch) { events++; sum += event.payload.n }
  return { type: 'Summary', payload: { events, bytes: batch.bytes, sum } }
}`;
    const maxBytes = 10 * MIB;
    const windows = await newWindows({ maxEvents: 1_000_000, maxBytes }, { code });
    const count = 8_000;
    for (let n = 0; n < count; n += 1_000) {
      await appendNumbers(windows.stream, n, n + 1_000, 10, 'x'.repeat(1_800));
    }
    await settled(windows, 1);
    await windows.rpc.drain();
    await settled(windows, 2);
    const [rest, full] = await batches(windows);
    expect(full?.bytes).toBeGreaterThan(maxBytes - 3_000);
    expect(full?.bytes).toBeLessThanOrEqual(maxBytes);
    expect((full?.events ?? 0) + (rest?.events ?? 0)).toBe(count);
    const sums = (await outputs(windows)) as unknown as { events: number; sum: number }[];
    expect(sums.map(({ events }) => events)).toEqual([full?.events, rest?.events]);
    expect(sums.reduce((sum, one) => sum + one.sum, 0)).toBe((count * (count - 1)) / 2);
  });

  it('counts what retention took before it was run, and goes on', async () => {
    const code = `export async function process(batch) {
  for await (const event of batch) throw new Error('later')
}`;
    const retry = { maxAttempts: 20, baseMs: 3600_000, maxMs: 3600_000 };
    const windows = await newWindows({ maxEvents: 4 }, { code, retry });
    await appendNumbers(windows.stream, 0, 4);
    await expect.poll(async () => (await batches(windows))[0]?.error?.message).toContain('later');
    await reshape(windows.stream, { retentionMs: 1 });
    const log = logObject(env, { uid: windows.stream.uid, partition: 0 });
    await expect.poll(async () => (await log.status())?.first, { timeout: 15_000 }).toBe(4);
    await makeAllDue(windows);
    await settled(windows, 1);
    expect((await windows.rpc.status())?.counters).toMatchObject({ processed: 0, expired: 4 });
    await reshape(windows.stream, {});
    await windows.configure({ code: SUMMARY });
    await appendNumbers(windows.stream, 4, 8);
    await settled(windows, 2);
    expect(await outputs(windows)).toMatchObject([{ events: 4 }]);
  });

  it('waits, and says why, while its output is full', async () => {
    const windows = await newWindows({ maxEvents: 3 });
    await appendNumbers(windows.output, 0, 8);
    await reshape(windows.output, { maxBytes: 1_024 });
    await appendNumbers(windows.stream, 0, 3);
    const lag = async () => (await windows.rpc.status())?.lag[0];
    await expect.poll(lag).toMatchObject({ state: 'blocked' });
    expect((await batches(windows))[0]).toMatchObject({ state: 'waiting', attempts: 0 });
    await reshape(windows.output, {});
    await settled(windows, 1);
    expect(await outputs(windows)).toHaveLength(9);
  });
});

describe('a window that is a job', () => {
  const job = {
    mappers: 'edge',
    code: `export const map = (event, emit) => emit('sum', event.payload.n)
export const reduce = 'sum'`,
  };

  it('reads exactly the window’s ranges, and the batch follows the job', async () => {
    const windows = await newWindows({ maxEvents: 50 }, { partitions: 2, job });
    await appendNumbers(windows.stream, 0, 60, 40);
    await settled(windows, 1);
    const [batch] = await batches(windows);
    if (batch?.job === undefined) throw new Error('the batch has no job');
    const done = await ended(batch.job);
    expect(done).toMatchObject({ state: 'done', counters: { recordsIn: 50 } });
    expect(done.name).toContain('window 1');
    const shown = done.spec.input;
    expect('ranges' in shown && shown.ranges).toEqual(
      batch.ranges.map(({ partition, from, to }) => ({ partition, from, to })),
    );
    const inWindow = await Promise.all(
      batch.ranges.map(async ({ partition, from, to }) => {
        const ref = { stream: windows.stream.name, uid: windows.stream.uid, partition };
        const read = await readEvents(env, ref, from, { maxEvents: to - from, maxBytes: 1e6 });
        const lines = read.kind === 'events' ? read.text.split('\n') : [];
        return lines.map((line) => (JSON.parse(line) as { payload: { n: number } }).payload.n);
      }),
    );
    expect(await result(batch.job)).toEqual([
      { key: 'sum', value: inWindow.flat().reduce((sum, n) => sum + n, 0) },
    ]);
  });

  it('fails with its job, and is redriven by trying the job again', async () => {
    const throwing = { ...job, code: 'export const map = () => { throw new Error("no") }' };
    const windows = await newWindows({ maxEvents: 5 }, { job: throwing });
    await appendNumbers(windows.stream, 0, 5);
    const state = async () => (await batches(windows))[0]?.state;
    await expect.poll(state, { timeout: 15_000 }).toBe('failed');
    const [failed] = await batches(windows);
    expect(failed).toMatchObject({ error: { code: 'program_threw' } });
    expect(await windows.rpc.redrive({ all: true })).toBe(1);
    await expect.poll(state, { timeout: 15_000 }).toBe('failed');
    const [again] = await batches(windows);
    expect(again?.job).toBe(failed?.job);
    expect((await windows.rpc.status())?.deadLetters).toBe(1);
  });
});

describe('windows that are no longer wanted', () => {
  it('end with what was run, and are forgotten whole', async () => {
    const windows = await newWindows({ maxEvents: 4 });
    await appendNumbers(windows.stream, 0, 6);
    await settled(windows, 1);
    expect(await windows.rpc.stop()).toEqual([
      { streamUid: windows.stream.uid, partition: 0, committed: 4 },
    ]);
    await appendNumbers(windows.stream, 6, 12);
    await windows.rpc.look(windows.stream.uid, 0);
    expect(await batches(windows)).toHaveLength(1);
    await windows.rpc.delete();
    expect(await windows.rpc.status()).toBeNull();
    expect(await batches(windows)).toEqual([]);
    await windows.rpc.look(windows.stream.uid, 0);
    expect(await windows.rpc.begin(1)).toBeNull();
  });
});

const stubOf = (name: string) => env.BATCHES.get(env.BATCHES.idFromName(name));

/** What waits, and every lease, is due now. */
function makeDue(sql: SqlStorage): void {
  const rows = [
    ...sql.exec<{ number: number; record: string }>('SELECT number, record FROM windows'),
  ];
  for (const { number, record } of rows) {
    const due = JSON.parse(record) as { readyAtMs: number; leaseUntilMs: number | null };
    due.readyAtMs = 0;
    if (due.leaseUntilMs !== null) due.leaseUntilMs = 0;
    sql.exec('UPDATE windows SET record = ? WHERE number = ?', JSON.stringify(due), number);
  }
}

/** And the object finds it so. */
async function makeAllDue({ name, rpc, stream }: Windows): Promise<void> {
  await runInDurableObject(stubOf(name), (_: BatchObject, state) => makeDue(state.storage.sql));
  await evictDurableObject(stubOf(name));
  await rpc.look(stream.uid, 0);
}

/** Changes what a partition may keep. */
async function reshape(
  { name, uid }: StreamDefinition,
  changes: { maxBytes?: number; retentionMs?: number },
): Promise<void> {
  const config = { stream: name, uid, partition: 0, retentionMs: 3600_000, maxBytes: 1e9 };
  await logObject(env, { uid, partition: 0 }).configure({ ...config, ...changes });
}
