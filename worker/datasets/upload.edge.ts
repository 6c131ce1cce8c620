// A dataset sent as one body, into a new immutable object. The name points to it only when all of it is there;
// whatever fails half-way leaves nothing behind.
import { isoTime } from '../../shared/iso-time.ts';
import type { Dataset } from '../../shared/schemas/dataset.ts';
import type { StoredDataset } from '../contracts/catalog.rpc.ts';
import { type IncomingBody, storeBody } from '../platform/body-writer.edge.ts';
import type { Env } from '../platform/env.ts';
import { newId } from '../platform/new-id.edge.ts';
import { datasetKey } from '../platform/keys.ts';
import { catalog } from '../stubs.ts';

export interface DatasetUpload extends IncomingBody {
  name: string;
}

/** Throws ProblemErrors: `invalid_request` for a body cut off, `too_large`. */
export async function storeDataset(
  env: Env,
  { name, ...body }: DatasetUpload,
  nowMs: number,
): Promise<Dataset> {
  const key = datasetKey(name, newId('v', nowMs));
  const { bytes, sha256 } = await storeBody(env.BUCKET, key, body);
  const { contentType } = body;
  const createdAt = isoTime(nowMs);
  const dataset = { name, bytes, sha256, contentType, createdAt };
  await publish(env, { ...dataset, key });
  return dataset;
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
