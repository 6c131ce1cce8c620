// One shard, call by call: what it answers, what it keeps, and what its clock does.
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, test } from 'vitest';
import { LATE_KEPT, REDONE_KEPT_MS, REDONE_MAX } from '../../../shared/limits.ts';
import {
  type Arrivals,
  type Change,
  type Late,
  NO_CHANGE,
  type Operator,
} from '../../../worker/processors/keyed/operator.ts';
import type { RoutedBatch, ShardConfig } from '../../../worker/contracts/shard.rpc.ts';
import { Shard } from '../../../worker/processors/keyed/shard.ts';
import { ShardStore } from '../../../worker/processors/keyed/shard.store.ts';
import type { Letter } from '../../../worker/contracts/consumer.rpc.ts';
import type { OutputEvents } from '../../../worker/outputs/effects.ts';
import { sqliteStorage } from '../log/sqlite-storage.ts';

const error = { code: 'program_threw' as const, message: 'no' };

const config: ShardConfig = {
  ref: { processor: 'p', processorUid: 'processor_12345678', generation: 1, shard: 0 },
  work: { kind: 'stateful', ttlMs: null },
  version: 1,
  programKey: 'k',
  programHash: 'h',
  guard: false,
  output: 'out',
  late: null,
  services: {},
  params: {},
  retry: { maxAttempts: 3, baseMs: 0, maxMs: 0 },
  paused: false,
  sources: [0, 1].map((partition) => ({ stream: 's', uid: 's_1', partition })),
};

const batch = (offsets: number[], more: Partial<RoutedBatch> = {}): RoutedBatch => ({
  source: 0,
  text: offsets.map((offset) => `{"partition":0,"offset":${offset},"id":"${offset}"}`).join('\n'),
  keys: offsets.map(() => 'key'),
  appendedAt: [],
  attempt: 1,
  final: false,
  redrive: false,
  clock: null,
  settled: 0,
  ...more,
});

class Crash extends Error {}

/** What the operator is to do next, and what it was asked. */
let apply: (arrivals: Arrivals) => Change;
let due: (nowMs: number, drain: boolean) => Change | null;
let dueAtMs: number | null;
let asked: { offsets: number[]; clock: number | null }[];
let full: Error | null;
let appended: string[];
let deadLetters: Letter[];
let alarmMs: number | null;
let nowMs: number;
let db: DatabaseSync;
let shard: Shard;

const operator: Operator = {
  apply: async (arrivals) => {
    asked.push({
      offsets: arrivals.events.map(({ offset }) => offset),
      clock: arrivals.clock?.maxTimeMs ?? null,
    });
    return apply(arrivals);
  },
  rested: () => undefined,
  due: async (atMs, drain) => {
    const change = due(atMs, drain);
    return change && { ...change, ended: 1 };
  },
  dueAtMs: () => dueAtMs,
  keys: () => 0,
  bytes: () => 0,
};

function open(): Shard {
  const store = new ShardStore(sqliteStorage(db, () => undefined));
  return new Shard(store, () => operator, {
    nowMs: () => nowMs,
    random: () => 0.5,
    append: async (_: string, { ids }: OutputEvents) => {
      if (full) throw full;
      appended.push(...ids);
      return { accepted: ids.length, duplicates: 0 };
    },
    addDeadLetters: async (_, letters) => {
      deadLetters.push(...letters);
      return null;
    },
    wake: (atMs) => (alarmMs = Math.min(alarmMs ?? Infinity, atMs)),
    crashOf: (thrown) => (thrown instanceof Crash ? error : null),
  });
}

async function alarm(): Promise<void> {
  nowMs = Math.max(nowMs, alarmMs ?? nowMs);
  alarmMs = null;
  await shard.woken();
}

