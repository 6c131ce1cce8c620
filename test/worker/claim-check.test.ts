// The claim-check of events: large payloads lie in R2, and go with the last event that refers to them.
import { env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { APPEND_MAX_CLAIMS, KIB } from '../../shared/limits.ts';
import type { Claim } from '../../shared/schemas/claim.ts';
import { claimKey } from '../../worker/platform/keys.ts';
import { appendEvents } from '../../worker/log/append.edge.ts';
import { parseEventBody } from '../../worker/log/events.ts';
import { streamNamed } from '../../worker/log/streams.edge.ts';
import { passClaimTime } from './claim-time.ts';
import { call } from './rest.ts';
import {
  create,
  numbered,
  page,
  post,
  postLines,
  publish,
  read,
  refusal,
  show,
} from './stream-calls.ts';

describe('claim-check', () => {
  const large = { text: 'ü'.repeat(100 * KIB) };

  it('takes an event of 200 KB to R2 by itself, and gives it back', async () => {
    await create('large', { partitions: 1 });
    await publish('large', [
      { type: 'S', payload: 1 },
      { type: 'L', payload: large },
    ]);
    const { events } = await read('large');
    expect(events[0]).toMatchObject({ payload: 1 });
    const claim = events[1]?.claim as Claim;
    expect(claim).toMatchObject({
      bytes: new TextEncoder().encode(JSON.stringify(large)).length,
      contentType: 'application/json',
    });
    expect(events[1]).not.toHaveProperty('payload');
    expect(await (await call(`/claims/${claim.token}`)).json()).toEqual(large);
    const resolved = await read('large', '?resolve=true');
    expect(resolved.events[1]).toMatchObject({ offset: 1, type: 'L', payload: large });
    expect(resolved.events[1]).not.toHaveProperty('claim');
    expect(resolved.next).toBe(2);
    expect((await show('large')).claims).toEqual({ events: 1, bytes: claim.bytes });
  });

  it('ends a page before it holds too many opened payloads', async () => {
    await create('pages', { partitions: 1 });
    const payload = 'x'.repeat(1_500 * KIB);
    await publish(
      'pages',
      numbered(5).map(() => ({ type: 'L', payload })),
    );
    const first = await read('pages', '?resolve=true');
    expect(first.events).toHaveLength(2);
    const second = await read('pages', `?resolve=true&from=${first.next}`);
    expect(second.events.map(({ offset }) => offset)).toEqual([2, 3]);
  });

  it('takes claims that were stored before, as they were stored', async () => {
    await create('given', { partitions: 1 });
    const stored = await call('/claims', {
      method: 'POST',
      body: 'raw bytes',
      headers: { 'content-type': 'text/plain' },
    });
    const claim = await stored.json<Claim>();
    await publish('given', { type: 'A', claim: { ...claim, contentType: 'text/html' } });
    const { events } = await read('given', '?resolve=true');
    // Not JSON: it stays a claim.
    expect(events[0]?.claim).toEqual(claim);
    const lie = { ...claim, bytes: 1 };
    const problem = await refusal(
      await post('given', [{ type: 'A' }, { type: 'B', claim: lie }]),
      400,
    );
    expect(problem.errors[0]?.path).toBe('[1].claim');
    const forged = { ...claim, sha256: '0'.repeat(64) };
    await refusal(await post('given', { type: 'A', claim: forged }), 400);
    const unknown = { ...claim, token: 'claim_nobody' };
    await refusal(await post('given', { type: 'A', claim: unknown }), 404);
    await refusal(await post('given', { type: 'A', claim, payload: 1 }), 400);
    expect((await read('given')).next).toBe(1);
  });

  it('finds out that a payload is not what was stored', async () => {
    await create('tampered', { partitions: 1 });
    await publish('tampered', { type: 'L', payload: large });
    const claim = (await read('tampered')).events[0]?.claim as Claim;
    await env.BUCKET.put(claimKey(claim.token), JSON.stringify({ text: 'ö'.repeat(100 * KIB) }));
    const problem = await refusal(await page('tampered', '?resolve=true'), 500);
    expect(problem.detail).toContain('SHA-256');
  });

  it('keeps a payload while one stream refers to it, and lets it go with the last', async () => {
    await create('first', { partitions: 1 });
    await create('second', { partitions: 1 });
    await publish('first', { type: 'L', payload: large });
    const claim = (await read('first')).events[0]?.claim as Claim;
    await publish('second', { type: 'L', claim });
    const get = () => call(`/claims/${claim.token}`);
    await call('/streams/first', { method: 'DELETE' });
    await passClaimTime(claim.token);
    expect((await read('second', '?resolve=true')).events[0]?.payload).toEqual(large);
    await call('/streams/second', { method: 'DELETE' });
    await passClaimTime(claim.token);
    await refusal(await get(), 410);
    await create('third', { partitions: 1 });
    await refusal(await post('third', { type: 'L', claim }), 410);
  });

  it('leaves nothing in R2 when it fails half-way', async () => {
    await create('broken', { partitions: 1 });
    const stream = await streamNamed(env, 'broken');
    let puts = 0;
    const failing = {
      ...env,
      BUCKET: new Proxy(env.BUCKET, {
        get(bucket, name) {
          if (name === 'delete') return (keys: string[]) => bucket.delete(keys);
          return (key: string, value: Uint8Array, options: R2PutOptions) => {
            if (++puts === 9) throw new Error('R2 does not answer');
            return bucket.put(key, value, options);
          };
        },
      }),
    };
    const stored = async () => (await env.BUCKET.list({ prefix: 'claims/' })).objects.length;
    const before = await stored();
    const events = parseEventBody(numbered(20).map(() => ({ type: 'L', payload: large })));
    await expect(appendEvents(failing, stream, events)).rejects.toThrow('does not answer');
    expect(puts).toBeGreaterThanOrEqual(9);
    expect(await stored()).toBe(before);
    expect((await read('broken')).events).toEqual([]);
  });

  it('has a bound on the payloads of one request', async () => {
    await create('bound', { partitions: 1, claimCheckBytes: KIB });
    const line = JSON.stringify({ type: 'L', payload: 'x'.repeat(KIB) });
    const lines = Array.from({ length: APPEND_MAX_CLAIMS + 1 }, () => line);
    const problem = await refusal(await postLines('bound', lines), 413);
    expect(problem.detail).toContain(String(APPEND_MAX_CLAIMS));
  });
});
