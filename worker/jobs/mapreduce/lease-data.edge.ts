// The data plane of a lease: reading the split's exact bytes and storing the spill. Every mapper, a
// volunteer over HTTP or the edge in its own process, goes through these two functions. They hold no state.
import { SPILL_MAX_BYTES } from '../../../shared/limits.ts';
import {
  packSections,
  SpillFormatError,
  SpillVerifier,
  type VerifiedSpill,
} from '../../../shared/mapreduce/spill.ts';
import type { LeaseClaims } from '../../../shared/mapreduce/task.ts';
import { IF_ABSENT } from '../../platform/bindings.edge.ts';
import { spillKey } from '../../platform/keys.ts';
import { ProblemError } from '../../platform/problem.ts';
import { alignRange } from './align.ts';
import { type LeaseRange, packReceiptSections, signReceipt } from './lease.ts';

export interface LeaseInput extends LeaseRange {
  body: ReadableStream<Uint8Array> | null;
}

export class InputMissingError extends Error {
  override name = 'InputMissingError';
}

type InputClaims = NonNullable<LeaseClaims['input']>;

/** The bytes of the records that begin in the lease's split. `body` is null when there are none. */
export async function openInput(bucket: R2Bucket, input: InputClaims): Promise<LeaseInput> {
  const { start, end } = await alignedRange(bucket, input);
  if (start >= end) return { start, end: start, body: null };
  const { body } = await getRange(bucket, input.key, start, end);
  return { start, end, body: body as ReadableStream<Uint8Array> };
}

/** Where the split's records lie: a pure function of the input, which never changes. */
async function alignedRange(bucket: R2Bucket, input: InputClaims): Promise<LeaseRange> {
  if (input.align === 'none') return input;
  const read = async (start: number, end: number) =>
    new Uint8Array(await (await getRange(bucket, input.key, start, end)).arrayBuffer());
  return alignRange(input.start, input.end, input.size, read);
}

async function getRange(
  bucket: R2Bucket,
  key: string,
  start: number,
  end: number,
): Promise<R2ObjectBody> {
  const object = await bucket.get(key, { range: { offset: start, length: end - start } });
  if (!object) throw new InputMissingError(`the input ${key} is gone`);
  return object;
}

export interface SpillUpload {
  claims: LeaseClaims;
  body: ReadableStream<Uint8Array>;
  bytes: number;
  /** What the mapper says its digest is. */
  digest: string;
  /** Where the records were found when the input was read; null: the edge looks for them again. */
  range: LeaseRange | null;
}

/** Below this a spill is verified whole before it is put; above it is verified while it streams by. */
const WHOLE_MAX_BYTES = 1024 * 1024;

/**
 * Verifies a spill and stores it under its attempt's key, where it can never be replaced. Answers the signed
 * receipt. Throws `bad_spill`, `too_large`, or `conflict` when another spill was stored for the attempt.
 */
export async function storeSpill(
  bucket: R2Bucket,
  secret: string,
  upload: SpillUpload,
): Promise<string> {
  const { claims, bytes, digest } = upload;
  if (bytes > SPILL_MAX_BYTES) {
    throw new ProblemError('too_large', `a spill may have at most ${SPILL_MAX_BYTES} bytes`);
  }
  const { job, task, attempt } = claims;
  let verified: VerifiedSpill;
  try {
    verified = await (bytes <= WHOLE_MAX_BYTES
      ? storeWhole(bucket, upload)
      : storeStreaming(bucket, upload));
  } catch (error) {
    if (error instanceof SpillFormatError) throw new ProblemError('bad_spill', error.message);
    throw error;
  }
  const { trailer, sections, storedBytes } = verified;
  const range = claims.input && (upload.range ?? (await alignedRange(bucket, claims.input)));
  const inputBytes = range ? Math.max(0, range.end - range.start) : 0;
  if (trailer.bytesIn !== inputBytes) {
    const detail = `its trailer says ${trailer.bytesIn} bytes were read, the split has ${inputBytes}`;
    throw new ProblemError('bad_spill', detail);
  }
  return signReceipt(secret, {
    job,
    task,
    attempt,
    digest,
    storedBytes: trailer.recordsOut > 0 ? storedBytes : 0,
    sections: packReceiptSections(packSections(sections)),
    trailer,
  });
}

function finishVerified(verifier: SpillVerifier, digest: string): VerifiedSpill {
  const verified = verifier.finish();
  if (verified.digest !== digest) {
    throw new SpillFormatError(`its bytes have the digest ${verified.digest}, not ${digest}`);
  }
  return verified;
}

async function storeWhole(
  bucket: R2Bucket,
  { claims, body, bytes, digest }: SpillUpload,
): Promise<VerifiedSpill> {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for await (const chunk of body) {
    if (at + chunk.length > bytes) throw new SpillFormatError('more bytes than announced');
    whole.set(chunk, at);
    at += chunk.length;
  }
  const verifier = new SpillVerifier(claims.partitions);
  verifier.push(whole.subarray(0, at));
  const verified = finishVerified(verifier, digest);
  // A spill without records has nothing that a reducer would read.
  if (verified.trailer.recordsOut > 0) await putOnce(bucket, claims, whole, digest);
  return verified;
}

async function storeStreaming(
  bucket: R2Bucket,
  { claims, body, bytes, digest }: SpillUpload,
): Promise<VerifiedSpill> {
  const verifier = new SpillVerifier(claims.partitions);
  const { readable, writable } = new FixedLengthStream(bytes);
  const writer = writable.getWriter();
  const pump = async (): Promise<VerifiedSpill> => {
    try {
      for await (const chunk of body) {
        verifier.push(chunk);
        await writer.write(chunk);
      }
      const verified = finishVerified(verifier, digest);
      await writer.close();
      return verified;
    } catch (error) {
      await writer.abort(error).catch(() => undefined);
      throw error;
    }
  };
  const [pumped, put] = await Promise.allSettled([
    pump(),
    putOnce(bucket, claims, readable, digest),
  ]);
  if (pumped.status === 'rejected') throw pumped.reason;
  if (put.status === 'rejected') throw put.reason;
  return pumped.value;
}

async function putOnce(
  bucket: R2Bucket,
  { job, task, attempt }: LeaseClaims,
  value: Uint8Array | ReadableStream,
  digest: string,
): Promise<void> {
  const key = spillKey(job, task, attempt);
  const put = await bucket.put(key, value, {
    ...IF_ABSENT,
    customMetadata: { digest },
  });
  if (put) return;
  // The same upload once more, after an answer that got lost, is fine; another content is not.
  const stored = await bucket.head(key);
  if (stored?.customMetadata?.['digest'] !== digest) {
    throw new ProblemError('conflict', 'another spill is stored for this attempt');
  }
}