beforeEach(async () => {
  apply = ({ events }) => ({
    ...NO_CHANGE,
    outputs: events.map(({ offset }) => ({ source: 0, offset, text: '{"type":"O"}' })),
  });
  due = () => null;
  [dueAtMs, asked, full, appended, deadLetters, alarmMs, nowMs] = [
    null,
    [],
    null,
    [],
    [],
    null,
    1_000,
  ];
  db = new DatabaseSync(':memory:');
  shard = open();
  await shard.configure(config);
});

const rows = (table: string) => Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);
const applied = { kind: 'applied', failures: [], stoppedAt: null };

describe('a batch', () => {
  test('is applied once, also after a restart and with others before and behind', async () => {
    expect(await shard.apply(batch([1, 4]))).toEqual(applied);
    shard = open();
    expect(await shard.apply(batch([1, 4, 6]))).toEqual(applied);
    expect(asked.map(({ offsets }) => offsets)).toEqual([[1, 4], [6]]);
    expect(shard.status()).toMatchObject({ applied: [7, 0], counters: { emitted: 3 } });
    expect(new Set(appended).size).toBe(3);
  });

  test('is too late when its consumer is past it', async () => {
    await shard.apply(batch([], { settled: 9 }));
    await shard.apply(batch([7, 8]));
    expect(asked).toEqual([]);
  });

  test('of nothing but time moves the clock, and writes nothing of the shard’s', async () => {
    const before = rows('shard_texts');
    await shard.apply(batch([], { clock: { maxTimeMs: 5 } }));
    expect(asked).toEqual([{ offsets: [], clock: 5 }]);
    expect(rows('shard_texts')).toBe(before);
  });

  test('before it is configured is not lost', async () => {
    db = new DatabaseSync(':memory:');
    expect(await open().apply(batch([1]))).toMatchObject({ kind: 'blocked' });
  });
});

describe('an event that fails', () => {
  const failing =
    (...bad: number[]) =>
    ({ events, final }: Arrivals): Change => {
      const failures = events
        .filter(({ offset }) => bad.includes(offset))
        .map(({ offset }) => ({ offset, error }));
      return { ...NO_CHANGE, failures: final ? failures : failures.slice(0, 1) };
    };

  test('ends the batch: what comes before it is in, and event time waits', async () => {
    apply = failing(4, 6);
    const answer = await shard.apply(batch([1, 4, 6], { clock: { maxTimeMs: 9 } }));
    expect(answer).toEqual({ ...applied, failures: [{ offset: 4, error }] });
    expect(asked.at(-1)).toEqual({ offsets: [1], clock: null });
    expect(shard.status()?.applied[0]).toBe(4);
  });

  test('in the last attempt is given up, and said again until its consumer knows', async () => {
    apply = failing(4, 6);
    const failures = [4, 6].map((offset) => ({ offset, error }));
    const last = batch([1, 4, 6, 8], { final: true });
    expect(await shard.apply(last)).toEqual({ ...applied, failures });
    shard = open();
    expect(await shard.apply(last)).toEqual({ ...applied, failures });
    await shard.apply(batch([9], { settled: 5 }));
    expect(await shard.apply(last)).toEqual({ ...applied, failures: failures.slice(1) });
    await shard.apply(batch([10], { settled: 9 }));
    expect(rows('shard_given_up')).toBe(0);
  });

  test('by what it emits fails like any other', async () => {
    apply = ({ events }) => ({
      ...NO_CHANGE,
      outputs: events.map(({ offset }) => ({
        source: 0,
        offset,
        text: offset === 4 ? '{}' : '{"type":"O"}',
      })),
    });
    expect(await shard.apply(batch([1, 4, 6]))).toMatchObject({ failures: [{ offset: 4 }] });
    const last = await shard.apply(batch([4, 6], { final: true }));
    expect(last).toMatchObject({ failures: [{ offset: 4, error: { code: 'bad_value' } }] });
    expect(asked.at(-1)?.offsets).toEqual([6]);
    expect(appended).toHaveLength(2);
  });

  test('when it kills its isolate alone is known; among others it is not', async () => {
    apply = () => {
      throw new Crash();
    };
    expect(await shard.apply(batch([1, 4]))).toEqual({ kind: 'crashed', error });
    expect(await shard.apply(batch([1]))).toEqual({ ...applied, failures: [{ offset: 1, error }] });
    expect(shard.status()?.applied[0]).toBe(1);
    await shard.apply(batch([1], { final: true }));
    expect(shard.status()?.applied[0]).toBe(2);
    expect(await shard.apply(batch([1]))).toMatchObject({ failures: [{ offset: 1 }] });
  });

  test('for want of a program is nobody’s fault', async () => {
    apply = () => {
      throw new Error('the program cannot be read');
    };
    const reason = 'the program cannot be read';
    expect(await shard.apply(batch([1], { final: true }))).toEqual({ kind: 'blocked', reason });
    expect(shard.status()?.applied[0]).toBe(0);
  });
});

