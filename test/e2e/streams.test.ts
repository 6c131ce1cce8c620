// Streams on a local edge that is killed and started again on its way: events, windows and schedules go on
// where they were, and each event has its effect once.
import { expect, test } from 'vitest';
import type { Processor } from '../../shared/schemas/processor.ts';
import type { Schedule } from '../../shared/schemas/schedule.ts';
import { killableEdge, until } from '../support/killable-edge.ts';
import { recordsOf } from '../support/jobs.ts';

const edge = killableEdge();

test('a window that is open when the edge is killed fires at its own time, with what came before and after', async () => {
  await edge.client.streams.put('readings', { partitions: 1 });
  await edge.client.streams.put('sums', { partitions: 1 });
  await edge.client.processors.put('sum', {
    kind: 'batch',
    stream: 'readings',
    output: 'sums',
    batch: { maxEvents: 1000, maxWaitMs: 8_000 },
    code: `export async function process(batch) {
      let sum = 0;
      for await (const event of batch) sum += event.payload;
      return { type: 'Sum', payload: { sum, events: batch.events, reason: batch.reason } };
    }`,
  });
  await edge.publish('readings', [{ type: 'Reading', payload: 1 }]);
  await edge.restart();
  await edge.publish('readings', [
    { type: 'Reading', payload: 10 },
    { type: 'Reading', payload: 100 },
  ]);
  const sums = await until(
    'a sum',
    () => edge.eventsOf('sums'),
    (events) => events.length > 0,
  );
  expect(sums.map(({ payload }) => payload)).toEqual([{ sum: 111, events: 3, reason: 'time' }]);
  const { items } = await edge.client.processors.batches('sum');
  expect(items).toMatchObject([{ reason: 'time', from: 0, to: 3, events: 3, state: 'done' }]);
});

test('a replay goes on after the edge was killed, and the new version takes over', async () => {
  await edge.client.streams.put('orders', { partitions: 2 });
  await edge.client.streams.put('shouts', { partitions: 1 });
  const processor = (says: string) => ({
    kind: 'stateless' as const,
    stream: 'orders',
    output: 'shouts',
    code: `export const process = (event) => ({ type: 'Shout', payload: '${says} ' + event.payload });`,
  });
  const get = () => edge.client.processors.get('shout');
  const processed = (count: number) => (state: Processor) => state.counters.processed >= count;
  await edge.client.processors.put('shout', processor('old'));
  const orders = Array.from({ length: 500 }, (_, n) => ({
    type: 'Order',
    key: `k${n}`,
    payload: n,
  }));
  await edge.publish('orders', orders);
  await until('all orders', get, processed(500));
  await edge.client.processors.put('shout', processor('new'));
  await edge.client.processors.replay('shout', { from: 'earliest' });
  await edge.restart();
  const after = await until(
    'the takeover',
    get,
    ({ replay, state }) => !replay && state === 'running',
  );
  expect(after.version).toBeGreaterThan(1);
  await edge.publish('orders', [{ type: 'Order', key: 'last', payload: 'last' }]);
  const shouts = await until(
    'the last shout',
    async () => (await edge.eventsOf('shouts')).map(({ payload }) => String(payload)),
    (payloads) => payloads.includes('new last'),
  );
  expect(shouts.filter((text) => text.startsWith('old'))).toHaveLength(500);
  expect(shouts.filter((text) => text.startsWith('new'))).toHaveLength(501);
  expect(new Set(shouts).size).toBe(1001);
});

test('a schedule that is due while the edge is down runs late, and each time runs once', async () => {
  await edge.client.streams.put('orders', { partitions: 1 });
  await edge.publish('orders', [{ type: 'Order', payload: { total: 5 } }]);
  await edge.client.schedules.put('often', {
    cron: '*/2 * * * * *',
    job: {
      kind: 'mapreduce',
      input: { stream: 'orders', from: 'lastRun', to: 'latest' },
      code: "export function map(event, emit) { emit('total', event.payload.total) }\nexport const reduce = 'sum'",
      partitions: 1,
    },
  });
  const get = () => edge.client.schedules.get('often');
  const done = (count: number) => (schedule: Schedule) =>
    schedule.runs.filter(({ state }) => state === 'done').length >= count;
  await until('a first run', get, done(1));
  await edge.restart();
  await edge.publish('orders', [{ type: 'Order', payload: { total: 7 } }]);
  const doneBefore = (await get()).runs.filter(({ state }) => state === 'done').length;
  await until('two more runs', get, done(doneBefore + 2));
  await edge.client.schedules.pause('often');
  const { runs } = await until('the runs’ end', get, (schedule) =>
    schedule.runs.every(({ state }) => ['done', 'missed'].includes(state)),
  );
  expect(new Set(runs.map(({ at }) => at)).size).toBe(runs.length);
  // Every event is in exactly one run's result.
  let total = 0;
  for (const { job } of runs) {
    if (job === null) continue;
    for (const { value } of await recordsOf(edge.client, job)) total += Number(value);
  }
  expect(total).toBe(12);
});
