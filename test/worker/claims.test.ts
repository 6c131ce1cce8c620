// Claims over HTTP: bytes in, the same bytes out, and their end.
import { env, runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import {
  CLAIM_ORPHAN_MS,
  CLAIM_RELEASE_GRACE_MS,
  CLAIM_TOMBSTONE_MS,
  MIB,
  PAYLOAD_MAX_BYTES,
  UPLOAD_PART_BYTES,
} from '../../shared/limits.ts';
import type { Claim } from '../../shared/schemas/claim.ts';
import type { Problem } from '../../shared/schemas/problem.ts';
import { ClaimStore } from '../../worker/claim-check/claim.store.ts';
import { openClaim, readPayload, storeClaim } from '../../worker/claim-check/claims.edge.ts';
import { claimKey } from '../../worker/platform/keys.ts';
import { claimObject } from '../../worker/stubs.ts';
import { ProblemError } from '../../worker/platform/problem.ts';
import { claimShardStub, passClaimTime } from './claim-time.ts';
import { call, problemOf } from './rest.ts';

async function refusal(response: Response, status: number): Promise<Problem> {
  expect(response.status).toBe(status);
  return problemOf(response);
}

async function post(body: BodyInit, headers: HeadersInit = {}): Promise<Claim> {
  const response = await call('/claims', { method: 'POST', body, headers });
  expect(response.status).toBe(201);
  return response.json();
}

const get = (token: string) => call(`/claims/${token}`);

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function patterned(length: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i, 2654435761);
  return new Uint8Array(words.buffer, 0, length);
}

const isStored = async (token: string) => (await env.BUCKET.head(claimKey(token))) !== null;

describe('a payload of its own', () => {
  it('is answered with its token, size and hash, and read back as it came', async () => {
    const bytes = patterned(100_000);
    const response = await call('/claims', {
      method: 'POST',
      body: bytes,
      headers: { 'content-type': 'image/png' },
    });
    expect(response.status).toBe(201);
    const claim = await response.json<Claim>();
    expect(response.headers.get('location')).toBe(`/api/claims/${claim.token}`);
    expect(claim).toEqual({
      token: claim.token,
      bytes: bytes.length,
      sha256: await sha256(bytes),
      contentType: 'image/png',
    });
    const read = await get(claim.token);
    expect(read.status).toBe(200);
    expect(read.headers.get('content-type')).toBe('application/octet-stream');
    expect(read.headers.get('claim-content-type')).toBe('image/png');
    expect(read.headers.get('cache-control')).toBe('no-store');
    expect(new Uint8Array(await read.arrayBuffer())).toEqual(bytes);
  });

  it('may be larger than a part, of unknown length', async () => {
    const bytes = patterned(2 * UPLOAD_PART_BYTES + 12_345);
    const stream = new Blob([bytes]).stream();
    const claim = await post(stream);
    expect(claim).toMatchObject({ bytes: bytes.length, sha256: await sha256(bytes) });
    const read = new Uint8Array(await (await get(claim.token)).arrayBuffer());
    expect(await sha256(read)).toBe(claim.sha256);
  });

  it('may be empty', async () => {
    const claim = await post('');
    expect(claim.bytes).toBe(0);
    const read = await get(claim.token);
    expect(read.status).toBe(200);
    expect((await read.arrayBuffer()).byteLength).toBe(0);
  });

  it('leaves nothing behind when the sender breaks off', async () => {
    const before = (await env.BUCKET.list({ prefix: 'claims/' })).objects.length;
    let sent = 0;
    const body = new ReadableStream({
      type: 'bytes',
      pull(controller) {
        if (sent >= UPLOAD_PART_BYTES + MIB) return controller.error(new Error('broke off'));
        sent += MIB;
        controller.enqueue(patterned(MIB));
      },
    });
    const upload = { contentType: 'text/plain', contentLength: null, body };
    await expect(storeClaim(env, upload, Date.now())).rejects.toMatchObject({
      code: 'invalid_request',
    });
    expect((await env.BUCKET.list({ prefix: 'claims/' })).objects).toHaveLength(before);
  });

  it('has a token: another is unknown', async () => {
    await refusal(await get('claim_nobody'), 404);
    await refusal(await get('x'.repeat(200)), 400);
  });
});

