// What every shard keeps, in a real database: each statement, texts longer than a row, and what a change costs.
import { env, runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import type { Late } from '../../worker/processors/keyed/operator.ts';
import type { Outbox } from '../../worker/processors/keyed/outbox.ts';
import { type ShardRecord, ShardStore } from '../../worker/processors/keyed/shard.store.ts';
import type { ShardConfig } from '../../worker/contracts/shard.rpc.ts';

/** A store in the database of an object that is nothing else; opened again in each call. */
function withStore<Result>(name: string, work: (store: ShardStore) => Result): Promise<Result> {
  return runInDurableObject(env.WINDOWS.get(env.WINDOWS.idFromName(name)), (_, { storage }) =>
    work(new ShardStore(storage)),
  );
}

const record: ShardRecord = {
  applied: [7, 0],
  next: { output: 3, late: 1 },
  counters: { fired: 2 },
};
const outbox = (text: string): Outbox => ({
  version: 1,
  atMs: 5,
  outputs: { stream: 'out', first: 0, items: [{ source: 0, offset: 1, text }] },
  late: null,
  lost: [],
});

describe('a shard’s tables', () => {
  it('keep the record with what all of it cost, and write it only when it changed', async () => {
    const before = await withStore('record', (store) => {
      store.transaction(() => store.saveRecord(record));
      const { rowWritten } = store.operations;
      store.saveRecord(structuredClone(record));
      expect(store.operations.rowWritten).toBe(rowWritten);
      store.saveRecord({ ...record, applied: [8, 0] });
      expect(store.operations.rowWritten).toBe(rowWritten + 1);
      return rowWritten;
    });
    await withStore('record', (store) => {
      expect(store.loadRecord()).toEqual({ ...record, applied: [8, 0] });
      expect(store.operations.rowWritten).toBeGreaterThanOrEqual(before);
    });
  });

  it('keep an outbox of any size, and a shorter one after it', async () => {
    const text = JSON.stringify({ type: 'O', payload: '😀é'.repeat(700_000) });
    await withStore('outbox', (store) => store.saveOutbox(outbox(text)));
    await withStore('outbox', (store) => {
      expect(store.loadOutbox()).toEqual(outbox(text));
      store.saveOutbox(outbox('{}'));
      expect(store.loadOutbox()).toEqual(outbox('{}'));
      store.clearOutbox();
      expect(store.loadOutbox()).toBeNull();
    });
  });

  it('keep what was given up until it is settled', async () => {
    const failure = (offset: number) => ({
      offset,
      error: { code: 'program_threw' as const, message: `no "${offset}"` },
    });
    await withStore('given-up', (store) => {
      store.giveUp(1, [failure(3), failure(5)]);
      store.giveUp(0, [failure(3)]);
      store.giveUp(0, [failure(3)]);
    });
    await withStore('given-up', (store) => {
      expect(store.givenUp()).toHaveLength(3);
      store.settled(1, 5);
      expect(store.givenUp()).toEqual([
        { source: 0, ...failure(3) },
        { source: 1, ...failure(5) },
      ]);
    });
  });

  it('know which dead letters were run again', async () => {
    await withStore('redone', (store) => {
      store.redid(0, [1, 2, 3], 10);
      store.redid(1, [2], 10);
      expect(store.redoneAmong(0, [2, 3, 4])).toEqual(new Set([2, 3]));
      store.lost([
        { source: 0, offset: 2 },
        { source: 1, offset: 3 },
      ]);
      expect(store.redoneAmong(0, [1, 2, 3])).toEqual(new Set([1, 3]));
      expect(store.redoneAmong(1, [2])).toEqual(new Set([2]));
    });
  });

  it('keep late events in few rows', async () => {
    const sources = [{ stream: 's', uid: 'u', partition: 0 }];
    const late = (offset: number): Late => ({
      source: 0,
      offset,
      key: 'ä',
      line: JSON.stringify({ partition: 0, offset, type: 'T', payload: 'x'.repeat(400_000) }),
      reason: 'fired',
    });
    await withStore('late', (store) => {
      const { rowWritten } = store.operations;
      store.addLate(0, [late(1), late(2), late(3)], 7);
      expect(store.operations.rowWritten - rowWritten).toBe(2);
      expect(store.late(2, sources as ShardConfig['sources'])).toMatchObject([
        { event: { offset: 3 }, stream: 's', key: 'ä', reason: 'fired', at: expect.any(String) },
        { event: { offset: 2 } },
      ]);
    });
  });
});
