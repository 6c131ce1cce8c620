// The data plane as a volunteer sees it: three routes, each opened by a lease. Bytes go between the edge
// and this page; the sandbox has no network. `no-store` keeps the browser from writing every split to
// its disk cache, which halves the rate.
import { DIGEST_HEADER, INPUT_START_HEADER, RANGE_HEADER } from '../../shared/protocol.ts';
import { type Backoff, backoffMs } from '../../shared/backoff.ts';

/** The edge does not honour this lease any more, or cannot be reached: give it back. */
export class LeaseLost extends Error {}
/** The edge looked at the spill and refused it. */
export class SpillRefused extends Error {}

/** A split's records. The edge aligned it: where its bytes lie may differ from the task's raw range. */
export interface SplitInput {
  bytes: Uint8Array<ArrayBuffer>;
  /** Byte offset in the whole input. */
  start: number;
  /** The edge's signature under where they lie: goes along with the output. */
  range: string;
}

/** A finished map task, to be stored. */
export interface Output {
  spill: Uint8Array<ArrayBuffer>;
  digest: string;
  /** Of its input; empty without one. */
  range: string;
}

export interface DataRoutes {
  program(lease: string, signal: AbortSignal): Promise<string>;
  input(lease: string, signal: AbortSignal): Promise<SplitInput>;
  /** Resolves to the receipt. */
  output(lease: string, output: Output, signal: AbortSignal): Promise<string>;
}

const RETRIES = 2;
const RETRY: Backoff = { baseMs: 500, maxMs: 4_000 };
const BINARY = 'application/octet-stream';

/** Every method rejects with LeaseLost, SpillRefused, or the signal's reason. */
export function dataRoutes(origin: string): DataRoutes {
  const url = (lease: string, what: string) =>
    `${origin}/api/leases/${encodeURIComponent(lease)}/${what}`;
  return {
    program: (lease, signal) =>
      attempt(url(lease, 'program'), { signal }, (response) => response.text()),
    input: (lease, signal) =>
      attempt(url(lease, 'input'), { signal }, async (response) => {
        const start = Number(response.headers.get(INPUT_START_HEADER));
        const range = response.headers.get(RANGE_HEADER) ?? '';
        return { bytes: new Uint8Array(await response.arrayBuffer()), start, range };
      }),
    output: (lease, { spill, digest, range }, signal) =>
      attempt(
        url(lease, 'output'),
        {
          method: 'PUT',
          signal,
          body: spill,
          headers: { 'content-type': BINARY, [DIGEST_HEADER]: digest, [RANGE_HEADER]: range },
        },
        async (response) => receiptOf(await response.json()),
      ),
  };
}

async function attempt<Value>(
  url: string,
  request: RequestInit & { signal: AbortSignal },
  read: (response: Response) => Promise<Value>,
): Promise<Value> {
  for (let failures = 0; ; failures++) {
    request.signal.throwIfAborted();
    let problem: string;
    try {
      const response = await fetch(url, { ...request, cache: 'no-store', credentials: 'omit' });
      if (response.ok) return await read(response);
      problem = await problemOf(response);
      if (response.status === 422) throw new SpillRefused(problem);
      if (response.status < 500) throw new LeaseLost(problem);
    } catch (error) {
      if (error instanceof LeaseLost || error instanceof SpillRefused) throw error;
      request.signal.throwIfAborted();
      problem = String(error);
    }
    if (failures === RETRIES) throw new LeaseLost(problem);
    await wait(backoffMs(RETRY, failures, Math.random()), request.signal);
  }
}

async function problemOf(response: Response): Promise<string> {
  const text = await response.text().catch(() => '');
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && 'detail' in body) return String(body.detail);
  } catch {
    // Not a problem document.
  }
  return `${response.status} ${text.slice(0, 200)}`;
}

function receiptOf(body: unknown): string {
  if (typeof body === 'object' && body !== null && 'receipt' in body) {
    if (typeof body.receipt === 'string') return body.receipt;
  }
  throw new LeaseLost('the edge answered without a receipt');
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}
