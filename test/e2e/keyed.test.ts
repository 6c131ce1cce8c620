// Keyed state on a local edge that is killed and started again on its way: what waits goes on waiting, what is counted
// is counted once, and timers that were set before strike after.
import { expect, test } from 'vitest';
import type { ProcessorSpecInput } from '../../shared/schemas/processor.ts';
import { killableEdge, until } from '../support/killable-edge.ts';

/** Soon, but not before the edge was killed once. */
const HASTY_MS = 4_000;
const PATIENT_MS = 600_000;

const edge = killableEdge();
const processor = (name: string) => edge.client.processors.get(name);
const part = (type: string, productId: string) => ({
  type,
  key: productId,
  payload: { productId },
});

test('joins wait, states count and windows close across restarts', async () => {
  await edge.client.streams.put('products', { partitions: 2 });
  for (const stream of ['created', 'partial', 'visits', 'sessions']) {
    await edge.client.streams.put(stream, { partitions: 1 });
  }
  const creator = (timeoutMs: number, output: string): ProcessorSpecInput => ({
    kind: 'join',
    stream: 'products',
    output,
    keyBy: 'payload.productId',
    join: { types: ['Uploaded', 'Image', 'Video'], timeoutMs, onTimeout: 'emit-partial' },
    code: `export const process = ({ Uploaded, Image, Video }) => ({
      type: 'Created', payload: [Uploaded, Image, Video].map((event) => event?.key ?? null) });`,
  });
  await edge.client.processors.put('patient', creator(PATIENT_MS, 'created'));
  await edge.client.processors.put('hasty', creator(HASTY_MS, 'partial'));
  await edge.client.processors.put('visitors', {
    kind: 'stateful',
    stream: 'visits',
    code: 'export const process = (event, count) => (count ?? 0) + 1;',
  });
  await edge.client.processors.put('sessions', {
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
  await edge.publish('products', [part('Image', 'p1'), part('Uploaded', 'p2')]);
  await edge.publish('visits', visits(0));
  await until(
    'the first arrivals',
    () => processor('patient'),
    ({ keyed }) => keyed?.keys === 2,
  );
  await edge.restart();
  const waiting = await edge.client.processors.waiting('patient');
  expect(waiting.items.map(({ key, missing }) => [key, missing]).sort()).toEqual([
    ['p1', ['Uploaded', 'Video']],
    ['p2', ['Image', 'Video']],
  ]);
  // Some of these are there already; and the edge dies while the others are being worked on.
  await edge.publish('visits', [...visits(100), ...visits(200)]);
  await edge.publish('products', [part('Video', 'p1'), part('Uploaded', 'p1')]);
  await edge.restart();

  const created = await until(
    'the product',
    () => edge.eventsOf('created'),
    (events) => events.length > 0,
  );
  expect(created.map(({ payload }) => payload)).toEqual([['p1', 'p1', 'p1']]);
  const partial = await until(
    'the product that nobody completes',
    () => edge.eventsOf('partial'),
    (events) => events.some(({ payload }) => (payload as unknown[])[0] === 'p2'),
  );
  expect(partial.map(({ payload }) => payload)).toContainEqual(['p2', null, null]);
  const sessions = await until(
    'the sessions',
    () => edge.eventsOf('sessions'),
    (events) => events.reduce((sum, { payload }) => sum + Number(payload), 0) >= 400,
  );
  expect(sessions.reduce((sum, { payload }) => sum + Number(payload), 0)).toBe(400);
  for (const key of ['k0', 'k4']) {
    const { state, asOf } = await edge.client.processors.state('visitors', key);
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