describe('what is owed', () => {
  test('blocks until it is paid, by the clock if by nothing else', async () => {
    full = new Error('the output is full');
    expect(await shard.apply(batch([1]))).toMatchObject({ kind: 'blocked' });
    expect(await shard.apply(batch([1, 4]))).toMatchObject({ kind: 'blocked' });
    expect(asked).toHaveLength(1);
    expect(shard.status()?.reason).toBe('the output is full');
    await alarm();
    expect(alarmMs).toBeGreaterThan(nowMs);
    full = null;
    await alarm();
    expect(appended).toHaveLength(1);
    expect(shard.status()?.reason).toBe('');
    expect(await shard.apply(batch([1, 4]))).toEqual(applied);
    expect(asked.at(-1)?.offsets).toEqual([4]);
  });

  test('is paid by whoever comes after a crash, also while paused', async () => {
    full = new Error('down');
    await shard.apply(batch([1]));
    full = null;
    alarmMs = null;
    shard = open();
    expect(alarmMs).toBe(nowMs);
    await shard.configure({ ...config, paused: true });
    await alarm();
    expect(appended).toHaveLength(1);
  });

  test('goes nowhere when the operator has no output', async () => {
    await shard.configure({ ...config, output: null });
    expect(await shard.apply(batch([1], { final: true }))).toMatchObject({
      failures: [{ offset: 1, error: { message: expect.stringContaining('`output`') } }],
    });
    due = () => ({ ...NO_CHANGE, outputs: [{ source: 0, offset: 1, text: '{"type":"O"}' }] });
    let left = 3;
    const emits = due;
    due = (atMs, drain) => (left-- > 0 ? emits(atMs, drain) : null);
    expect(await shard.drain()).toBe(3);
    expect(shard.status()?.counters.refused).toBe(3);
    expect(appended).toEqual([]);
  });
});

describe('the clock', () => {
  const ending = () => {
    let left = 5;
    due = (atMs, drain) => {
      if (left === 0 || (!drain && (dueAtMs ?? Infinity) > atMs)) return null;
      const lost = [{ source: 1, offset: --left, line: '{}', error, attempts: 1 }];
      return {
        ...NO_CHANGE,
        lost,
        write: () => {
          if (left === 0) dueAtMs = null;
        },
      };
    };
    dueAtMs = 5_000;
  };

  test('ends what is due, and wakes for what will be', async () => {
    ending();
    await shard.apply(batch([1]));
    expect(alarmMs).toBe(5_000);
    await alarm();
    expect(deadLetters.map(({ offset }) => offset)).toEqual([4, 3, 2, 1, 0]);
    expect(deadLetters[0]).toMatchObject({ id: 's:1:4', attempts: 1, atMs: 5_000 });
    expect(alarmMs).toBeNull();
  });

  test('stands still while the shard is paused', async () => {
    ending();
    await shard.configure({ ...config, paused: true });
    nowMs = 9_000;
    await shard.woken();
    expect(await shard.drain()).toBe(0);
    expect(deadLetters).toEqual([]);
    await shard.configure(config);
    expect(alarmMs).toBe(9_000);
  });

  test('does not matter to draining', async () => {
    ending();
    expect(await shard.drain()).toBe(5);
    expect(await shard.drain()).toBe(0);
  });

  test('that does not get on waits longer and longer, and says why', async () => {
    dueAtMs = 0;
    due = () => {
      throw new Error('the program does not load');
    };
    await shard.apply(batch([1]));
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      await alarm();
      waits.push((alarmMs ?? 0) - nowMs);
    }
    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    expect(new Set(waits).size).toBe(4);
    expect(shard.status()?.reason).toBe('the program does not load');
  });

  test('does not run wild when what is due stays', async () => {
    dueAtMs = 0;
    await shard.apply(batch([1]));
    await alarm();
    expect(alarmMs).toBeGreaterThan(nowMs);
  });
});

