// The data plane of a lease: a split is aligned to records once, when its input is read, and R2 is asked no more
// often than that takes.
import { createExecutionContext, env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { SpillWriter } from '../../shared/mapreduce/spill.ts';
import { DIGEST_HEADER, INPUT_START_HEADER, RANGE_HEADER } from '../../shared/protocol.ts';
import { app } from '../../worker/app.ts';
import { type NewLease, openReceipt, signLease } from '../../worker/jobs/mapreduce/lease.ts';
import { meterBucket } from '../../worker/platform/bindings.edge.ts';
import { leaseSecret } from '../../worker/catalog/lease-secret.edge.ts';
import { ORIGIN, problemOf } from './rest.ts';

const KEY = 'inline/lease-data';
const TEXT = 'first\nsecond\nthird\nfourth\n';
/** Raw, it begins in "second" and ends in "fourth": the records that begin in it are the third and the fourth. */
const SPLIT = { kind: 'bytes', start: 8, end: 22 } as const;
const RECORDS = 'third\nfourth\n';

const leaseOf = (attempt: number, job = 'job_lease_data'): NewLease => ({
  plan: {
    job,
    name: 'n',
    programHash: 'h',
    format: 'lines',
    gzip: false,
    partitions: 2,
    params: {},
    skipBadRecords: 0,
    csvHeader: null,
    nowMs: 0,
  },
  task: { task: 0, split: SPLIT },
  attempt,
  by: 'volunteer-1',
  expiresAtMs: Date.now() + 60_000,
  input: { key: KEY, bytes: TEXT.length },
});

function spillThatRead(bytesIn: number) {
  const writer = new SpillWriter(2);
  return writer.finish({
    recordsIn: 2,
    bytesIn,
    emitted: 0,
    recordsOut: 0,
    badRecords: 0,
    badRecordsListed: [],
    userCounters: {},
  });
}

/** What a request costs in R2. */
async function metered(path: string, init?: RequestInit) {
  const counts = { r2Read: 0, r2Write: 0 };
  const bindings = { ...env, BUCKET: meterBucket(env.BUCKET, counts) };
  const request = new Request(`${ORIGIN}/api/leases/${path}`, init);
  const response = await app.fetch(request, bindings, createExecutionContext());
  return {
    response,
    body: new TextDecoder().decode(await response.clone().arrayBuffer()),
    reads: counts.r2Read,
  };
}

async function upload(lease: string, bytesIn: number, range: string | null) {
  const { spill, digest } = spillThatRead(bytesIn);
  const headers = {
    [DIGEST_HEADER]: digest,
    'content-length': String(spill.length),
    ...(range !== null && { [RANGE_HEADER]: range }),
  };
  return metered(`${lease}/output`, { method: 'PUT', headers, body: spill });
}

async function newLease(attempt: number): Promise<string> {
  await env.BUCKET.put(KEY, TEXT);
  return signLease(await leaseSecret(env), leaseOf(attempt));
}

async function rangeOf(lease: string): Promise<string> {
  return (await metered(`${lease}/input`)).response.headers.get(RANGE_HEADER) ?? '';
}

describe('a split is aligned', () => {
  it('once: two probes and one read for the input, none for the upload', async () => {
    const lease = await newLease(1);
    const input = await metered(`${lease}/input`);
    expect(input.body).toBe(RECORDS);
    expect(input.response.headers.get(INPUT_START_HEADER)).toBe(String(TEXT.indexOf(RECORDS)));
    expect(input.reads).toBe(3);
    const range = input.response.headers.get(RANGE_HEADER);
    const output = await upload(lease, RECORDS.length, range);
    expect(output.response.status).toBe(200);
    expect(output.reads).toBe(0);
    const { receipt } = JSON.parse(output.body) as { receipt: string };
    const opened = await openReceipt(await leaseSecret(env), receipt);
    expect(opened?.trailer.bytesIn).toBe(RECORDS.length);
  });

  it('again for an upload that does not say where its records were', async () => {
    const output = await upload(await newLease(2), RECORDS.length, null);
    expect([output.response.status, output.reads]).toEqual([200, 2]);
  });

  it('never by the word of a mapper: what is forged, or of another attempt, is not believed', async () => {
    const other = await rangeOf(await newLease(3));
    for (const range of [other, 'made.up']) {
      const output = await upload(await newLease(4), RECORDS.length, range);
      expect([output.response.status, output.reads]).toEqual([200, 2]);
    }
  });
});

it('a spill of a mapper that read less or more than the split is refused', async () => {
  const lease = await newLease(5);
  const range = await rangeOf(lease);
  for (const bytes of [0, RECORDS.length - 1, TEXT.length]) {
    for (const sent of [range, null]) {
      const { response } = await upload(lease, bytes, sent);
      expect((await problemOf(response)).code).toBe('bad_spill');
    }
  }
});
