// What a request carries is bounded: its JSON, its bytes, its Idempotency-Key.
import { IDEMPOTENCY_KEY_MAX_CHARS, JSON_BODY_MAX_BYTES } from '../../shared/limits.ts';
import { gunzip } from '../../shared/mapreduce/gunzip.ts';
import { messageOf } from '../../shared/message-of.ts';
import { ProblemError } from './problem.ts';

/** The JSON body, bounded. Throws `too_large` or `invalid_request`. */
export async function jsonBody(request: Request, maxBytes = JSON_BODY_MAX_BYTES): Promise<unknown> {
  return (await jsonBodyAndText(request, maxBytes)).value;
}

/** The same, for a caller that has to see how it was written, too. */
export async function jsonBodyAndText(
  request: Request,
  maxBytes = JSON_BODY_MAX_BYTES,
): Promise<{ value: unknown; text: string }> {
  return jsonOf(await boundedBytes(request, maxBytes));
}

/** The JSON body, or `absent` where there is no body at all. */
export async function jsonBodyOr(
  absent: unknown,
  request: Request,
  maxBytes = JSON_BODY_MAX_BYTES,
): Promise<unknown> {
  const bytes = await boundedBytes(request, maxBytes);
  return bytes.length === 0 ? absent : jsonOf(bytes).value;
}

function jsonOf(bytes: Uint8Array): { value: unknown; text: string } {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
    return { value: JSON.parse(text) as unknown, text };
  } catch (error) {
    const detail = `the body is not JSON: ${messageOf(error)}`;
    throw new ProblemError('invalid_request', detail, [{ path: '', message: detail }]);
  }
}

/**
 * The whole body when it has at most `maxBytes`, also when it is unpacked; reads no further than that. Throws
 * `too_large`, `unsupported_encoding`, and `invalid_request` for a damaged body.
 */
export async function boundedBytes(
  request: Request,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const encoding = (request.headers.get('content-encoding') ?? '').trim().toLowerCase();
  if (encoding === '' || encoding === 'identity') return sentBytes(request, maxBytes);
  if (encoding !== 'gzip' && encoding !== 'x-gzip') {
    const detail = `a body with the Content-Encoding ${encoding} is not unpacked; gzip is`;
    const errors = [{ path: 'content-encoding', message: detail }];
    throw new ProblemError('unsupported_encoding', detail, errors, { 'accept-encoding': 'gzip' });
  }
  const packed = await sentBytes(request, maxBytes);
  const unpacked = new Gathered(maxBytes);
  try {
    for (const chunk of gunzip(packed)) unpacked.add(chunk);
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    const detail = `the body is no gzip file: ${messageOf(error)}`;
    throw new ProblemError('invalid_request', detail, [{ path: '', message: detail }]);
  }
  return unpacked.whole();
}

/** Chunks that are together at most `maxBytes` long. */
class Gathered {
  readonly #maxBytes: number;
  readonly #chunks: Uint8Array[] = [];
  #length = 0;
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Throws `too_large`. */
  add(chunk: Uint8Array): void {
    this.#length += chunk.length;
    if (this.#length > this.#maxBytes) throw tooLarge(this.#maxBytes);
    this.#chunks.push(chunk);
  }

  whole(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }
}

const tooLarge = (maxBytes: number) =>
  new ProblemError('too_large', `the body may have at most ${maxBytes} bytes`);

async function sentBytes(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const announced = request.headers.get('content-length');
  if (Number(announced ?? 0) > maxBytes) throw tooLarge(maxBytes);
  if (announced !== null) {
    const bytes = new Uint8Array(await request.arrayBuffer());
    if (bytes.length > maxBytes) throw tooLarge(maxBytes);
    return bytes;
  }
  const sent = new Gathered(maxBytes);
  if (request.body) {
    for await (const chunk of request.body as ReadableStream<Uint8Array>) sent.add(chunk);
  }
  return sent.whole();
}

/** The Idempotency-Key header; null without one. Throws when it is too long to keep. */
export function idempotencyKey(request: Request): string | null {
  const key = request.headers.get('idempotency-key');
  if (key === null) return null;
  if (key.length === 0 || key.length > IDEMPOTENCY_KEY_MAX_CHARS) {
    throw new ProblemError(
      'invalid_request',
      `Idempotency-Key has 1 to ${IDEMPOTENCY_KEY_MAX_CHARS} characters`,
    );
  }
  return key;
}
