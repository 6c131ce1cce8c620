// What production would refuse and the local simulators let pass: bindings are wrapped so that a limit is met
// on a person's own machine, in a test, and not first after `wrangler deploy`. Metering counts R2 operations
// for a job's cost. Sources: Cloudflare's limits pages of Queues and R2.
import type { Env } from './env.ts';

export const QUEUE_MESSAGE_MAX_BYTES = 128_000;
export const QUEUE_BATCH_MAX_MESSAGES = 100;
export const QUEUE_BATCH_MAX_BYTES = 256_000;
export const QUEUE_DELAY_MAX_SECONDS = 86_400;
export const R2_KEY_MAX_BYTES = 1_024;
export const R2_DELETE_MAX_KEYS = 1_000;
/** One key takes one write a second. */
export const R2_KEY_WRITE_MS = 1_000;
/** Keys whose last write is remembered. */
const KEYS_REMEMBERED_MAX = 10_000;

/** Of several that write one key the first one's object stays; `put` answers null to the others. */
export const IF_ABSENT: R2PutOptions = { onlyIf: { etagDoesNotMatch: '*' } };

export class PlatformLimitError extends Error {
  override name = 'PlatformLimitError';
}

const encoder = new TextEncoder();
const guarded = new WeakMap<Env, Env>();

/** The same bindings, with production's limits. */
export function guardBindings(env: Env): Env {
  let wrapped = guarded.get(env);
  if (!wrapped) {
    wrapped = {
      ...env,
      BUCKET: guardBucket(env.BUCKET, Date.now),
      MAP_QUEUE: guardQueue(env.MAP_QUEUE),
      REDUCE_QUEUE: guardQueue(env.REDUCE_QUEUE),
      STREAM_QUEUE: guardQueue(env.STREAM_QUEUE),
    };
    guarded.set(env, wrapped);
  }
  return wrapped;
}

export function guardQueue<Body>(queue: Queue<Body>): Queue<Body> {
  return intercept(queue, {
    send: (body: Body, options?: QueueSendOptions) => {
      checkMessage(body, options?.delaySeconds);
      return queue.send(body, options);
    },
    sendBatch: (batch: Iterable<MessageSendRequest<Body>>, options?: QueueSendBatchOptions) => {
      const messages = [...batch];
      if (messages.length > QUEUE_BATCH_MAX_MESSAGES) {
        throw new PlatformLimitError(`a batch of ${messages.length} queue messages`);
      }
      const bytes = messages.reduce(
        (sum, { body, delaySeconds }) => sum + checkMessage(body, delaySeconds),
        0,
      );
      if (bytes > QUEUE_BATCH_MAX_BYTES)
        throw new PlatformLimitError(`a queue batch of ${bytes} bytes`);
      return queue.sendBatch(messages, options);
    },
  });
}

function checkMessage(body: unknown, delaySeconds = 0): number {
  const bytes = encoder.encode(JSON.stringify(body)).length;
  if (bytes > QUEUE_MESSAGE_MAX_BYTES)
    throw new PlatformLimitError(`a queue message of ${bytes} bytes`);
  if (delaySeconds > QUEUE_DELAY_MAX_SECONDS) {
    throw new PlatformLimitError(`a queue delay of ${delaySeconds} s`);
  }
  return bytes;
}

export function guardBucket(bucket: R2Bucket, now: () => number): R2Bucket {
  const lastWriteMs = new Map<string, number>();
  const write = (key: string): void => {
    checkKey(key);
    const nowMs = now();
    const lastMs = lastWriteMs.get(key);
    if (lastMs !== undefined && nowMs - lastMs < R2_KEY_WRITE_MS) {
      throw new PlatformLimitError(`a second write to the R2 key ${key} within a second`);
    }
    if (lastWriteMs.size >= KEYS_REMEMBERED_MAX) lastWriteMs.clear();
    lastWriteMs.set(key, nowMs);
  };
  return intercept(bucket, {
    // A conditional write that finds the key taken writes nothing.
    put: (key: string, value: ReadableStream, options?: R2PutOptions) => {
      if (options?.onlyIf) checkKey(key);
      else write(key);
      return bucket.put(key, value, options);
    },
    createMultipartUpload: (key: string, options?: R2MultipartOptions) => {
      write(key);
      return bucket.createMultipartUpload(key, options);
    },
    delete: (keys: string | string[]) => {
      if (Array.isArray(keys) && keys.length > R2_DELETE_MAX_KEYS) {
        throw new PlatformLimitError(`deleting ${keys.length} R2 keys at once`);
      }
      return bucket.delete(keys);
    },
  });
}

function checkKey(key: string): void {
  if (encoder.encode(key).length > R2_KEY_MAX_BYTES)
    throw new PlatformLimitError(`an R2 key of ${key.length} characters`);
}

export interface R2Counts {
  r2Read: number;
  r2Write: number;
}

/** Counts what is billed: class B reads, class A writes and lists; deletes are free. */
export function meterBucket(bucket: R2Bucket, counts: R2Counts): R2Bucket {
  const counting =
    <Args extends unknown[], Result>(kind: keyof R2Counts, call: (...args: Args) => Result) =>
    (...args: Args): Result => {
      counts[kind]++;
      return call(...args);
    };
  return intercept(bucket, {
    get: counting('r2Read', bucket.get.bind(bucket)),
    head: counting('r2Read', bucket.head.bind(bucket)),
    put: counting('r2Write', bucket.put.bind(bucket)),
    list: counting('r2Write', bucket.list.bind(bucket)),
    createMultipartUpload: counting('r2Write', async (key: string, options?: R2MultipartOptions) =>
      meterUpload(await bucket.createMultipartUpload(key, options), counts),
    ),
  });
}

function meterUpload(upload: R2MultipartUpload, counts: R2Counts): R2MultipartUpload {
  return intercept(upload, {
    uploadPart: (part: number, value: ReadableStream) => {
      counts.r2Write++;
      return upload.uploadPart(part, value);
    },
    complete: (parts: R2UploadedPart[]) => {
      counts.r2Write++;
      return upload.complete(parts);
    },
  });
}

/** The object with some methods replaced; the others keep their `this`, which native objects insist on. */
function intercept<Target extends object>(
  target: Target,
  methods: Record<string, unknown>,
): Target {
  return new Proxy(target, {
    get(_, name) {
      if (typeof name === 'string' && Object.hasOwn(methods, name)) return methods[name];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
