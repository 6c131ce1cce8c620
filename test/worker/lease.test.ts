// Leases and receipts: only what we signed, only as what it was signed, and only while it lasts.
import { describe, expect, test } from 'vitest';
import type { MapPlan } from '../../shared/mapreduce/task.ts';
import {
  claimsOf,
  type NewLease,
  openLease,
  openRange,
  openReceipt,
  packReceiptSections,
  signLease,
  signRange,
  signReceipt,
  unpackReceiptSections,
} from '../../worker/jobs/mapreduce/lease.ts';
import { signToken } from '../../worker/platform/token.ts';

const plan: MapPlan = {
  job: 'job_1',
  name: 'n',
  programHash: 'h',
  format: 'lines',
  gzip: false,
  partitions: 4,
  params: {},
  skipBadRecords: 0,
  csvHeader: null,
  nowMs: 0,
};
const lease: NewLease = {
  plan,
  task: { task: 3, split: { kind: 'bytes', start: 10, end: 20 } },
  attempt: 2,
  by: 'volunteer-1',
  expiresAtMs: 1000,
  input: { key: 'datasets/d/1', bytes: 99 },
};
const receipt = {
  job: 'job_1',
  task: 3,
  attempt: 2,
  digest: 'd'.repeat(64),
  storedBytes: 12,
  sections: packReceiptSections(Uint8Array.of(0, 255, 7)),
  trailer: {
    recordsIn: 1,
    bytesIn: 10,
    emitted: 1,
    recordsOut: 1,
    badRecords: 0,
    badRecordsListed: [],
    userCounters: {},
  },
};

describe('a lease', () => {
  test('says what its bearer may do', async () => {
    const claims = await openLease('secret', await signLease('secret', lease), 999);
    expect(claims).toMatchObject(claimsOf(lease));
    expect(claims?.input).toEqual({
      key: 'datasets/d/1',
      start: 10,
      end: 20,
      size: 99,
      align: 'lines',
    });
  });

  test('ends', async () => {
    const token = await signLease('secret', lease);
    expect(await openLease('secret', token, 1000)).toBeNull();
  });

  test('of another secret, changed, cut or made up is none', async () => {
    const token = await signLease('secret', lease);
    expect(await openLease('another', token, 0)).toBeNull();
    const [body = '', signature = ''] = token.split('.');
    const forged = btoa(atob(body).replace('"task":3', '"task":4')).replace(/=+$/, '');
    expect(forged).not.toBe(body);
    for (const text of [
      `${forged}.${signature}`,
      body,
      `${body}.`,
      `${token}.x`,
      '',
      '.',
      'é.é',
      `${body}.!`,
    ]) {
      expect(await openLease('secret', text, 0), text).toBeNull();
    }
    for (let i = 0; i < token.length; i += 7) {
      const changed = token.slice(0, i) + (token[i] === 'A' ? 'B' : 'A') + token.slice(i + 1);
      if (changed !== token) expect(await openLease('secret', changed, 0)).toBeNull();
    }
  });

  test.each([
    ['lines', false, 'lines'],
    ['ndjson', false, 'lines'],
    ['lines', true, 'none'],
    ['csv', false, 'none'],
    ['bytes', false, 'none'],
  ] as const)('of %s (gzip: %s) is aligned by %s', (format, gzip, align) => {
    expect(claimsOf({ ...lease, plan: { ...plan, format, gzip } }).input?.align).toBe(align);
  });

  test('of integers reads nothing', () => {
    const task = { task: 0, split: { kind: 'integers', from: 0, to: 9 } } as const;
    expect(claimsOf({ ...lease, task }).input).toBeNull();
  });
});

describe('a range', () => {
  test('is what was found for this attempt, and of no other', async () => {
    const claims = claimsOf(lease);
    const token = await signRange('secret', claims, { start: 12, end: 24 });
    expect(await openRange('secret', claims, token)).toEqual({ start: 12, end: 24 });
    for (const other of [{ job: 'job_2' }, { task: 4 }, { attempt: 3 }]) {
      expect(await openRange('secret', { ...claims, ...other }, token)).toBeNull();
    }
    expect(await openRange('another', claims, token)).toBeNull();
    expect(await openRange('secret', claims, await signLease('secret', lease))).toBeNull();
    expect(await openLease('secret', token, 0)).toBeNull();
    expect(await openReceipt('secret', token)).toBeNull();
  });
});

describe('a receipt', () => {
  test('is what was signed', async () => {
    const opened = await openReceipt('secret', await signReceipt('secret', receipt));
    expect(opened).toEqual(receipt);
    expect(opened && [...unpackReceiptSections(opened)]).toEqual([0, 255, 7]);
  });

  test('is no lease, and a lease no receipt', async () => {
    expect(await openReceipt('secret', await signLease('secret', lease))).toBeNull();
    expect(await openLease('secret', await signReceipt('secret', receipt), 0)).toBeNull();
    expect(await openReceipt('secret', await signToken('secret', 'receipt'))).toBeNull();
    expect(await openReceipt('secret', await signToken('secret', null))).toBeNull();
  });
});
