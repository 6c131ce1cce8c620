// Payloads that lie in R2: stored raw or out of an append, read back against their hash. A token comes into the
// world after its bytes do, so that a client that has one can read them.
import { PAYLOAD_MAX_BYTES } from '../../shared/limits.ts';
import type { Claim } from '../../shared/schemas/claim.ts';
import { type IncomingBody, storeBody } from '../platform/body-writer.edge.ts';
import { largeChunks, streamOf } from '../platform/byte-stream.ts';
import type { Env } from '../platform/env.ts';
import { newId } from '../platform/new-id.edge.ts';
import { claimKey } from '../platform/keys.ts';
import { claimObject, claimShard, claimShardOf } from '../stubs.ts';
import { notFound, ProblemError } from '../platform/problem.ts';
import { hex, sha256Hex } from '../platform/sha256.ts';
import type { FoundClaim } from '../contracts/claim.rpc.ts';

const encoder = new TextEncoder();

/** A raw body of any size. Throws ProblemErrors: `invalid_request` for a body cut off, `too_large`. */
export async function storeClaim(env: Env, body: IncomingBody, nowMs: number): Promise<Claim> {
  const token = newId('claim', nowMs);
  const key = claimKey(token);
  const { bytes, sha256 } = await storeBody(env.BUCKET, key, body);
  const claim = { token, bytes, sha256, contentType: body.contentType };
  try {
    await claimObject(env, token).register([claim]);
  } catch (error) {
    // When only the answer is lost, no client knows the token, and the claim is collected as an orphan.
    await env.BUCKET.delete(key);
    throw error;
  }
  return claim;
}

/** A payload out of an event, not registered yet. */
export async function putPayload(env: Env, json: string, nowMs: number): Promise<Claim> {
  const token = newId('claim', nowMs);
  const bytes = encoder.encode(json);
  const contentType = 'application/json';
  const [sha256] = await Promise.all([
    sha256Hex(bytes),
    env.BUCKET.put(claimKey(token), bytes, { httpMetadata: { contentType } }),
  ]);
  return { token, bytes: bytes.length, sha256, contentType };
}

/** One call a shard. */
export async function registerClaims(env: Env, claims: readonly Claim[]): Promise<void> {
  const shards = Map.groupBy(claims, ({ token }) => claimShardOf(token));
  await Promise.all([...shards].map(([shard, group]) => claimShard(env, shard).register(group)));
}

/** Looks several up for an append that is about to refer to them; one call per shard. */
export async function touchClaims(
  env: Env,
  tokens: ReadonlySet<string>,
): Promise<Map<string, FoundClaim>> {
  const shards = Map.groupBy(tokens, claimShardOf);
  const found = new Map<string, FoundClaim>();
  await Promise.all(
    [...shards].map(async ([shard, group]) => {
      const answers = await claimShard(env, shard).touch(group);
      group.forEach((token, i) => found.set(token, answers[i] ?? { kind: 'unknown' }));
    }),
  );
  return found;
}

/**
 * The bytes as a stream that fails, before its last chunk, when they are not what was stored. Throws `not_found`
 * and `gone`.
 */
export async function openClaim(
  env: Env,
  token: string,
): Promise<{ claim: Claim; body: ReadableStream<Uint8Array> }> {
  const { claim, object } = await objectOf(env, token);
  return { claim, body: streamOf(checked(claim, object)) };
}

/**
 * The same for a claim whose holder asks, and knows what it says: no other question is asked. Throws `gone` when its
 * object is not there.
 */
export async function openHeldClaim(env: Env, claim: Claim): Promise<ReadableStream<Uint8Array>> {
  const object = await env.BUCKET.get(claimKey(claim.token));
  if (!object) throw collected(claim.token);
  if (object.size !== claim.bytes) {
    await object.body.cancel();
    throw tampered(claim.token);
  }
  return streamOf(checked(claim, object));
}

/** The whole payload, checked. Throws `not_found`, `gone`, `too_large` past PAYLOAD_MAX_BYTES. */
export async function readPayload(
  env: Env,
  token: string,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; contentType: string }> {
  const { claim, object } = await objectOf(env, token);
  if (claim.bytes > PAYLOAD_MAX_BYTES) {
    await object.body.cancel();
    const detail = `the payload has ${claim.bytes} bytes; at most ${PAYLOAD_MAX_BYTES} are read at once`;
    throw new ProblemError('too_large', detail);
  }
  const bytes = new Uint8Array(await object.arrayBuffer());
  if ((await sha256Hex(bytes)) !== claim.sha256) {
    throw tampered(token);
  }
  return { bytes, contentType: claim.contentType };
}

async function objectOf(env: Env, token: string): Promise<{ claim: Claim; object: R2ObjectBody }> {
  const found = await claimObject(env, token).find(token);
  if (found.kind === 'unknown') throw notFound(`claim ${token}`);
  const object = found.kind === 'there' ? await env.BUCKET.get(found.key) : null;
  if (found.kind === 'collected' || !object) throw collected(token);
  if (object.size !== found.claim.bytes) {
    await object.body.cancel();
    throw tampered(token);
  }
  return { claim: found.claim, object };
}

export const collected = (token: string) =>
  new ProblemError('gone', `the payload of ${token} was collected: no event refers to it any more`);

const tampered = (token: string) =>
  new ProblemError('internal', `the bytes of ${token} are not those that its SHA-256 was taken of`);

/** Holds the last chunk back until the hash is known: who got all bytes got the right ones. */
async function* checked(
  { token, bytes, sha256 }: Claim,
  { body }: R2ObjectBody,
): AsyncGenerator<Uint8Array> {
  const hash = new crypto.DigestStream('SHA-256');
  hash.digest.catch(() => undefined);
  const hashing = hash.getWriter();
  let held: Uint8Array | null = null;
  let length = 0;
  for await (const chunk of largeChunks(body, bytes)) {
    length += chunk.length;
    await hashing.write(chunk);
    if (held) yield held;
    held = chunk;
  }
  await hashing.close();
  if (length !== bytes || hex(await hash.digest) !== sha256) throw tampered(token);
  if (held) yield held;
}
