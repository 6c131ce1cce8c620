// A dataset sent in parts, for bodies over the platform's request limit and for connections that break: each
// part can be sent again, and nothing is visible before `completeParts`. One upload a name goes on at a time.
import { isoTime } from '../../shared/iso-time.ts';
import { messageOf } from '../../shared/message-of.ts';
import type { Dataset, UploadedPart } from '../../shared/schemas/dataset.ts';
import type { Upload } from '../contracts/catalog.rpc.ts';
import { cutOff } from '../platform/body-writer.edge.ts';
import type { Env } from '../platform/env.ts';
import { newId } from '../platform/new-id.edge.ts';
import { datasetKey } from '../platform/keys.ts';
import { catalog } from '../stubs.ts';
import { ProblemError } from '../platform/problem.ts';
import { partErrors } from './part-sizes.ts';
import { publish } from './upload.edge.ts';

export interface PartUpload {
  name: string;
  part: number;
  contentType: string;
  body: ReadableStream<Uint8Array>;
  bytes: number;
}

/** Stores a part; the first one begins the upload, and its content type is the dataset's. */
export async function storePart(
  env: Env,
  { name, part, contentType, body, bytes }: PartUpload,
  nowMs: number,
): Promise<UploadedPart> {
  const upload = (await catalog(env).upload(name)) ?? (await begin(env, name, contentType, nowMs));
  // R2 wants to know the length beforehand; the stream fails when more or fewer bytes come.
  const { readable, writable } = new FixedLengthStream(bytes);
  const multipart = env.BUCKET.resumeMultipartUpload(upload.key, upload.uploadId);
  const [piped, stored] = await Promise.allSettled([
    body.pipeTo(writable),
    multipart.uploadPart(part, readable),
  ]);
  if (stored.status === 'rejected') {
    if (isGone(stored.reason)) {
      await catalog(env).endUpload(name, upload.uploadId);
      throw new ProblemError('gone', 'the upload is no longer there; begin again with part 1');
    }
    if (piped.status === 'rejected') throw cutOff(bytes);
    throw stored.reason;
  }
  const uploaded = { part, bytes, etag: stored.value.etag };
  await catalog(env).addPart(name, upload.uploadId, uploaded);
  return uploaded;
}

async function begin(env: Env, name: string, contentType: string, nowMs: number): Promise<Upload> {
  const key = datasetKey(name, newId('v', nowMs));
  const multipart = await env.BUCKET.createMultipartUpload(key, { httpMetadata: { contentType } });
  const mine = { key, uploadId: multipart.uploadId, contentType };
  const upload = await catalog(env).beginUpload(name, mine);
  // Somebody else's part came first: theirs goes on.
  if (upload.uploadId !== mine.uploadId) await multipart.abort();
  return upload;
}

/** Puts the parts together. Throws `not_found` without an upload, `invalid_request` when parts do not fit. */
export async function completeParts(env: Env, name: string, nowMs: number): Promise<Dataset> {
  const upload = await uploadOf(env, name);
  const parts = await catalog(env).parts(name);
  const errors = partErrors(parts);
  const first = errors[0];
  if (first) {
    throw new ProblemError('invalid_request', `${first.path}: ${first.message}`, errors);
  }
  const { key, uploadId, contentType } = upload;
  const pieces = parts.map(({ part, etag }) => ({ partNumber: part, etag }));
  const object = await env.BUCKET.resumeMultipartUpload(key, uploadId)
    .complete(pieces)
    // Completed already, by a call whose answer got lost: the object is there.
    .catch(async (error: unknown) => {
      const stored = await env.BUCKET.head(key);
      if (stored) return stored;
      const reason = messageOf(error);
      throw new ProblemError('conflict', `the parts cannot be put together: ${reason}`);
    });
  const createdAt = isoTime(nowMs);
  const dataset = { name, bytes: object.size, contentType, createdAt };
  await publish(env, { ...dataset, key });
  await catalog(env).endUpload(name, uploadId);
  return dataset;
}

/** Gives an upload up. */
export async function abortParts(env: Env, name: string): Promise<void> {
  const { key, uploadId } = await uploadOf(env, name);
  await env.BUCKET.resumeMultipartUpload(key, uploadId)
    .abort()
    .catch((error: unknown) => {
      if (!isGone(error)) throw error;
    });
  await catalog(env).endUpload(name, uploadId);
}

async function uploadOf(env: Env, name: string): Promise<Upload> {
  const upload = await catalog(env).upload(name);
  if (!upload) throw new ProblemError('not_found', `no upload in parts of ${name} goes on`);
  return upload;
}

/** R2's own code for a multipart upload that was completed, aborted or forgotten. */
const isGone = (error: unknown) => error instanceof Error && error.message.includes('(10024)');