describe('bytes that are not what was stored', () => {
  const tamper = async (token: string, bytes: Uint8Array) => {
    await env.BUCKET.put(claimKey(token), bytes);
  };

  it('are found out before the last of them is handed over', async () => {
    const bytes = patterned(3 * MIB);
    const { token } = await post(bytes);
    const changed = bytes.slice();
    changed[5] = (changed[5] ?? 0) ^ 1;
    await tamper(token, changed);
    const { body } = await openClaim(env, token);
    let length = 0;
    const reading = (async () => {
      for await (const chunk of body) length += chunk.length;
    })();
    await expect(reading).rejects.toThrow('SHA-256');
    expect(length).toBeLessThan(bytes.length);
    await expect(readPayload(env, token)).rejects.toThrow('SHA-256');
  });

  it('are refused at once when even their number differs', async () => {
    const { token } = await post('one two three');
    await tamper(token, new TextEncoder().encode('one two'));
    expect((await refusal(await get(token), 500)).detail).toContain('SHA-256');
  });

  it('are gone when the object is', async () => {
    const { token } = await post('here');
    await env.BUCKET.delete(claimKey(token));
    await refusal(await get(token), 410);
  });
});

describe('reading a payload whole', () => {
  it('gives bytes and type', async () => {
    const { token } = await post('{"a":1}', { 'content-type': 'application/json' });
    const { bytes, contentType } = await readPayload(env, token);
    expect(new TextDecoder().decode(bytes)).toBe('{"a":1}');
    expect(contentType).toBe('application/json');
  });

  it('is refused past a bound', async () => {
    const { token } = await post(new Uint8Array(PAYLOAD_MAX_BYTES + 1));
    const reading = readPayload(env, token);
    await expect(reading).rejects.toBeInstanceOf(ProblemError);
    await expect(reading).rejects.toMatchObject({ code: 'too_large' });
  });
});

describe('the end of a claim', () => {
  it('comes with its last holder: 410 from then on, and the object is gone', async () => {
    const { token } = await post('held twice');
    const claims = claimObject(env, token);
    await claims.hold('a/0', [token]);
    await claims.hold('a/0', [token]);
    await claims.hold('b/1', [token]);
    await claims.release('a/0', [token]);
    await passClaimTime(token);
    expect((await get(token)).status).toBe(200);
    await claims.release('b/1', [token]);
    await claims.release('b/1', [token]);
    expect((await get(token)).status).toBe(200);
    await passClaimTime(token);
    expect((await refusal(await get(token), 410)).code).toBe('gone');
    expect(await isStored(token)).toBe(false);
    expect(await claims.touch([token])).toEqual([{ kind: 'collected' }]);
  });

  it('comes for orphans too, and the tombstone is forgotten in the end', async () => {
    const { token } = await post('nobody wants me');
    await passClaimTime(token);
    await refusal(await get(token), 410);
    await passClaimTime(token);
    await refusal(await get(token), 404);
  });

  it('is put off by whoever holds it in time', async () => {
    const { token } = await post('saved');
    await claimObject(env, token).hold('a/0', [token]);
    await passClaimTime(token);
    expect(await (await get(token)).text()).toBe('saved');
  });

  it('keeps to the times that the limits say', async () => {
    const { token } = await post('timed');
    const claim = (await readClaim(token)).claim;
    await runInDurableObject(claimShardStub(token), (_, { storage }) => {
      const store = new ClaimStore(storage);
      storage.sql.exec('DELETE FROM claims');
      const t = 1_000_000;
      store.register([claim], t);
      expect(store.nextDueMs()).toBe(t + CLAIM_ORPHAN_MS);
      store.touch([token], t + 1);
      expect(store.nextDueMs()).toBe(t + CLAIM_ORPHAN_MS);
      store.touch([token], t + CLAIM_ORPHAN_MS - 1);
      expect(store.nextDueMs()).toBe(t + 2 * CLAIM_ORPHAN_MS - 1);
      store.hold('a/0', [token]);
      expect(store.nextDueMs()).toBeNull();
      store.release('a/0', [token], t);
      expect(store.nextDueMs()).toBe(t + CLAIM_RELEASE_GRACE_MS);
      expect(store.takeDue(t + CLAIM_RELEASE_GRACE_MS - 1, 10)).toEqual([]);
      expect(store.takeDue(t + CLAIM_RELEASE_GRACE_MS, 10)).toEqual([token]);
      // A crash before the object was deleted: it is taken again, and nobody can have it back.
      store.hold('a/0', [token]);
      expect(store.find(token)).toEqual({ kind: 'collected' });
      expect(store.takeDue(t + CLAIM_RELEASE_GRACE_MS, 10)).toEqual([token]);
      store.collected([token], t);
      expect(store.nextDueMs()).toBe(t + CLAIM_TOMBSTONE_MS);
      expect(store.takeDue(t + CLAIM_TOMBSTONE_MS, 10)).toEqual([]);
      expect(store.find(token)).toEqual({ kind: 'unknown' });
    });
  });
});

async function readClaim(token: string): Promise<{ claim: Claim }> {
  const found = await claimObject(env, token).find(token);
  if (found.kind !== 'there') throw new Error(found.kind);
  return found;
}
