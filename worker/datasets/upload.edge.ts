// A dataset sent as one body, into a new immutable object. The name points to it only when all of it is there;
// whatever fails half-way leaves nothing behind.
import { isoTime } from '../../shared/iso-time.ts';
import type { Dataset } from '../../shared/schemas/dataset.ts';
import type { StoredDataset } from '../contracts/catalog.rpc.ts';
import { type IncomingBody, storeBody } from '../platform/body-writer.edge.ts';
import { assertMet, compare, type Conditions, etagOf } from '../platform/conditions.ts';
import type { Env } from '../platform/env.ts';
import { newId } from '../platform/new-id.edge.ts';
import { datasetKey } from '../platform/keys.ts';
import { catalog } from '../stubs.ts';

export interface DatasetUpload extends IncomingBody {
  name: string;
  /** Of the dataset that has the name now. */
  conditions?: Conditions;
}

/** Throws ProblemErrors: `invalid_request` for a body cut off, `too_large`, `precondition_failed`. */
export async function storeDataset(
  env: Env,
  { name, conditions = {}, ...body }: DatasetUpload,
  nowMs: number,
): Promise<Dataset> {
  if (Object.keys(conditions).length > 0) {
    // Looked at again when all of the body is there: this saves an upload in vain.
    const current = await catalog(env).dataset(name);
    assertMet(compare(conditions, current && { etag: etagOf(current.key) }));
  }
  const key = datasetKey(name, newId('v', nowMs));
  const { bytes, sha256 } = await storeBody(env.BUCKET, key, body);
  const { contentType } = body;
  const createdAt = isoTime(nowMs);
  const dataset = { name, bytes, sha256, contentType, createdAt };
  await publish(env, { ...dataset, key }, conditions);
  return dataset;
}

/** Makes the name point to the object; an object that no name came to point to is deleted. */
export async function publish(
  env: Env,
  dataset: StoredDataset,
  conditions: Conditions = {},
): Promise<void> {
  try {
    assertMet(await catalog(env).putDataset(dataset, conditions));
  } catch (error) {
    // The answer may be what got lost. When that cannot be found out, an orphan is the lesser evil.
    const current = await catalog(env).dataset(dataset.name);
    if (current?.key === dataset.key) return;
    await env.BUCKET.delete(dataset.key);
    throw error;
  }
}
