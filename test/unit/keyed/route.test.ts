import { describe, expect, test } from 'vitest';
import { partitionOf } from '../../../shared/mapreduce/hash.ts';
import { route, RoutedCrashError } from '../../../worker/processors/keyed/route.ts';
import type { Routed, RoutedBatch, Routing } from '../../../worker/contracts/shard.rpc.ts';

const routing: Routing = { kind: 'stateful', shards: 4, keyBy: 'key', source: 3, time: null };
const applied: Routed = { kind: 'applied', failures: [], stoppedAt: null };
const error = { code: 'program_threw' as const, message: 'no' };

const line = (offset: number, event: object) =>
  JSON.stringify({ partition: 0, offset, id: `${offset}`, type: 'T', ...event });

const call = (lines: string[], more = {}) => ({
  text: lines.join('\n'),
  attempt: 2,
  final: false,
  redrive: false,
  appendedAt: [{ offset: 10, atMs: 1_000 }],
  settled: 10,
  ...more,
});

async function routed(
  lines: string[],
  {
    answer = () => applied,
    ...more
  }: { answer?: (shard: number) => Routed } & Record<string, unknown> = {},
  rules: Routing = routing,
  types: string[] | null = null,
) {
  const batches = new Map<number, RoutedBatch>();
  const outcome = await route(rules, types, call(lines, more), async (shard, batch) => {
    batches.set(shard, batch);
    return answer(shard);
  });
  return { batches, outcome };
}

describe('events', () => {
  test('go to the shards of their keys, in order, in one call a shard', async () => {
    const lines = Array.from({ length: 40 }, (_, i) => line(10 + i, { key: `k${i % 7}` }));
    const { batches, outcome } = await routed(lines);
    expect(outcome).toMatchObject({ processed: 40, passedOver: 0, failures: [], stoppedAt: null });
    for (const [shard, batch] of batches) {
      expect(batch).toMatchObject({ source: 3, attempt: 2, settled: 10, clock: null });
      const keys = batch.text.split('\n').map((text) => (JSON.parse(text) as { key: string }).key);
      expect(batch.keys).toEqual(keys);
      for (const key of keys) expect(partitionOf(key, 4)).toBe(shard);
    }
    const all = [...batches.values()].flatMap(({ text }) => text.split('\n'));
    expect(all.toSorted()).toEqual(lines.toSorted());
  });

  test('of other types go nowhere; without a key they are given up at once', async () => {
    const lines = [
      line(10, { key: 'a' }),
      line(11, { key: 'a', type: 'Other' }),
      line(12, { key: null }),
      line(13, {}),
    ];
    const { batches, outcome } = await routed(lines, {}, routing, ['T']);
    expect([...batches.values()].map(({ keys }) => keys)).toEqual([['a']]);
    expect(outcome).toMatchObject({ processed: 1, passedOver: 1, failures: [] });
    expect(outcome.refused).toMatchObject([
      { offset: 12, error: { code: 'bad_key' } },
      { offset: 13, error: { code: 'bad_key' } },
    ]);
  });
});

describe('answers of shards', () => {
  const lines = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((key, i) => line(10 + i, { key }));
  const shardOf = (key: string) => partitionOf(key, 4);

  test('become one outcome, which ends where the first shard ended', async () => {
    const { outcome } = await routed(lines, {
      answer: (shard: number): Routed =>
        shard === shardOf('a')
          ? {
              kind: 'applied',
              failures: [
                { offset: 16, error },
                { offset: 10, error },
              ],
              stoppedAt: null,
            }
          : { kind: 'applied', failures: [], stoppedAt: shard === shardOf('b') ? 14 : null },
    });
    expect(shardOf('a')).not.toBe(shardOf('b'));
    expect(outcome).toMatchObject({
      failures: [{ offset: 10, error }],
      stoppedAt: 14,
      processed: 3,
    });
  });

  test('that could not be had are thrown: a shard that is blocked before one that crashed', async () => {
    const crashed: Routed = { kind: 'crashed', error };
    const blocked: Routed = { kind: 'blocked', reason: 'the output is full' };
    await expect(routed(lines, { answer: () => crashed })).rejects.toThrow(RoutedCrashError);
    const mixed = (shard: number) => (shard === shardOf('a') ? crashed : blocked);
    await expect(routed(lines, { answer: mixed })).rejects.toThrow('the output is full');
  });
});

describe('event time', () => {
  const windows: Routing = { ...routing, kind: 'window', time: 'time', skewMs: 500 };
  const at = (ms: number) => new Date(ms).toISOString();

  test('is told to every shard, as far as the partition has come', async () => {
    const lines = [line(10, { key: 'a', time: at(900) }), line(11, { key: 'a', time: at(700) })];
    const { batches } = await routed(lines, {}, windows);
    expect([...batches.keys()].toSorted()).toEqual([0, 1, 2, 3]);
    for (const { clock } of batches.values()) expect(clock).toEqual({ maxTimeMs: 900 });
    const empty = [...batches.values()].filter(({ keys }) => keys.length === 0);
    expect(empty.map(({ text }) => text)).toEqual(['', '', '']);
  });

  test('is not moved by what lies too far ahead of its append, has no time, or is run again', async () => {
    const lines = [
      line(10, { key: 'a', time: at(1_501) }),
      line(11, { key: 'a', time: at(1_500) }),
      line(12, { key: 'b', time: 'noon' }),
    ];
    const { batches } = await routed(lines, {}, windows);
    for (const { clock } of batches.values()) expect(clock).toEqual({ maxTimeMs: 1_500 });
    const again = await routed(lines, { redrive: true }, windows);
    for (const { clock } of again.batches.values()) expect(clock).toBeNull();
    const none = await routed(lines.slice(2), {}, windows);
    expect([...none.batches.values()].map(({ clock }) => clock)).toEqual([null]);
  });
});
