// One partition inside workerd: the real SQLite, R2, queue and alarms, evictions, and the object's own sizes. What
// it decides is held against a plain array in test/property/log.
import {
  env,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test';
import { describe, expect, it, vi } from 'vitest';
import { SEGMENT_BYTES } from '../../shared/limits.ts';
import { claimShard, claimShardOf, logObject } from '../../worker/stubs.ts';
import type { Append, LogConfig } from '../../worker/contracts/log.rpc.ts';
import { PartitionLog } from '../../worker/log/partition/partition.store.ts';
import type { LogPorts } from '../../worker/log/partition/ports.store.ts';

const batch = (ids: (string | null)[], more: Partial<Append> = {}, pad = 0): Append => ({
  text: ids
    .map((id, i) => JSON.stringify({ id: id ?? `made-${i}`, type: 'T', payload: 'ü'.repeat(pad) }))
    .join('\n'),
  count: ids.length,
  ids,
  claims: [],
  producer: null,
  request: null,
  ...more,
});

async function configured(uid: string, more: Partial<LogConfig> = {}) {
  const log = logObject(env, { uid, partition: 0 });
  await log.configure({ stream: 's', uid, partition: 0, retentionMs: 1e9, maxBytes: 1e9, ...more });
  return log;
}

const stubOf = (uid: string) => env.LOGS.get(env.LOGS.idFromName(`${uid}/0`));

/** Reads from `from` to the end, as a reader does: rows by RPC, segments from R2. */
async function readAll(
  log: Pick<PartitionLog, 'locate'> | ReturnType<typeof logObject>,
  from = 0,
  maxBytes = 1_000_000,
): Promise<string[]> {
  const lines: string[] = [];
  for (;;) {
    const at = from + lines.length;
    const located = await log.locate(at, 1_000, maxBytes);
    if (located.kind === 'rows') {
      lines.push(...located.chunks.flatMap(({ text }) => text.split('\n')));
    } else if (located.kind === 'segment') {
      const { key, start, end, first, count } = located.range;
      const object = await env.BUCKET.get(key, { range: { offset: start, length: end - start } });
      const text = (await object?.text()) ?? '';
      const own = text.split('\n').slice(0, -1);
      expect(own).toHaveLength(count);
      lines.push(...own.slice(at - first));
    } else {
      expect(located.kind).toBe('end');
      return lines;
    }
  }
}

describe('a partition', () => {
  it('that nobody configured is unknown, and has no tables', async () => {
    const log = logObject(env, { uid: 'nobody', partition: 0 });
    expect(await log.append(batch(['a']))).toEqual({ kind: 'unknown' });
    expect(await log.status()).toBeNull();
    const tables = await runInDurableObject(stubOf('nobody'), (_, { storage }) =>
      storage.sql
        .exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'")
        .toArray(),
    );
    expect(tables).toEqual([]);
  });

  it('drops duplicates by id, by sequence and by request, also after an eviction', async () => {
    const log = await configured('duplicates');
    const outcome = { kind: 'appended', duplicates: 0 };
    expect(await log.append(batch(['a', 'b', null]))).toEqual({
      ...outcome,
      accepted: 3,
      first: 0,
    });
    const produced = batch([null, null], { producer: { id: 'p', sequences: [4, 4] } });
    expect(await log.append(produced)).toEqual({ ...outcome, accepted: 2, first: 3 });
    const asked = batch([null, 'b', 'c'], { request: { key: 'k', piece: 2 } });
    const first = { kind: 'appended', accepted: 2, duplicates: 1, first: 5 };
    expect(await log.append(asked)).toEqual(first);
    await evictDurableObject(stubOf('duplicates'));
    expect(await log.append(batch(['c', 'd', 'd']))).toMatchObject({ accepted: 1, duplicates: 2 });
    expect(await log.append(produced)).toEqual({
      kind: 'appended',
      accepted: 0,
      duplicates: 2,
      first: null,
    });
    const later = batch([null, null], { producer: { id: 'p', sequences: [4, 5] } });
    expect(await log.append(later)).toMatchObject({ accepted: 1, duplicates: 1 });
    expect(await log.append(asked)).toEqual(first);
    const ids = (await readAll(log)).map((line) => {
      const { offset, id } = JSON.parse(line) as { offset: number; id: string };
      return `${offset}:${id}`;
    });
    expect(ids.join(' ')).toBe('0:a 1:b 2:made-2 3:made-0 4:made-1 5:made-0 6:c 7:d 8:made-1');
  });

  it('seals a full tail into R2, and reads the same from there', async () => {
    const log = await configured('sealing');
    const lines: string[] = [];
    for (let piece = 0; piece < 22; piece++) {
      const ids = Array.from({ length: 100 }, (_, i) => `${piece}-${i}`);
      const one = batch(ids, {}, 2_200);
      expect(await log.append(one)).toMatchObject({ accepted: 100 });
      for (const line of one.text.split('\n')) {
        lines.push(`{"partition":0,"offset":${lines.length},${line.slice(1)}`);
      }
    }
    await vi.waitFor(async () => expect((await log.status())?.segments).toBe(1));
    const status = await log.status();
    expect(status?.bytes).toBeGreaterThan(SEGMENT_BYTES);
    expect(status?.sealed).toBeGreaterThan(1_000);
    expect(await readAll(log)).toEqual(lines);
    await evictDurableObject(stubOf('sealing'));
    expect(await readAll(log, 1_234)).toEqual(lines.slice(1_234));
    expect(await log.append(batch(['3-7', '21-99']))).toMatchObject({ duplicates: 2 });
    const bytes = (from: number, to: number) =>
      new TextEncoder().encode(lines.slice(from, to).join('\n')).length + 1;
    expect(await log.measure(777, 1e6, bytes(777, 1_500) + 5)).toMatchObject({
      to: 1_500,
      events: 723,
      bytes: bytes(777, 1_500),
      full: 'bytes',
    });
    const pieces = await log.pin('job', 333, 2_100, 500_000);
    const texts = await Promise.all(
      pieces.map(async ({ key, start, end }) => {
        const object = await env.BUCKET.get(key, { range: { offset: start, length: end - start } });
        return object?.text();
      }),
    );
    expect(texts.join('')).toBe(
      lines
        .slice(333, 2_100)
        .map((line) => `${line}\n`)
        .join(''),
    );
    expect(pieces.length).toBeGreaterThan(8);
  });

  it('tells the claims what it holds, and lets go when it is deleted', async () => {
    const log = await configured('claims');
    const token = 'token-of-the-log-test';
    const shard = claimShard(env, claimShardOf(token));
    await env.BUCKET.put(`claims/${token}`, 'x');
    await shard.register([{ token, bytes: 1, sha256: '0'.repeat(64), contentType: 'text/plain' }]);
    const shardStub = env.CLAIMS.get(env.CLAIMS.idFromName(`claims-${claimShardOf(token)}`));
    const holders = () =>
      runInDurableObject(shardStub, (_, { storage }) =>
        JSON.stringify([...storage.sql.exec('SELECT * FROM holders')]),
      );
    await log.append(batch(['a'], { claims: [{ index: 0, token, bytes: 1 }] }));
    await vi.waitFor(async () => expect(await holders()).toContain('claims/0'));
    expect(await log.status()).toMatchObject({ claimEvents: 1, claimBytes: 1 });
    await log.delete();
    expect(await holders()).not.toContain('claims/0');
  });

  it('wakes its readers, and again after an eviction if they did not answer', async () => {
    const log = await configured('readers');
    const wakeUp = { kind: 'look', window: 'none', streamUid: 'readers', partition: 0 } as const;
    expect(await log.subscribe('r', wakeUp, 'latest')).toBe(0);
    await log.append(batch(['a']));
    const rung = async () => (await log.status())?.operations.queueOperation ?? 0;
    await vi.waitFor(async () => expect(await rung()).toBe(3));
    await log.append(batch(['b']));
    await evictDurableObject(stubOf('readers'));
    await runDurableObjectAlarm(stubOf('readers'));
    // Counted since the eviction: the first wake-up's count was not written yet.
    await vi.waitFor(async () => expect(await rung()).toBe(3));
    expect(await log.caughtUp('r', 1)).toBe(false);
    expect(await log.caughtUp('r', 2)).toBe(true);
  });

  it('forgets what is older than the retention, and says so', async () => {
    const log = await configured('retention', { retentionMs: 300 });
    await log.append(batch(['a', 'b']));
    await log.pin('h', 0, 2, 1_000);
    await log.unpin('h');
    await log.append(batch(['c']));
    await vi.waitFor(
      async () => expect(await log.locate(1, 1, 1)).toEqual({ kind: 'expired', first: 3, next: 3 }),
      { timeout: 5_000 },
    );
    await vi.waitFor(async () => {
      const { objects } = await env.BUCKET.list({ prefix: 'streams/retention/' });
      expect(objects).toEqual([]);
    });
    expect(await log.append(batch(['a']))).toMatchObject({ accepted: 1, first: 3 });
  });

  it('leaves nothing when it is deleted', async () => {
    const log = await configured('deleted');
    await log.append(batch(['a', 'b']));
    await log.pin('h', 0, 1, 1_000);
    const waiting = log.waitPast(2, 20_000);
    await log.delete();
    expect(await waiting).toBe(2);
    expect(await log.append(batch(['c']))).toEqual({ kind: 'unknown' });
    expect((await env.BUCKET.list({ prefix: 'streams/deleted/' })).objects).toEqual([]);
    await configured('deleted');
    expect(await log.append(batch(['a']))).toMatchObject({ accepted: 1, first: 0 });
  });
});

describe('the log on a real storage', () => {
  it('reads what was appended through seals, retention and restarts', async () => {
    await configured('small');
    await runInDurableObject(stubOf('small'), async (_, { storage }) => {
      let nowMs = 1e12;
      const ports: LogPorts = {
        storage,
        bucket: env.BUCKET,
        claims: { shardOf: () => 0, hold: async () => {}, release: async () => {} },
        ring: async () => {},
        later: (work) => void work,
        randomKey: () => [1, 2],
        now: () => nowMs,
      };
      const sizes = {
        segmentBytes: 900,
        segmentRows: 7,
        blockBytes: 150,
        rowBytes: 400,
        dedupIds: 50,
      };
      const open = () => new PartitionLog(ports, sizes);
      let log = open();
      log.configure({ stream: 's', uid: 'small', partition: 0, retentionMs: 3e5, maxBytes: 1e9 });
      const lines: string[] = [];
      let random = 12_345;
      const below = (n: number) => (random = (random * 48_271) % 2_147_483_647) % n;
      for (let turn = 0; turn < 70; turn++) {
        const one = batch(
          Array.from({ length: below(6) }, (_, i) => `${turn}-${i}`),
          {},
          below(150),
        );
        expect(log.append(one)).toMatchObject({ accepted: one.count });
        for (const line of one.count === 0 ? [] : one.text.split('\n')) {
          lines.push(`{"partition":0,"offset":${lines.length},${line.slice(1)}`);
        }
        await log.settled();
        nowMs += below(30_000);
        await log.work();
        if (below(5) === 0) log = open();
        const first = log.resolve('earliest');
        const from = first + below(lines.length - first + 1);
        expect(await readAll(log, from, 300 + below(3_000))).toEqual(lines.slice(from));
        const to = Math.min(lines.length, from + 1 + below(20));
        const measured = await log.measure(from, to - from, 1e9);
        const text = lines
          .slice(from, to)
          .map((line) => `${line}\n`)
          .join('');
        expect(measured).toMatchObject({ to, bytes: new TextEncoder().encode(text).length });
      }
      expect(log.resolve('earliest')).toBeGreaterThan(50);
    });
  });
});
