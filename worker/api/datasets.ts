// /api/datasets: bytes in, bytes out, whole or in parts.
import type { Dataset } from '../../shared/schemas/dataset.ts';
import type { StoredDataset } from '../contracts/catalog.rpc.ts';
import { abortParts, completeParts, storePart } from '../datasets/parts.edge.ts';
import { serveBytes } from '../datasets/serve.edge.ts';
import { storeDataset } from '../datasets/upload.edge.ts';
import { assertMet, conditionsOf } from '../platform/conditions.ts';
import type { Env } from '../platform/env.ts';
import { catalog } from '../stubs.ts';
import { found, ProblemError } from '../platform/problem.ts';
import { created, type Handlers } from './serve.ts';
import { uploadOf } from './upload.ts';

const stored = async (env: Env, name: string): Promise<StoredDataset> =>
  found(await catalog(env).dataset(name), `dataset ${name}`);

const complete = (dataset: Dataset) => created(dataset, `/api/datasets/${dataset.name}`);

export const datasetHandlers: Handlers<'datasets'> = {
  list: ({ env, query: { cursor, limit } }) => catalog(env).datasets(cursor, limit),
  async put({ c, env, params: { name }, outlive }) {
    const conditions = conditionsOf(c.req.raw.headers);
    const upload = { name, ...uploadOf(c), conditions };
    return complete(await outlive(storeDataset(env, upload, Date.now())));
  },
  async get({ env, params: { name } }) {
    const { key: _, ...dataset } = await stored(env, name);
    return dataset;
  },
  async delete({ c, env, params: { name } }) {
    const verdict = await catalog(env).deleteDataset(name, conditionsOf(c.req.raw.headers));
    assertMet(found(verdict, `dataset ${name}`));
  },
  async bytes({ c, env, params: { name } }) {
    // A second try: the dataset may be replaced between the look-up and the read.
    for (let tries = 1; tries <= 2; tries++) {
      const response = await serveBytes(env.BUCKET, await stored(env, name), c.req.raw);
      if (response) return response;
    }
    throw new ProblemError('gone', 'the bytes of this dataset are no longer there');
  },
  async putPart({ c, env, params: { name }, query: { part }, outlive }) {
    const { contentType, contentLength: bytes, body } = uploadOf(c);
    if (bytes === null) {
      throw new ProblemError('length_required', 'a part is sent with its Content-Length');
    }
    if (!body || bytes === 0) {
      throw new ProblemError('invalid_request', 'a part has at least one byte');
    }
    return outlive(storePart(env, { name, part, contentType, body, bytes }, Date.now()));
  },
  async parts({ env, params: { name } }) {
    return { items: await catalog(env).parts(name), next: null };
  },
  async abortParts({ env, params: { name } }) {
    await abortParts(env, name);
  },
  async complete({ env, params: { name }, outlive }) {
    return complete(await outlive(completeParts(env, name, Date.now())));
  },
};
