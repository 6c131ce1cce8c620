// /api/claims: payloads that lie in R2 instead of in an event. Validates, calls, answers.
import { Hono } from 'hono';
import * as z from 'zod';
import { CONTENT_TYPE_MAX_CHARS } from '../../shared/limits.ts';
import { Claim } from '../../shared/schemas/claim.ts';
import { openClaim, storeClaim } from '../claim-check/claims.edge.ts';
import type { AppEnv } from '../platform/env.ts';
import { parse } from '../platform/validate.ts';

const ContentType = z.string().max(CONTENT_TYPE_MAX_CHARS).default('application/octet-stream');
const ContentLength = z.coerce.number().int().min(0);

/** What the payload's own type is, since its bytes are always served as binary. */
const CONTENT_TYPE_HEADER = 'claim-content-type';

export const claimRoutes = new Hono<AppEnv>()
  .post('/', async (c) => {
    const length = c.req.header('content-length');
    const storing = storeClaim(
      c.env,
      {
        contentType: parse(ContentType, c.req.header('content-type') || undefined, 'content-type'),
        contentLength: length === undefined ? null : parse(ContentLength, length, 'content-length'),
        body: c.req.raw.body as ReadableStream<Uint8Array> | null,
      },
      Date.now(),
    );
    // A client that goes away ends its request; what was begun must still be undone.
    c.executionCtx.waitUntil(storing.catch(() => undefined));
    const claim = await storing;
    return c.json(claim, 201, { location: `/api/claims/${claim.token}` });
  })
  .get('/:token', async (c) => {
    const token = parse(Claim.shape.token, c.req.param('token'), 'token');
    const { claim, body } = await openClaim(c.env, token);
    // A stream of known length: a body that breaks off is seen as one.
    const sized = new FixedLengthStream(claim.bytes);
    const piping = body.pipeTo(sized.writable).catch(() => undefined);
    c.executionCtx.waitUntil(piping);
    return new Response(sized.readable, {
      headers: {
        'content-type': 'application/octet-stream',
        'content-disposition': `attachment; filename="${token}"`,
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        [CONTENT_TYPE_HEADER]: headerText(claim.contentType),
        etag: `"${claim.sha256}"`,
      },
    });
  });

/** A type that came with letters that a header may not carry is shown without them. */
const headerText = (text: string) => text.replace(/[^\x20-\x7e]/g, '?');
