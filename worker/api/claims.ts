// /api/claims: payloads that lie in R2 instead of in an event.
import { openClaim, storeClaim } from '../claim-check/claims.edge.ts';
import { notModified } from '../platform/conditions.ts';
import { created, type Handlers } from './serve.ts';
import { uploadOf } from './upload.ts';

/** What the payload's own type is, since its bytes are always served as binary. */
const CONTENT_TYPE_HEADER = 'claim-content-type';

export const claimHandlers: Handlers<'claims'> = {
  async store({ c, env, outlive }) {
    const claim = await outlive(storeClaim(env, uploadOf(c), Date.now()));
    return created(claim, `/api/claims/${claim.token}`);
  },
  async bytes({ c, env, params: { token }, outlive }) {
    const { claim, body } = await openClaim(env, token);
    const etag = `"${claim.sha256}"`;
    const answer = notModified(c.req.raw.headers, { etag }, { etag });
    if (answer) {
      await body.cancel();
      return answer;
    }
    // A stream of known length: a body that breaks off is seen as one.
    const sized = new FixedLengthStream(claim.bytes);
    void outlive(body.pipeTo(sized.writable)).catch(() => undefined);
    return new Response(sized.readable, {
      headers: {
        'content-type': 'application/octet-stream',
        'content-disposition': `attachment; filename="${token}"`,
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        [CONTENT_TYPE_HEADER]: headerText(claim.contentType),
        etag,
      },
    });
  },
};

/** A type that came with letters that a header may not carry is shown without them. */
const headerText = (text: string) => text.replace(/[^\x20-\x7e]/g, '?');
