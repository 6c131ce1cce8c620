// A dataset sent as one body: streamed into a new immutable object in bounded memory and hashed on its way.
// The name points to it only when all of it is there; whatever fails half-way leaves nothing behind.
import { KIB, PUT_MAX_BYTES, UPLOAD_PARTS_MAX } from '../../shared/limits.ts';
import type { Dataset } from '../../shared/schemas/dataset.ts';
import type { StoredDataset } from '../catalog/catalog.rpc.ts';
import type { Env } from '../platform/env.ts';
import { newId } from '../platform/ids.ts';
import { datasetKey } from '../platform/keys.ts';
import { ObjectWriter } from '../platform/object-writer.ts';
import { catalog } from '../platform/objects.ts';
import { ProblemError } from '../platform/problem.ts';
import { SizedWriter } from '../platform/sized-writer.ts';
import { partBytesFor } from './part-sizes.ts';

export interface DatasetUpload {
  name: string;
  contentType: string;
  body: ReadableStream<Uint8Array> | null;
  /** What the client announced; null when it did not. */
  contentLength: number | null;
}

/** Bytes read from the body at once. */
const READ_BYTES = 512 * KIB;

/** Throws ProblemErrors: `invalid_request` for a body cut off, `too_large`. */
export async function storeDataset(
  env: Env,
  { name, contentType, body, contentLength }: DatasetUpload,
  nowMs: number,
): Promise<Dataset> {
  const partBytes = partBytesFor(contentLength);
  const maxBytes = partBytes * UPLOAD_PARTS_MAX;
  if ((contentLength ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const key = datasetKey(name, newId('v', nowMs));
  const options = { httpMetadata: { contentType } };
  const out =
    contentLength !== null && contentLength <= PUT_MAX_BYTES
      ? new SizedWriter(env.BUCKET, key, contentLength, options)
      : new ObjectWriter(env.BUCKET, key, options, partBytes);
  const hash = new crypto.DigestStream('SHA-256');
  const hashing = hash.getWriter();
  // An abandoned hash rejects its digest, which nobody then waits for.
  hash.digest.catch(() => undefined);
  try {
    for await (const chunk of chunksOf(body)) {
      const bytes = out.bytes + chunk.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      if (contentLength !== null && bytes > contentLength) throw cutOff(contentLength);
      await Promise.all([out.write(chunk), hashing.write(chunk)]);
    }
    if (contentLength !== null && out.bytes !== contentLength) throw cutOff(out.bytes);
    await hashing.close();
    const bytes = await out.finish();
    const sha256 = hex(await hash.digest);
    const createdAt = new Date(nowMs).toISOString();
    const dataset = { name, bytes, sha256, contentType, createdAt };
    await publish(env, { ...dataset, key });
    return dataset;
  } catch (error) {
    await hashing.abort(error).catch(() => undefined);
    await out.abort().catch(() => undefined);
    throw error;
  }
}

/** Makes the name point to the object; an object that no name came to point to is deleted. */
export async function publish(env: Env, dataset: StoredDataset): Promise<void> {
  try {
    await catalog(env).putDataset(dataset);
  } catch (error) {
    // The answer may be what got lost. When that cannot be found out, an orphan is the lesser evil.
    const current = await catalog(env).dataset(dataset.name);
    if (current?.key === dataset.key) return;
    await env.BUCKET.delete(dataset.key);
    throw error;
  }
}

const tooLarge = (maxBytes: number) =>
  new ProblemError(
    'too_large',
    `a body may have at most ${maxBytes} bytes (more when its Content-Length is sent); larger datasets go in parts`,
  );

export const cutOff = (bytes: number) =>
  new ProblemError('invalid_request', `the body was cut off after ${bytes} bytes`);

const hex = (digest: ArrayBuffer) =>
  Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Large chunks, in one buffer after the other: what a plain read gives is 4 KiB at a time. */
async function* chunksOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  if (!body) return;
  const reader = body.getReader({ mode: 'byob' });
  let buffer = new Uint8Array(READ_BYTES);
  let bytes = 0;
  for (;;) {
    const read = await reader.readAtLeast(READ_BYTES, buffer).catch(() => {
      throw cutOff(bytes);
    });
    if (read.value && read.value.length > 0) {
      bytes += read.value.length;
      yield read.value;
      buffer = new Uint8Array(read.value.buffer as ArrayBuffer);
    }
    if (read.done) return;
  }
}
