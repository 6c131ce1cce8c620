// A StateObject with its code in a real isolate: what it keeps through evictions, what it forgets, what it shows.
import {
  env,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test';
import { describe, expect, it, vi } from 'vitest';
import { STATE_KEY_MAX_BYTES, STATE_MAX_BYTES } from '../../shared/limits.ts';
import type { StateEntry } from '../../shared/schemas/processor.ts';
import { type RoutedBatch, type ShardConfig, shardName } from '../../worker/contracts/shard.rpc.ts';
import { stateObject } from '../../worker/stubs.ts';
import { storeProgram } from '../../worker/isolates/processor-program.edge.ts';

const orders = (items: { order: string | number }[]) => items.map(({ order }) => order);

let shards = 0;

const COUNTER = `
  export function process(event, state, ctx) {
    const { deed, say, expire } = event.payload;
    if (deed === 'throw') throw new Error('no');
    if (expire) ctx.expire(expire);
    if (deed === 'forget') return null;
    if (deed === 'leave') return undefined;
    if (deed === 'grow') return { count: 1, filling: 'x'.repeat(event.payload.bytes) };
    return { count: (state?.count ?? 0) + 1, ...(say && { say }) };
  }
`;

async function newStore(code: string, ttlMs: number | null = null) {
  const { key, hash } = await storeProgram(env, code, { kind: 'stateful' });
  const ref = { processor: 'p', processorUid: `processor_${++shards}`, generation: 1, shard: 0 };
  const config: ShardConfig = {
    ref,
    work: { kind: 'stateful', ttlMs },
    version: 1,
    programKey: key,
    programHash: hash,
    guard: true,
    output: null,
    late: null,
    services: {},
    params: {},
    retry: { maxAttempts: 3, baseMs: 1, maxMs: 1 },
    paused: false,
    sources: [{ stream: 's', uid: 'stream_1', partition: 0 }],
  };
  const store = stateObject(env, ref);
  await store.configure(config);
  return { store, config, stub: env.STATES.get(env.STATES.idFromName(shardName(ref))) };
}

interface Deed {
  key: string;
  deed?: string;
  say?: string;
  expire?: number;
  bytes?: number;
}

function batchOf(first: number, deeds: Deed[], more: Partial<RoutedBatch> = {}): RoutedBatch {
  const lines = deeds.map(({ key, ...payload }, i) =>
    JSON.stringify({
      partition: 0,
      offset: first + i,
      id: `e${first + i}`,
      type: 'T',
      key,
      time: '2026-01-01T00:00:00.000Z',
      payload,
    }),
  );
  return {
    source: 0,
    text: lines.join('\n'),
    keys: deeds.map(({ key }) => key),
    appendedAt: [],
    attempt: 1,
    final: false,
    redrive: false,
    clock: null,
    settled: 0,
    ...more,
  };
}

const APPLIED = { kind: 'applied', failures: [], stoppedAt: null };

describe('a StateObject', () => {
  it('folds, keeps its states through an eviction, and drops what comes twice', async () => {
    const { store, stub } = await newStore(COUNTER);
    const first = batchOf(0, [{ key: 'a' }, { key: 'b' }, { key: 'a', say: 'hello' }]);
    expect(await store.apply(first)).toEqual(APPLIED);
    await evictDurableObject(stub);
    expect(await store.apply(first)).toEqual(APPLIED);
    expect(await store.apply(batchOf(2, [{ key: 'a' }, { key: 'b' }, { key: 'c' }]))).toEqual(
      APPLIED,
    );
    expect(await store.state('a')).toMatchObject({
      state: '{"count":2,"say":"hello"}',
      expiresAtMs: null,
    });
    expect(await store.state('b')).toMatchObject({ state: '{"count":2}', bytes: 11 });
    expect(await store.status()).toMatchObject({ keys: 3, bytes: 47, applied: [5], reason: '' });
    expect(await store.state('absent')).toBeNull();
  });

  it('takes a state of 1 MiB under a key of 2 KiB, and no larger one', async () => {
    const { store, stub } = await newStore(COUNTER);
    const key = 'ü'.repeat(STATE_KEY_MAX_BYTES / 2);
    const bytes = STATE_MAX_BYTES - JSON.stringify({ count: 1, filling: '' }).length;
    expect(await store.apply(batchOf(0, [{ key, deed: 'grow', bytes }]))).toEqual(APPLIED);
    const tooLarge = batchOf(1, [{ key, deed: 'grow', bytes: bytes + 1 }], { final: true });
    expect(await store.apply(tooLarge)).toMatchObject({
      kind: 'applied',
      failures: [{ offset: 1 }],
    });
    await evictDurableObject(stub);
    expect(await store.state(key)).toMatchObject({ bytes: STATE_MAX_BYTES });
    expect((await store.states(null, 'ü', 10, false)).items).toMatchObject([
      { order: key, item: { state: null, bytes: STATE_MAX_BYTES } },
    ]);
    const [entry] = (await store.states(null, '', 10, true)).items;
    expect((entry?.item as StateEntry).state).toMatchObject({ count: 1 });
    // Read, changed and written again.
    expect(await store.apply(batchOf(2, [{ key }]))).toEqual(APPLIED);
    expect(await store.state(key)).toMatchObject({ state: '{"count":2}' });
    expect(await store.status()).toMatchObject({ keys: 1, bytes: 11 });
  });

  it('runs many large states a few at a time', async () => {
    const { store } = await newStore(COUNTER);
    const bytes = STATE_MAX_BYTES - 100;
    const keys = Array.from({ length: 24 }, (_, i) => `k${i}`);
    let next = 0;
    let calls = 0;
    while (next < keys.length) {
      const deeds = keys.slice(next).map((key) => ({ key, deed: 'grow', bytes }));
      const applied = await store.apply(batchOf(next, deeds));
      if (applied.kind !== 'applied') throw new Error(JSON.stringify(applied));
      next = applied.stoppedAt ?? keys.length;
      calls++;
    }
    expect(calls).toBeLessThan(keys.length);
    const again = await store.apply(
      batchOf(
        next,
        keys.map((key) => ({ key })),
      ),
    );
    expect(again).toMatchObject({ kind: 'applied', failures: [] });
    const { stoppedAt } = again as { stoppedAt: number };
    expect(stoppedAt).toBeGreaterThan(next);
    expect(stoppedAt).toBeLessThan(next + keys.length);
    expect(await store.status()).toMatchObject({ keys: 24, applied: [stoppedAt] });
  });

  it('applies what comes before a failure, and what comes after one that is final', async () => {
    const { store } = await newStore(COUNTER);
    const deeds = [{ key: 'a' }, { key: 'a', deed: 'throw' }, { key: 'a' }];
    const failure = { offset: 1, error: { code: 'program_threw', message: 'Error: no' } };
    expect(await store.apply(batchOf(0, deeds))).toMatchObject({ failures: [failure] });
    expect(await store.status()).toMatchObject({ applied: [1] });
    expect(await store.apply(batchOf(1, deeds.slice(1), { final: true }))).toMatchObject({
      failures: [failure],
    });
    expect(await store.state('a')).toMatchObject({ state: '{"count":2}' });
    // A dead letter that is run again, twice.
    const redriven = batchOf(1, [{ key: 'a', say: 'again' }], { redrive: true, final: true });
    expect(await store.apply(redriven)).toEqual(APPLIED);
    expect(await store.apply(redriven)).toEqual(APPLIED);
    expect(await store.state('a')).toMatchObject({ state: '{"count":3,"say":"again"}' });
  });

  it('forgets what was not written for its time to live, at once for readers, then for good', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    try {
      const { store, stub } = await newStore(COUNTER, 10_000);
      const deeds = [
        { key: 'a' },
        { key: 'b', expire: 60_000 },
        { key: 'c' },
        { key: 'd', deed: 'forget' },
      ];
      await store.apply(batchOf(0, deeds));
      const a = await store.state('a');
      expect((a?.expiresAtMs ?? 0) - (a?.changedAtMs ?? 0)).toBe(10_000);
      vi.setSystemTime(Date.now() + 9_000);
      // Neither a look nor code that leaves it as it is makes it live longer; a write does.
      await store.apply(batchOf(4, [{ key: 'a', deed: 'leave' }, { key: 'c' }]));
      vi.setSystemTime(Date.now() + 1_000);
      expect(await store.state('a')).toBeNull();
      expect(orders((await store.states(null, '', 10, false)).items)).toEqual(['b', 'c']);
      await store.apply(batchOf(6, [{ key: 'a' }, { key: 'b' }]));
      expect(await store.state('a')).toMatchObject({ state: '{"count":1}' });
      // What a key said for itself still holds.
      const b = await store.state('b');
      expect((b?.expiresAtMs ?? 0) - (b?.changedAtMs ?? 0)).toBe(60_000);
      expect(await store.status()).toMatchObject({ keys: 3, counters: { forgotten: 1 } });
      await evictDurableObject(stub);
      vi.setSystemTime(Date.now() + 30_000);
      expect(await store.status()).toMatchObject({ keys: 3 });
      await runDurableObjectAlarm(stub);
      expect(await store.status()).toMatchObject({ keys: 1, counters: { forgotten: 3 } });
      vi.setSystemTime(Date.now() + 60_000);
      await runDurableObjectAlarm(stub);
      expect(await store.status()).toMatchObject({ keys: 0, bytes: 0, counters: { forgotten: 4 } });
    } finally {
      vi.useRealTimers();
    }
  });

  it('knows nothing before it is configured, and nothing after it was forgotten', async () => {
    const nobody = stateObject(env, { processor: 'p', processorUid: 'x', generation: 1, shard: 0 });
    expect(await nobody.state('a')).toBeNull();
    expect(await nobody.status()).toBeNull();
    const { store, stub } = await newStore(COUNTER);
    await store.apply(batchOf(0, [{ key: 'a' }]));
    await store.delete();
    expect(await store.state('a')).toBeNull();
    expect(await store.states(null, '', 10, true)).toEqual({ items: [], more: false });
    expect(await store.apply(batchOf(0, [{ key: 'a' }]))).toMatchObject({ kind: 'blocked' });
    const tables = await runInDurableObject(stub, (_, { storage }) =>
      storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'states'").toArray(),
    );
    expect(tables).toEqual([]);
  });
});