describe('late events', () => {
  test('are kept, the newest of them, the newest first', async () => {
    const late = (offset: number): Late => {
      const line = JSON.stringify({ partition: 0, offset, id: `${offset}` });
      return { source: 1, offset, key: 'k', line, reason: 'closed' };
    };
    for (let at = 0; at < LATE_KEPT + 300; at += 100) {
      apply = () => ({ ...NO_CHANGE, late: Array.from({ length: 100 }, (_, i) => late(at + i)) });
      await shard.apply(batch([at]));
    }
    shard = open();
    const newest = shard.late(2);
    expect(newest.map(({ event }) => event.offset)).toEqual([LATE_KEPT + 299, LATE_KEPT + 298]);
    expect(newest[0]).toMatchObject({ stream: 's', key: 'k', reason: 'closed' });
    expect(shard.late(10_000)).toHaveLength(LATE_KEPT);
    expect(shard.status()?.counters.late).toBe(LATE_KEPT + 300);
  });
});

describe('a dead letter', () => {
  const again = (offsets: number[]) => batch(offsets, { redrive: true, final: true });

  test('is run again once, unless it is lost again', async () => {
    await shard.apply(batch([9]));
    expect(await shard.apply(again([3]))).toEqual(applied);
    expect(await shard.apply(again([3]))).toEqual(applied);
    expect(asked.map(({ offsets }) => offsets)).toEqual([[9], [3]]);
    apply = () => ({
      ...NO_CHANGE,
      lost: [{ source: 0, offset: 3, line: '{}', error, attempts: 1 }],
    });
    await shard.apply(batch([10]));
    await shard.apply(again([3]));
    expect(asked.at(-1)?.offsets).toEqual([3]);
  });

  test('that fails again may be run again', async () => {
    apply = ({ events }) => ({
      ...NO_CHANGE,
      failures: events.map(({ offset }) => ({ offset, error })),
    });
    expect(await shard.apply(again([3]))).toMatchObject({ failures: [{ offset: 3 }] });
    expect(await shard.apply(again([3]))).toMatchObject({ failures: [{ offset: 3 }] });
    expect(asked).toHaveLength(2);
    expect(rows('shard_given_up')).toBe(0);
  });

  test('is remembered for a time, and of many the youngest', () => {
    const store = new ShardStore(sqliteStorage(db, () => undefined));
    const offsets = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => from + i);
    store.redid(0, offsets(0, 1_000), 1);
    store.redid(0, offsets(1_000, REDONE_MAX - 1_000), 2);
    expect(rows('shard_redone')).toBe(REDONE_MAX);
    store.redid(0, [REDONE_MAX], 3);
    expect(rows('shard_redone')).toBeLessThan(REDONE_MAX);
    expect(store.redoneAmong(0, [5, REDONE_MAX, REDONE_MAX + 1])).toEqual(new Set([REDONE_MAX]));
    store.redoneForgotten(REDONE_KEPT_MS + 3);
    expect(rows('shard_redone')).toBe(1);
  });
});
