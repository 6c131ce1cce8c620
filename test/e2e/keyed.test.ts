// Keyed state on a local edge that is killed and started again on its way: what waits goes on waiting, what is counted
// is counted once, and timers that were set before strike after.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { KeyedState, Processor, WaitingKey } from '../../shared/schemas/processor.ts';
import type { List } from '../../shared/schemas/common.ts';
import type { EventsPage, StreamEvent } from '../../shared/schemas/stream.ts';
import { startTestEdge } from '../support/edge.ts';
import type { TestEdge } from '../support/edge.ts';

const POLL_MS = 100;
const WAIT_MAX_MS = 60_000;
/** Soon, but not before the edge was killed once. */
const HASTY_MS = 4_000;
const PATIENT_MS = 600_000;

let edge: TestEdge;
let persistDir: string;

beforeEach(async () => {
  persistDir = await mkdtemp(join(tmpdir(), 'manyhands-keyed-'));
  edge = await startTestEdge({ persistDir });
});
afterEach(async () => {
  await edge?.stop();
  await rm(persistDir, { recursive: true, force: true });
});

async function restart(): Promise<void> {
  const port = Number(new URL(edge.url).port);
  await edge.stop();
  edge = await startTestEdge({ persistDir, port });
}

async function until<Value>(
  what: string,
  ask: () => Promise<Value>,
  holds: (value: Value) => boolean,
): Promise<Value> {
  const untilMs = Date.now() + WAIT_MAX_MS;
  for (;;) {
    const value = await ask();
    if (holds(value)) return value;
    if (Date.now() > untilMs) throw new Error(`waited for ${what}: ${JSON.stringify(value)}`);
    await pause(POLL_MS);
  }
}

const publish = (stream: string, events: unknown[]) =>
  edge.rest.post(`/api/streams/${stream}/events`, events);
const processor = (name: string) => edge.rest.json<Processor>(`/api/processors/${name}`);
const part = (type: string, productId: string) => ({
  type,
  key: productId,
  payload: { productId },
});

/** All events of a stream's only partition. */
async function eventsOf(stream: string): Promise<StreamEvent[]> {
  const path = `/api/streams/${stream}/events?partition=0&limit=1000`;
  return (await edge.rest.json<EventsPage>(path)).events;
}

test('joins wait, states count and windows close across restarts', async () => {
  await edge.rest.put('/api/streams/products', { partitions: 2 });
  for (const stream of ['created', 'partial', 'visits', 'sessions']) {
    await edge.rest.put(`/api/streams/${stream}`, { partitions: 1 });
  }
  const creator = (timeoutMs: number, output: string) => ({
    kind: 'join',
    stream: 'products',
    output,
    keyBy: 'payload.productId',
    join: { types: ['Uploaded', 'Image', 'Video'], timeoutMs, onTimeout: 'emit-partial' },
    code: `export const process = ({ Uploaded, Image, Video }) => ({
      type: 'Created', payload: [Uploaded, Image, Video].map((event) => event?.key ?? null) });`,
  });
  await edge.rest.put('/api/processors/patient', creator(PATIENT_MS, 'created'));
  await edge.rest.put('/api/processors/hasty', creator(HASTY_MS, 'partial'));
  await edge.rest.put('/api/processors/visitors', {
    kind: 'stateful',
    stream: 'visits',
    code: 'export const process = (event, count) => (count ?? 0) + 1;',
  });
  await edge.rest.put('/api/processors/sessions', {
    kind: 'window',
    stream: 'visits',
    output: 'sessions',
    window: { type: 'session', gapMs: 1_000, graceMs: 500, idleMs: 2_000 },
    code: `export const add = (count) => (count ?? 0) + 1;
      export const merge = (a, b) => a + b;
      export const process = ({ key, state }) => ({ type: 'Session', key, payload: state });`,
  });

  const visits = (from: number) =>
    Array.from({ length: 200 }, (_, n) => ({
      type: 'Visit',
      id: `v${from + n}`,
      key: `k${n % 5}`,
    }));
  await publish('products', [part('Image', 'p1'), part('Uploaded', 'p2')]);
  await publish('visits', visits(0));
  await until(
    'the first arrivals',
    () => processor('patient'),
    ({ keyed }) => keyed?.keys === 2,
  );
  await restart();
  const waiting = await edge.rest.json<List<WaitingKey>>('/api/processors/patient/waiting');
  expect(waiting.items.map(({ key, missing }) => [key, missing]).sort()).toEqual([
    ['p1', ['Uploaded', 'Video']],
    ['p2', ['Image', 'Video']],
  ]);
  // Some of these are there already; and the edge dies while the others are being worked on.
  await publish('visits', [...visits(100), ...visits(200)]);
  await publish('products', [part('Video', 'p1'), part('Uploaded', 'p1')]);
  await restart();

  const created = await until(
    'the product',
    () => eventsOf('created'),
    (events) => events.length > 0,
  );
  expect(created.map(({ payload }) => payload)).toEqual([['p1', 'p1', 'p1']]);
  const partial = await until(
    'the product that nobody completes',
    () => eventsOf('partial'),
    (events) => events.some(({ payload }) => (payload as unknown[])[0] === 'p2'),
  );
  expect(partial.map(({ payload }) => payload)).toContainEqual(['p2', null, null]);
  const sessions = await until(
    'the sessions',
    () => eventsOf('sessions'),
    (events) => events.reduce((sum, { payload }) => sum + Number(payload), 0) >= 400,
  );
  expect(sessions.reduce((sum, { payload }) => sum + Number(payload), 0)).toBe(400);
  for (const key of ['k0', 'k4']) {
    const { state, asOf } = await edge.rest.json<KeyedState>(
      `/api/processors/visitors/state/${key}`,
    );
    expect(state).toBe(80);
    expect(asOf).toEqual([{ stream: 'visits', partition: 0, offset: 400, end: 400 }]);
  }
  const { counters, keyed } = await processor('patient');
  expect(counters).toMatchObject({ processed: 4, fired: 1, timedOut: 0, emitted: 1 });
  expect(keyed).toMatchObject({
    keys: 1,
    missing: [
      { type: 'Uploaded', count: 0 },
      { type: 'Image', count: 1 },
      { type: 'Video', count: 1 },
    ],
  });
});
