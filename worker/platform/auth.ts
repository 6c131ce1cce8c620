// Who may submit and administer: bearers of a token in the secret API_TOKENS; without that secret, callers
// on loopback hosts only, so that a deployment without tokens is not open to the world. Pure but for the digest.
import { ProblemError } from './problem.ts';

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Throws a ProblemError when the request may not go on. */
export async function authorize(request: Request, tokens: string | undefined): Promise<void> {
  const allowed = (tokens ?? '')
    .split(',')
    .map((token) => token.trim())
    .filter(Boolean);
  if (allowed.length === 0) {
    const { hostname, host } = new URL(request.url);
    const origin = request.headers.get('origin');
    // A page of another site must not reach a person's own edge through the person's browser.
    const foreign = origin !== null && URL.parse(origin)?.host !== host;
    if (LOOPBACK.test(hostname) && !foreign) return;
    if (foreign) throw new ProblemError('forbidden', `pages of ${origin} may not call this edge`);
    throw new ProblemError(
      'forbidden',
      'API_TOKENS is not set: only loopback hosts are served. Set it with `wrangler secret put API_TOKENS`.',
    );
  }
  const given = /^Bearer\s+(.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]?.trim();
  if (given !== undefined && (await anyEqual(allowed, given))) return;
  throw new ProblemError(
    'unauthorized',
    'send `Authorization: Bearer <token>` with one of the tokens in API_TOKENS',
    [],
    {
      'www-authenticate': 'Bearer',
    },
  );
}

/** Compares digests, and all of them: time tells nothing about a token. */
async function anyEqual(allowed: string[], given: string): Promise<boolean> {
  const digest = async (text: string) =>
    new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  const wanted = await digest(given);
  let equal = false;
  for (const token of allowed) {
    const bytes = await digest(token);
    equal = bytes.every((byte, i) => byte === wanted[i]) || equal;
  }
  return equal;
}
