// Bodies of bytes, and how much of one has left. fetch does not tell that: a browser's XMLHttpRequest does, and
// elsewhere the bytes are counted as they are pulled.
import { UNREACHED, ApiProblem } from './problem.ts';

export type Bytes =
  | Blob
  | ArrayBuffer
  | Uint8Array
  | string
  | ReadableStream<Uint8Array>
  | Iterable<Uint8Array>
  | AsyncIterable<Uint8Array>;

/** Called with the bytes of the body that have left so far. */
export type OnProgress = (sentBytes: number) => void;

export interface Sending {
  method: string;
  headers: Record<string, string>;
  body: Bytes;
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
}
export interface Sent {
  status: number;
  json(): Promise<unknown>;
}

type Whole = Blob | ArrayBuffer | Uint8Array<ArrayBuffer> | string;
type Streamed = ReadableStream<Uint8Array> | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

const isWhole = (body: Bytes): body is Whole =>
  typeof body === 'string' ||
  body instanceof Blob ||
  body instanceof ArrayBuffer ||
  body instanceof Uint8Array;

/** What is sent at once where bytes are counted: small enough that a bar moves. */
const PIECE_BYTES = 256 * 1024;

const sizeOf = (body: Whole) => new Blob([body]).size;

/** Rejects with the signal's reason, and with an ApiProblem when there is no answer. */
export async function sendBytes(
  url: string,
  sending: Sending,
  fetcher: (url: string, init: RequestInit) => Promise<Response>,
): Promise<Sent> {
  const { method, headers, body, signal, onProgress } = sending;
  const init = { method, headers, ...(signal && { signal }) };
  if (!isWhole(body)) {
    const streamed = { ...init, body: counted(body as Streamed, sending), duplex: 'half' };
    return fetcher(url, streamed as RequestInit);
  }
  if (!onProgress) return fetcher(url, { ...init, body });
  if ('XMLHttpRequest' in globalThis) return sendByXhr(url, { ...sending, body, onProgress });
  const blob = body instanceof Blob ? body : new Blob([body]);
  const streamed = {
    ...init,
    headers: { ...headers, 'content-length': String(blob.size) },
    body: withLength(counted(pieces(blob), sending), blob.size),
    duplex: 'half', // What Node asks for with a streamed body.
  };
  return fetcher(url, streamed as RequestInit);
}

/** Counts the bytes that are pulled. Stops by itself when the call is aborted: not every fetch cancels its body. */
function counted(
  body: Streamed,
  { signal, onProgress }: Pick<Sending, 'signal' | 'onProgress'>,
): ReadableStream<Uint8Array> {
  const iterator = iterated(body);
  let sent = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (signal?.aborted) {
        await iterator.return?.();
        return controller.error(signal.reason);
      }
      const { value, done } = await iterator.next();
      if (done) return controller.close();
      controller.enqueue(value);
      sent += value.length;
      onProgress?.(sent);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}

function iterated(body: Streamed): AsyncIterator<Uint8Array> | Iterator<Uint8Array> {
  if (!(body instanceof ReadableStream)) {
    return Symbol.iterator in body ? body[Symbol.iterator]() : body[Symbol.asyncIterator]();
  }
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  return {
    next: () => reader.read() as Promise<IteratorResult<Uint8Array>>,
    async return() {
      await reader.cancel();
      return { done: true, value: undefined };
    },
  };
}

async function* pieces(blob: Blob): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < blob.size; at += PIECE_BYTES) {
    yield new Uint8Array(await blob.slice(at, at + PIECE_BYTES).arrayBuffer());
  }
}

interface LengthStream {
  readable: ReadableStream<Uint8Array>;
  writable: WritableStream<Uint8Array>;
}

/** Workers send the length of a stream only when it is one of known length. */
function withLength(body: ReadableStream<Uint8Array>, bytes: number): ReadableStream<Uint8Array> {
  const { FixedLengthStream: Sized } = globalThis as {
    FixedLengthStream?: new (bytes: number) => LengthStream;
  };
  if (!Sized) return body;
  const { readable, writable } = new Sized(bytes);
  // A failure shows at the other end.
  body.pipeTo(writable).catch(() => undefined);
  return readable;
}

/** As much of XMLHttpRequest as is used. */
interface Xhr {
  status: number;
  response: unknown;
  responseType: string;
  readonly upload: { onprogress: ((event: { loaded: number }) => void) | null };
  onload: (() => void) | null;
  onerror: (() => void) | null;
  onabort: (() => void) | null;
  open(method: string, url: string): void;
  setRequestHeader(name: string, value: string): void;
  send(body: Whole): void;
  abort(): void;
}

function sendByXhr(
  url: string,
  { method, headers, body, signal, onProgress }: Sending & { body: Whole; onProgress: OnProgress },
): Promise<Sent> {
  const { XMLHttpRequest: Request } = globalThis as unknown as { XMLHttpRequest: new () => Xhr };
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const xhr = new Request();
    xhr.open(method, url);
    xhr.responseType = 'json';
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = ({ loaded }) => onProgress(loaded);
    const abort = () => xhr.abort();
    signal?.addEventListener('abort', abort);
    const settle = (how: () => void) => () => {
      signal?.removeEventListener('abort', abort);
      how();
    };
    xhr.onerror = settle(() => reject(new ApiProblem(UNREACHED)));
    xhr.onabort = settle(() => reject(signal?.reason));
    xhr.onload = settle(() => {
      if (xhr.status >= 200 && xhr.status < 300) onProgress(sizeOf(body));
      resolve({ status: xhr.status, json: async () => xhr.response });
    });
    xhr.send(body);
  });
}
