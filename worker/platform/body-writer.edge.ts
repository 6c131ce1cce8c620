// A request's body of any size into an R2 object: streamed in bounded memory and hashed on its way. The object
// is there only when all of the body is; whatever fails half-way leaves nothing behind.
import {
  KIB,
  MIB,
  PUT_MAX_BYTES,
  UPLOAD_PART_BYTES,
  UPLOAD_PART_HELD_MAX_BYTES,
  UPLOAD_PARTS_MAX,
} from '../../shared/limits.ts';
import { ObjectWriter } from './object-writer.edge.ts';
import { ProblemError } from './problem.ts';
import { hex } from './sha256.ts';
import { SizedWriter } from './sized-writer.edge.ts';

export interface IncomingBody {
  contentType: string;
  body: ReadableStream<Uint8Array> | null;
  /** What the client announced; null when it did not. */
  contentLength: number | null;
}

/** Bytes read from the body at once. */
const READ_BYTES = 512 * KIB;

/** Throws ProblemErrors: `invalid_request` for a body cut off, `too_large`. */
export async function storeBody(
  bucket: R2Bucket,
  key: string,
  { contentType, body, contentLength }: IncomingBody,
): Promise<{ bytes: number; sha256: string }> {
  const partBytes = partBytesFor(contentLength);
  const maxBytes = partBytes * UPLOAD_PARTS_MAX;
  if ((contentLength ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const options = { httpMetadata: { contentType } };
  const out =
    contentLength !== null && contentLength <= PUT_MAX_BYTES
      ? new SizedWriter(bucket, key, contentLength, options)
      : new ObjectWriter(bucket, key, options, partBytes);
  const hash = new crypto.DigestStream('SHA-256');
  const hashing = hash.getWriter();
  // An abandoned hash rejects its digest, which is then not awaited.
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
    return { bytes, sha256: hex(await hash.digest) };
  } catch (error) {
    await hashing.abort(error).catch(() => undefined);
    await out.abort().catch(() => undefined);
    throw error;
  }
}

/** Bytes a part for a body of `contentLength` (null: unknown), such that UPLOAD_PARTS_MAX parts hold it. */
export function partBytesFor(contentLength: number | null): number {
  const needed = Math.ceil((contentLength ?? 0) / UPLOAD_PARTS_MAX);
  const whole = Math.ceil(needed / MIB) * MIB;
  return Math.min(UPLOAD_PART_HELD_MAX_BYTES, Math.max(UPLOAD_PART_BYTES, whole));
}

const tooLarge = (maxBytes: number) =>
  new ProblemError(
    'too_large',
    `a body may have at most ${maxBytes} bytes (more when its Content-Length is sent); larger datasets go in parts`,
  );

export const cutOff = (bytes: number) =>
  new ProblemError('invalid_request', `the body was cut off after ${bytes} bytes`);

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
