// Single cases of a partition's life that the comparison with an array does not reach.
import { describe, expect, test } from 'vitest';
import {
  WAKE_UP_AGAIN_MS,
  IDEMPOTENCY_MS,
  PINS_KEEP_MS,
  WAITERS_MAX,
} from '../../../shared/limits.ts';
import type { Append, LogConfig } from '../../../worker/contracts/log.rpc.ts';
import { LOG_SIZES } from '../../../worker/log/partition/ports.store.ts';
import { LogWorld } from './log-world.ts';

const SMALL = { segmentBytes: 400, segmentRows: 5, blockBytes: 100, rowBytes: 300, dedupIds: 1e6 };
const CONFIG: LogConfig = {
  stream: 's',
  uid: 'u',
  partition: 0,
  retentionMs: 1e9,
  maxBytes: 1e9,
};
const wakeUp = { kind: 'look', window: 'w', streamUid: 'u', partition: 0 } as const;

const batch = (ids: string[], more: Partial<Append> = {}): Append => ({
  text: ids.map((id) => JSON.stringify({ id, type: 'T' })).join('\n'),
  count: ids.length,
  ids,
  claims: [],
  producer: null,
  request: null,
  ...more,
});

function configured(sizes = SMALL, config = CONFIG): LogWorld {
  const world = new LogWorld(sizes);
  world.log.configure(config);
  return world;
}

describe('a partition that nobody configured', () => {
  test('is unknown, and stores nothing', async () => {
    const world = new LogWorld(SMALL);
    expect(world.log.append(batch(['a']))).toEqual({ kind: 'unknown' });
    expect(world.log.claimRequest('k', 'd')).toBe('unknown');
    expect(world.log.locate(0, 1, 1)).toEqual({ kind: 'unknown' });
    expect(world.log.status()).toBeNull();
    expect(world.log.caughtUp('r', 0)).toBe(true);
    expect(await world.log.waitPast(0, 1_000)).toBe(0);
    expect(() => world.log.subscribe('r', wakeUp, 'latest')).toThrow('does not exist');
    await expect(world.log.pin('h', 0, 1, 1)).rejects.toThrow('does not exist');
    await world.log.delete();
    expect(world.tables).toBe(0);
    expect(world.log.nextMs()).toBeNull();
  });
});

describe('a request', () => {
  test('is new once, the same with the same body, and a conflict with another', async () => {
    const world = configured();
    expect(world.log.claimRequest('k', 'digest')).toBe('new');
    world.restart();
    expect(world.log.claimRequest('k', 'digest')).toBe('same');
    expect(world.log.claimRequest('k', 'other')).toBe('conflict');
    await world.pass(IDEMPOTENCY_MS * 1.1);
    expect(world.rowCount('requests')).toBe(0);
    expect(world.log.claimRequest('k', 'other')).toBe('new');
  });
});

describe('a full partition', () => {
  test('refuses what is new, not what it has, and takes more when it may hold more', () => {
    const world = configured(SMALL, { ...CONFIG, maxBytes: 100 });
    expect(world.log.append(batch(['a', 'b', 'c']))).toMatchObject({ accepted: 3 });
    const bytes = world.log.status()?.bytes;
    expect(world.log.append(batch(['d']))).toEqual({ kind: 'full', bytes, maxBytes: 100 });
    expect(world.log.append(batch(['c']))).toMatchObject({ kind: 'appended', duplicates: 1 });
    world.log.configure({ ...CONFIG, maxBytes: 1_000 });
    // The refused event's id was not remembered.
    expect(world.log.append(batch(['d']))).toMatchObject({ accepted: 1, first: 3 });
  });
});

describe('ids', () => {
  test('are remembered for the youngest events, up to a bound', async () => {
    const world = configured({ ...SMALL, dedupIds: 20 });
    for (let i = 0; i < 60; i++) {
      world.log.append(batch([`id-${i}`]));
      await world.settle();
    }
    expect(world.log.append(batch(['id-59', 'id-50']))).toMatchObject({ duplicates: 2 });
    expect(world.log.append(batch(['id-0']))).toMatchObject({ accepted: 1 });
    world.restart();
    expect(world.log.append(batch(['id-59', 'id-50']))).toMatchObject({ duplicates: 2 });
    expect(world.log.append(batch(['id-1']))).toMatchObject({ accepted: 1 });
  });
});

