// Datasets over HTTP, with R2's simulator behind them: what is stored, what a broken upload leaves, what ranges
// and conditions answer.
import { env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { MIB, UPLOAD_PART_BYTES } from '../../shared/limits.ts';
import type { List } from '../../shared/schemas/common.ts';
import type { Dataset, UploadedPart } from '../../shared/schemas/dataset.ts';
import type { Problem } from '../../shared/schemas/problem.ts';
import { byteRange } from '../../worker/datasets/byte-range.ts';
import { partErrors } from '../../worker/datasets/part-sizes.ts';
import { storeDataset } from '../../worker/datasets/upload.edge.ts';
import { partBytesFor } from '../../worker/platform/body-writer.edge.ts';
import { catalog } from '../../worker/stubs.ts';
import { call as callApi, problemOf } from './rest.ts';

const call = (path: string, init: RequestInit = {}) => callApi(`/datasets${path}`, init);

async function refusal(response: Response, status: number): Promise<Problem> {
  expect(response.status).toBe(status);
  return problemOf(response);
}

async function put(name: string, body: BodyInit, headers: HeadersInit = {}): Promise<Dataset> {
  const response = await call(`/${name}`, { method: 'PUT', body, headers });
  expect(response.status).toBe(201);
  return response.json();
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Bytes that differ from part to part, so that a swapped or lost part shows. */
function patterned(length: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i, 2654435761);
  return new Uint8Array(words.buffer, 0, length);
}

/** A body that comes in chunks of uneven sizes, its length not announced; fails after `failAt` bytes. */
function streamed(bytes: Uint8Array<ArrayBuffer>, failAt = Infinity): ReadableStream {
  let at = 0;
  return new ReadableStream({
    type: 'bytes',
    pull(controller) {
      if (at >= failAt) return controller.error(new Error('the sender broke off'));
      const end = Math.min(bytes.length, failAt, at + 300_001);
      if (end > at) controller.enqueue(bytes.slice(at, end));
      at = end;
      if (at >= bytes.length) {
        controller.close();
        controller.byobRequest?.respond(0);
      }
    },
  });
}

async function objectsOf(name: string): Promise<string[]> {
  const { objects } = await env.BUCKET.list({ prefix: `datasets/${name}/` });
  return objects.map(({ key }) => key);
}

const bytesOf = async (name: string) =>
  new Uint8Array(await (await call(`/${name}/bytes`)).arrayBuffer());

describe('a dataset sent as one body', () => {
  it('is answered with its size and hash, listed, shown and read back', async () => {
    const bytes = new TextEncoder().encode('ein\nzwei\ndrei\n');
    const response = await call('/small.log', {
      method: 'PUT',
      body: bytes,
      headers: { 'content-type': 'text/plain' },
    });
    expect(response.status).toBe(201);
    expect(response.headers.get('location')).toBe('/api/datasets/small.log');
    const dataset = await response.json<Dataset>();
    expect(dataset).toMatchObject({
      name: 'small.log',
      bytes: bytes.length,
      contentType: 'text/plain',
      sha256: await sha256(bytes),
    });
    expect(await (await call('/small.log')).json()).toEqual(dataset);
    const { items } = await (await call('')).json<List<Dataset>>();
    expect(items).toContainEqual(dataset);
    expect(await bytesOf('small.log')).toEqual(bytes);
  });

  it('may be larger than a part, of unknown length, and is hashed while it streams', async () => {
    const bytes = patterned(2 * UPLOAD_PART_BYTES + 12_345);
    const dataset = await put('large', streamed(bytes));
    expect(dataset.bytes).toBe(bytes.length);
    expect(dataset.sha256).toBe(await sha256(bytes));
    expect(await sha256(await bytesOf('large'))).toBe(dataset.sha256);
    expect(await objectsOf('large')).toHaveLength(1);
  });

  it('may have exactly the size of a part', async () => {
    const bytes = patterned(UPLOAD_PART_BYTES);
    expect((await put('exact', streamed(bytes))).sha256).toBe(await sha256(bytes));
  });

  it('may be empty', async () => {
    expect((await put('empty', '')).bytes).toBe(0);
    const response = await call('/empty/bytes');
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('');
    await refusal(await call('/empty/bytes', { headers: { range: 'bytes=0-' } }), 416);
  });

  it('keeps gzip as it came', async () => {
    const zipped = new Uint8Array(
      await new Response(
        new Blob(['hello']).stream().pipeThrough(new CompressionStream('gzip')),
      ).arrayBuffer(),
    );
    await put('zipped.gz', zipped, { 'content-encoding': 'gzip' });
    expect(await bytesOf('zipped.gz')).toEqual(zipped);
  });

  it('that breaks off leaves nothing behind and the former version in place', async () => {
    const former = patterned(1000);
    await put('broken', former);
    for (const failAt of [300_001, UPLOAD_PART_BYTES + 300_001]) {
      // Called directly: on its way through the test's own client a broken body becomes a short one.
      const stored = storeDataset(
        env,
        {
          name: 'broken',
          contentType: 'text/plain',
          contentLength: null,
          body: streamed(patterned(2 * UPLOAD_PART_BYTES), failAt),
        },
        Date.now(),
      );
      await expect(stored).rejects.toMatchObject({
        code: 'invalid_request',
        message: expect.stringContaining('cut off') as string,
      });
    }
    const short = { name: 'broken', contentType: 'text/plain', contentLength: 99 };
    await expect(
      storeDataset(env, { ...short, body: streamed(patterned(98)) }, Date.now()),
    ).rejects.toMatchObject({ code: 'invalid_request' });
    expect(await bytesOf('broken')).toEqual(former);
    expect(await objectsOf('broken')).toHaveLength(1);
  });

  it('replaces the former one, whose object goes', async () => {
    await put('twice', 'one');
    await put('twice', 'two!');
    expect(await (await call('/twice/bytes')).text()).toBe('two!');
    expect(await objectsOf('twice')).toHaveLength(1);
  });

  it('sent twice at once: one wins, whole, and nothing of the other stays', async () => {
    const bodies = [patterned(UPLOAD_PART_BYTES + 1), patterned(UPLOAD_PART_BYTES + 2)];
    const both = await Promise.all(bodies.map((bytes) => put('race', streamed(bytes))));
    const shown = await (await call('/race')).json<Dataset>();
    expect(both).toContainEqual(shown);
    expect(await sha256(await bytesOf('race'))).toBe(shown.sha256);
    expect(await objectsOf('race')).toHaveLength(1);
  });

  it('is refused under a name that is none', async () => {
    for (const name of ['.hidden', 'a%20b', 'x'.repeat(129), 'a%2Fb']) {
      const { code } = await refusal(await call(`/${name}`, { method: 'PUT', body: 'x' }), 400);
      expect(code).toBe('invalid_request');
    }
  });
});

describe('reading bytes', () => {
  const text = '0123456789';
  const read = async (headers: Record<string, string>, method = 'GET') => {
    await put('digits', text, { 'content-type': 'text/html' });
    return call('/digits/bytes', { headers, method });
  };

  it.each([
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=-99', '0123456789', 'bytes 0-9/10'],
    ['bytes=5-500', '56789', 'bytes 5-9/10'],
    ['bytes=0-0', '0', 'bytes 0-0/10'],
  ])('%s is answered with just that', async (range, expected, contentRange) => {
    const response = await read({ range });
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe(contentRange);
    expect(response.headers.get('content-length')).toBe(String(expected.length));
    expect(await response.text()).toBe(expected);
  });

  it.each(['bytes=10-', 'bytes=-0', 'bytes=99-100'])('%s lies outside', async (range) => {
    const response = await read({ range });
    expect(response.headers.get('content-range')).toBe('bytes */10');
    expect((await refusal(response, 416)).code).toBe('range_not_satisfiable');
  });

  it.each(['bytes=1-2,4-5', 'lines=1-2', 'bytes=5-2', 'bytes=-'])(
    '%s is not a single range: the whole comes',
    async (range) => {
      const response = await read({ range });
      expect(response.status).toBe(200);
      expect(await response.text()).toBe(text);
    },
  );

  it('never comes as a page, whatever its type', async () => {
    const { headers } = await read({});
    expect(headers.get('content-type')).toBe('application/octet-stream');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-disposition')).toBe('attachment; filename="digits"');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('accept-ranges')).toBe('bytes');
  });

  it('HEAD tells the size and sends nothing', async () => {
    const response = await read({}, 'HEAD');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-length')).toBe('10');
    expect(await response.text()).toBe('');
  });

  it('honours If-None-Match and If-Range, which a new version changes', async () => {
    const etag = (await read({})).headers.get('etag') ?? '';
    expect(etag).toMatch(/^".+"$/);
    const conditional = (headers: Record<string, string>) => call('/digits/bytes', { headers });
    expect((await conditional({ 'if-none-match': etag })).status).toBe(304);
    expect((await conditional({ range: 'bytes=0-1', 'if-range': etag })).status).toBe(206);
    await put('digits', 'another');
    expect((await conditional({ 'if-none-match': etag })).status).toBe(200);
    const stale = await conditional({ range: 'bytes=0-1', 'if-range': etag });
    expect(stale.status).toBe(200);
    expect(await stale.text()).toBe('another');
  });
});

describe('deleting', () => {
  it('removes the dataset and its object; then there is none', async () => {
    await put('going', 'x');
    expect((await call('/going', { method: 'DELETE' })).status).toBe(204);
    expect(await objectsOf('going')).toEqual([]);
    for (const init of [{}, { method: 'DELETE' }]) {
      expect((await refusal(await call('/going', init), 404)).code).toBe('not_found');
    }
    await refusal(await call('/going/bytes'), 404);
  });

  it('keeps the object while a job reads it', async () => {
    await put('pinned', 'x');
    const pinned = await catalog(env).pin('job_pin', 'pinned');
    await call('/pinned', { method: 'DELETE' });
    expect(await objectsOf('pinned')).toEqual([pinned?.key]);
    await catalog(env).unpin('job_pin');
    expect(await objectsOf('pinned')).toEqual([]);
  });
});

describe('lists', () => {
  it('come in pages, by name', async () => {
    for (const name of ['page-c', 'page-a', 'page-b']) await put(name, name);
    const seen: string[] = [];
    for (let cursor: string | null = 'page'; cursor !== null && seen.length < 3;) {
      const response = await call(`?limit=1&cursor=${cursor}`);
      const { items, next }: List<Dataset> = await response.json();
      expect(items).toHaveLength(1);
      seen.push(...items.map(({ name }) => name));
      cursor = next;
    }
    expect(seen).toEqual(['page-a', 'page-b', 'page-c']);
  });

  it('of an impossible length are refused, naming the field', async () => {
    const { errors } = await refusal(await call('?limit=0'), 400);
    expect(errors[0]?.path).toBe('limit');
  });
});

describe('a dataset sent in parts', () => {
  const bytes = patterned(2 * 5 * MIB + 777);
  const piece = (part: number) => bytes.slice((part - 1) * 5 * MIB, part * 5 * MIB);
  const send = (name: string, part: number, body = piece(part), type = 'text/csv') =>
    call(`/${name}/parts?part=${part}`, {
      method: 'POST',
      body,
      headers: { 'content-type': type, 'content-length': String(body.length) },
    });
  const complete = (name: string) => call(`/${name}/complete`, { method: 'POST' });
  const parts = async (name: string) => (await call(`/${name}/parts`)).json<List<UploadedPart>>();

  it('may come in any order and twice, tells what is there, and is whole in the end', async () => {
    await send('parted', 3);
    await send('parted', 1, patterned(5 * MIB).fill(7));
    const answer = await (await send('parted', 1)).json<UploadedPart>();
    expect(answer).toMatchObject({ part: 1, bytes: 5 * MIB, etag: expect.any(String) as string });
    expect((await parts('parted')).items.map(({ part }) => part)).toEqual([1, 3]);
    await send('parted', 2);
    await refusal(await call('/parted'), 404);
    const response = await complete('parted');
    expect(response.status).toBe(201);
    const dataset = await response.json<Dataset>();
    expect(dataset).toMatchObject({ bytes: bytes.length, contentType: 'text/csv' });
    expect(await sha256(await bytesOf('parted'))).toBe(await sha256(bytes));
    expect((await parts('parted')).items).toEqual([]);
    await refusal(await complete('parted'), 404);
  });

  it('begun by two parts at once is one upload', async () => {
    await Promise.all([send('together', 1), send('together', 2), send('together', 3)]);
    expect((await parts('together')).items).toHaveLength(3);
    expect((await complete('together')).status).toBe(201);
    expect(await sha256(await bytesOf('together'))).toBe(await sha256(bytes));
  });

  it('is not completed while one is missing or of the wrong size, and can then be mended', async () => {
    await send('holey', 1);
    await send('holey', 3);
    const missing = await refusal(await complete('holey'), 400);
    expect(missing.errors).toEqual([{ path: 'parts.2', message: 'part 2 missing' }]);
    await send('holey', 2, patterned(6 * MIB));
    const uneven = await refusal(await complete('holey'), 400);
    expect(uneven.errors[0]?.path).toBe('parts.2');
    await send('holey', 2);
    expect((await complete('holey')).status).toBe(201);
  });

  it('can be given up, and begun anew', async () => {
    await send('given-up', 1, patterned(10));
    expect((await call('/given-up/parts', { method: 'DELETE' })).status).toBe(204);
    await refusal(await call('/given-up/parts', { method: 'DELETE' }), 404);
    await send('given-up', 1, patterned(20));
    expect((await (await complete('given-up')).json<Dataset>()).bytes).toBe(20);
  });

  it('is refused part by part when a part cannot be one', async () => {
    await refusal(await send('bad', 0, patterned(1)), 400);
    await refusal(await send('bad', 10_001, patterned(1)), 400);
    await refusal(await send('bad', 1, new Uint8Array()), 400);
    expect((await parts('bad')).items).toEqual([]);
  });
});

describe('the arithmetic', () => {
  it('grows parts only when 10,000 of them would not do', () => {
    expect(partBytesFor(null)).toBe(UPLOAD_PART_BYTES);
    expect(partBytesFor(UPLOAD_PART_BYTES * 10_000)).toBe(UPLOAD_PART_BYTES);
    const grown = partBytesFor(UPLOAD_PART_BYTES * 10_000 + 1);
    expect(grown).toBe(9 * MIB);
    expect(partBytesFor(1e15)).toBe(32 * MIB);
  });

  it('names every part that does not fit', () => {
    const size = 5 * MIB;
    const errors = (...sizes: number[]) =>
      partErrors(sizes.map((bytes, i) => ({ part: i + 1, bytes }))).map(({ path }) => path);
    expect(errors(size, size, 1)).toEqual([]);
    expect(errors(1)).toEqual([]);
    expect(errors(size, size - 1, 1)).toEqual(['parts.2']);
    expect(errors(size, size + 1)).toEqual(['parts.2']);
    expect(errors(1, 1)).toEqual(['parts.1']);
    expect(errors()).toEqual(['parts']);
    expect(partErrors([{ part: 4, bytes: 1 }])).toEqual([
      { path: 'parts.1', message: 'parts 1 to 3 missing' },
    ]);
  });

  it('reads a range header of any spacing', () => {
    expect(byteRange(' BYTES = 1 - 2 ', 5)).toEqual({ offset: 1, length: 2 });
    expect(byteRange(undefined, 5)).toBeNull();
  });
});
