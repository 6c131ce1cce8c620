// The claim-check of an append: payloads that are too large for the log go to R2, and claims that events came with
// are looked up. Afterwards every event is small, and every claim that the log will hold is one that is there.
import { APPEND_MAX_CLAIMS, CONNECTIONS_MAX } from '../../shared/limits.ts';
import { utf8Length } from '../../shared/sandbox/strict-json.ts';
import type { Claim } from '../../shared/schemas/claim.ts';
import { R2_DELETE_MAX_KEYS } from '../platform/bindings.edge.ts';
import type { Env } from '../platform/env.ts';
import { claimKey } from '../platform/keys.ts';
import { ProblemError } from '../platform/problem.ts';
import { sideBySide } from '../platform/side-by-side.ts';
import { collected, putPayload, registerClaims, touchClaims } from './claims.edge.ts';

/** What an event brings: JSON text, a claim, or neither. */
export interface Luggage {
  payload: string | null;
  claim: Claim | null;
}

/**
 * The claims by place. Throws ProblemErrors, with nothing left behind: `invalid_request` for a claim that says
 * something else than what was stored, `not_found`, `gone`, `too_large` past APPEND_MAX_CLAIMS.
 */
export async function checkIn(
  env: Env,
  events: readonly Luggage[],
  claimCheckBytes: number,
  nowMs: number,
): Promise<Map<number, Claim>> {
  const claims = await lookedUp(env, events);
  const large: { place: number; payload: string }[] = [];
  events.forEach(({ payload }, place) => {
    if (payload !== null && isOver(payload, claimCheckBytes)) large.push({ place, payload });
  });
  if (large.length > APPEND_MAX_CLAIMS) {
    const detail = `${large.length} payloads are larger than the stream's claimCheckBytes (${claimCheckBytes}); one request may have ${APPEND_MAX_CLAIMS} of them`;
    throw new ProblemError('too_large', `${detail}; none of the events was appended`);
  }
  if (large.length === 0) return claims;
  const stored: Claim[] = [];
  try {
    await sideBySide(large, CONNECTIONS_MAX, async ({ place, payload }) => {
      const claim = await putPayload(env, payload, nowMs);
      stored.push(claim);
      claims.set(place, claim);
    });
    await registerClaims(env, stored);
  } catch (error) {
    await discard(env, stored);
    throw error;
  }
  return claims;
}

async function lookedUp(env: Env, events: readonly Luggage[]): Promise<Map<number, Claim>> {
  const given: { place: number; claim: Claim }[] = [];
  events.forEach(({ claim }, place) => {
    if (claim) given.push({ place, claim });
  });
  const claims = new Map<number, Claim>();
  if (given.length === 0) return claims;
  const found = await touchClaims(env, new Set(given.map(({ claim }) => claim.token)));
  for (const { place, claim } of given) {
    const stored = found.get(claim.token);
    if (stored?.kind === 'collected') throw at(place, collected(claim.token));
    if (stored?.kind !== 'there') {
      throw at(place, new ProblemError('not_found', `there is no claim ${claim.token}`));
    }
    const { bytes, sha256 } = stored.claim;
    if (bytes !== claim.bytes || sha256 !== claim.sha256) {
      const detail = `what was stored as ${claim.token} has ${bytes} bytes and the SHA-256 ${sha256}`;
      throw at(place, new ProblemError('invalid_request', detail));
    }
    claims.set(place, stored.claim);
  }
  return claims;
}

function at(place: number, { code, message }: ProblemError): ProblemError {
  const path = `[${place}].claim`;
  const detail = `${path}: ${message}; none of the events was appended`;
  return new ProblemError(code, detail, [{ path, message }]);
}

const isOver = (text: string, maxBytes: number) =>
  text.length > maxBytes || (text.length * 3 > maxBytes && utf8Length(text) > maxBytes);

/** Objects that no claim came to stand for; should they be registered after all, no client knows their tokens. */
async function discard(env: Env, claims: readonly Claim[]): Promise<void> {
  for (let i = 0; i < claims.length; i += R2_DELETE_MAX_KEYS) {
    const keys = claims.slice(i, i + R2_DELETE_MAX_KEYS).map(({ token }) => claimKey(token));
    await env.BUCKET.delete(keys).catch(() => undefined);
  }
}