describe('readers', () => {
  test('are rung once for many appends, and again after they have caught up', async () => {
    const world = configured();
    expect(world.log.subscribe('r', wakeUp, 'latest')).toBe(0);
    for (const id of ['a', 'b', 'c']) world.log.append(batch([id]));
    await world.settle();
    expect(world.wakeUps).toEqual([wakeUp]);
    expect(world.log.caughtUp('r', 2)).toBe(false);
    expect(world.log.caughtUp('r', 3)).toBe(true);
    world.log.append(batch(['d']));
    await world.settle();
    expect(world.wakeUps).toHaveLength(2);
    expect(world.log.status()?.operations.queueOperation).toBe(6);
  });

  test('whose wake-up is lost are rung again, also by a process that knows only the tables', async () => {
    const world = configured();
    world.log.subscribe('r', wakeUp, 'latest');
    world.down = true;
    world.log.append(batch(['a']));
    await world.settle();
    expect(world.wakeUps).toHaveLength(0);
    world.down = false;
    await world.pass(2_000);
    expect(world.wakeUps).toHaveLength(1);
    await world.pass(WAKE_UP_AGAIN_MS);
    expect(world.wakeUps).toHaveLength(2);
    world.restart();
    await world.pass(0);
    expect(world.wakeUps).toHaveLength(3);
    world.log.caughtUp('r', 1);
    // Places are written now and then; once they are, a restart rings nobody.
    await world.pass(20_000);
    world.restart();
    await world.pass(3600_000);
    expect(world.wakeUps).toHaveLength(3);
  });

  test('begin where they were first told to', () => {
    const world = configured();
    expect(world.log.subscribe('r', wakeUp, 'latest')).toBe(0);
    world.log.append(batch(['a', 'b']));
    world.restart();
    expect(world.log.subscribe('r', wakeUp, 'latest')).toBe(0);
    expect(world.log.subscribe('r', wakeUp, { offset: 2 })).toBe(2);
    expect(world.log.subscribe('other', wakeUp, 'latest')).toBe(2);
    world.log.unsubscribe('r');
    expect(world.log.subscribe('r', wakeUp, { offset: 9 })).toBe(2);
  });

  test('that are too many are told so, and the others go on waiting', async () => {
    const world = configured();
    const waiting = Array.from({ length: WAITERS_MAX }, () => world.log.waitPast(0, 60_000));
    expect(await world.log.waitPast(0, 60_000)).toBe('full');
    world.log.append(batch(['a']));
    expect(new Set(await Promise.all(waiting))).toEqual(new Set([1]));
  });

  test('that wait are woken by an append', async () => {
    const world = configured();
    const waiting = world.log.waitPast(0, 60_000);
    world.log.append(batch(['a']));
    expect(await waiting).toBe(1);
    expect(await world.log.waitPast(0, 60_000)).toBe(1);
  });
});

describe('what was pinned', () => {
  test('stays until it is unpinned, or its holder has forgotten it', async () => {
    const world = configured(SMALL, { ...CONFIG, retentionMs: 10_000 });
    world.log.append(batch(['a', 'b', 'c']));
    const pieces = await world.log.pin('h', 1, 3, 1e6);
    expect(pieces).toEqual([
      { key: 'streams/u/0/0', start: expect.any(Number), end: expect.any(Number), events: 2 },
    ]);
    world.log.append(batch(['d']));
    await world.pass(100_000);
    expect(world.log.status()).toMatchObject({ first: 0, next: 4 });
    world.restart();
    await world.pass(PINS_KEEP_MS);
    expect(world.log.status()).toMatchObject({ first: 4, next: 4, bytes: 0 });
    expect(world.log.locate(2, 1, 1)).toEqual({ kind: 'expired', first: 4, next: 4 });
    expect(world.objects.size).toBe(0);
    expect(await world.log.pin('h', 1, 3, 1e6)).toEqual([]);
  });
});

describe('a tail', () => {
  test('that is old and not small is sealed; a small one stays', async () => {
    const world = configured({ ...LOG_SIZES });
    world.log.append(batch(['small']));
    await world.pass(5 * 3600_000);
    expect(world.log.status()).toMatchObject({ segments: 0 });
    world.log.append({ ...batch(['large']), text: JSON.stringify({ id: 'x'.repeat(200_000) }) });
    await world.pass(1);
    expect(world.log.status()).toMatchObject({ segments: 1, sealed: 2 });
  });
});

describe('a deleted partition', () => {
  test('is unknown at once, and leaves nothing behind', async () => {
    const world = configured();
    for (let i = 0; i < 30; i++) {
      world.log.append(batch([`${i}`], { claims: [{ index: 0, token: `t${i}`, bytes: 1 }] }));
      await world.settle();
    }
    expect(world.objects.size).toBeGreaterThan(2);
    expect(world.holders.get('t29')?.size).toBe(1);
    const waiting = world.log.waitPast(30, 60_000);
    world.down = true;
    expect(await world.log.delete()).toBe(false);
    expect(await waiting).toBe(30);
    expect(world.log.append(batch(['a']))).toEqual({ kind: 'unknown' });
    expect(world.log.status()).toBeNull();
    world.restart();
    expect(world.log.append(batch(['a']))).toEqual({ kind: 'unknown' });
    expect(world.log.swept).toBe(false);
    world.down = false;
    await world.pass(60_000);
    expect(world.log.swept).toBe(true);
    expect(world.objects.size).toBe(0);
    expect([...world.holders.values()].flatMap((holders) => [...holders])).toEqual([]);
  });
});

describe('counts', () => {
  test('are written now and then, and survive a restart', async () => {
    const world = configured();
    world.log.called();
    world.log.append(batch(['a', 'a']));
    await world.pass(20_000);
    const before = world.log.status();
    expect(before?.operations.durableObjectRequest).toBe(1);
    expect(before?.operations.rowWritten).toBeGreaterThanOrEqual(2);
    world.restart();
    const after = world.log.status();
    expect(after?.duplicates).toBe(1);
    expect(after?.operations.durableObjectRequest).toBe(1);
    expect(after?.operations.rowWritten).toBeGreaterThanOrEqual(2);
  });
});
