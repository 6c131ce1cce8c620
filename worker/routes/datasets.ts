// /api/datasets: bytes in, bytes out, whole or in parts. Validates, calls, answers.
import { type Context, Hono } from 'hono';
import * as z from 'zod';
import { CONTENT_TYPE_MAX_CHARS } from '../../shared/limits.ts';
import { ListQuery, ResourceName } from '../../shared/schemas/common.ts';
import { type Dataset, PartQuery } from '../../shared/schemas/dataset.ts';
import type { StoredDataset } from '../contracts/catalog.rpc.ts';
import { abortParts, completeParts, storePart } from '../datasets/parts.edge.ts';
import { serveBytes } from '../datasets/serve.edge.ts';
import { storeDataset } from '../datasets/upload.edge.ts';
import type { AppEnv } from '../platform/env.ts';
import { catalog } from '../stubs.ts';
import { notFound, ProblemError } from '../platform/problem.ts';
import { parse, parseQuery } from '../platform/validate.ts';

type NamedContext = Context<AppEnv, '/:name'>;

const ContentType = z.string().max(CONTENT_TYPE_MAX_CHARS).default('application/octet-stream');
const ContentLength = z.coerce.number().int().min(0);

const nameOf = (c: NamedContext) => parse(ResourceName, c.req.param('name'), 'name');

const contentTypeOf = (c: NamedContext) =>
  parse(ContentType, c.req.header('content-type') || undefined, 'content-type');

function contentLengthOf(c: NamedContext): number | null {
  const header = c.req.header('content-length');
  return header === undefined ? null : parse(ContentLength, header, 'content-length');
}

async function stored(c: NamedContext): Promise<StoredDataset> {
  const name = nameOf(c);
  const dataset = await catalog(c.env).dataset(name);
  if (!dataset) throw notFound(`dataset ${name}`);
  return dataset;
}

/** A client that goes away ends its request; what was begun must still be undone. */
function outlive<Value>(c: NamedContext, work: Promise<Value>): Promise<Value> {
  c.executionCtx.waitUntil(work.catch(() => undefined));
  return work;
}

const created = (c: NamedContext, dataset: Dataset) =>
  c.json(dataset, 201, { location: `/api/datasets/${dataset.name}` });

export const datasetRoutes = new Hono<AppEnv>()
  .get('/', async (c) => {
    const { cursor, limit } = parseQuery(c, ListQuery);
    return c.json(await catalog(c.env).datasets(cursor, limit));
  })
  .put('/:name', async (c) => {
    const upload = {
      name: nameOf(c),
      contentType: contentTypeOf(c),
      contentLength: contentLengthOf(c),
      body: c.req.raw.body as ReadableStream<Uint8Array> | null,
    };
    return created(c, await outlive(c, storeDataset(c.env, upload, Date.now())));
  })
  .get('/:name', async (c) => {
    const { key: _, ...dataset } = await stored(c);
    return c.json(dataset satisfies Dataset);
  })
  .delete('/:name', async (c) => {
    const name = nameOf(c);
    if (!(await catalog(c.env).deleteDataset(name))) throw notFound(`dataset ${name}`);
    return c.body(null, 204);
  })
  .get('/:name/bytes', async (c) => {
    // A second try: the dataset may be replaced between the look-up and the read.
    for (let tries = 1; tries <= 2; tries++) {
      const response = await serveBytes(c.env.BUCKET, await stored(c), c.req.raw);
      if (response) return response;
    }
    throw new ProblemError('gone', 'the bytes of this dataset are no longer there');
  })
  .post('/:name/parts', async (c) => {
    const name = nameOf(c);
    const { part } = parseQuery(c, PartQuery);
    const body = c.req.raw.body as ReadableStream<Uint8Array> | null;
    const bytes = contentLengthOf(c);
    if (bytes === null) {
      throw new ProblemError('length_required', 'a part is sent with its Content-Length');
    }
    if (!body || bytes === 0) {
      throw new ProblemError('invalid_request', 'a part has at least one byte');
    }
    const upload = { name, part, contentType: contentTypeOf(c), body, bytes };
    return c.json(await outlive(c, storePart(c.env, upload, Date.now())));
  })
  .get('/:name/parts', async (c) => {
    const parts = await catalog(c.env).parts(nameOf(c));
    return c.json({ items: parts, next: null });
  })
  .delete('/:name/parts', async (c) => {
    await abortParts(c.env, nameOf(c));
    return c.body(null, 204);
  })
  .post('/:name/complete', async (c) =>
    created(c, await outlive(c, completeParts(c.env, nameOf(c), Date.now()))),
  );
