// /api/leases/:lease/…: the data plane. A lease is its own permission: signed, expiring, for one range, one
// program and one object. No Durable Object is asked.
import { DIGEST_HEADER, INPUT_START_HEADER, RANGE_HEADER } from '../../shared/protocol.ts';
import { leaseSecret } from '../catalog/lease-secret.edge.ts';
import { openLease, openRange, signRange } from '../jobs/mapreduce/lease.ts';
import { InputMissingError, openInput, storeSpill } from '../jobs/mapreduce/lease-data.edge.ts';
import { RecordTooLongError } from '../jobs/mapreduce/align.ts';
import type { Env } from '../platform/env.ts';
import { programKey } from '../platform/keys.ts';
import { ProblemError } from '../platform/problem.ts';
import type { Handlers } from './serve.ts';
import { uploadOf } from './upload.ts';

/** Binary and uncached: anything else is compressed or written to a disk cache on its way. */
const DATA_HEADERS = { 'content-type': 'application/octet-stream', 'cache-control': 'no-store' };

async function claimsOf(env: Env, lease: string) {
  const secret = await leaseSecret(env);
  const claims = await openLease(secret, lease, Date.now());
  if (!claims)
    throw new ProblemError('bad_lease', 'the lease is not signed by this edge, or has run out');
  return { secret, claims };
}

export const leaseHandlers: Handlers<'leases'> = {
  async input({ env, params: { lease } }) {
    const { claims, secret } = await claimsOf(env, lease);
    if (!claims.input)
      throw new ProblemError('not_found', 'a range of integers has no input bytes');
    try {
      const { start, end, body } = await openInput(env.BUCKET, claims.input);
      const headers = {
        ...DATA_HEADERS,
        [INPUT_START_HEADER]: String(start),
        [RANGE_HEADER]: await signRange(secret, claims, { start, end }),
        'content-length': String(end - start),
      };
      return new Response(body, { headers, encodeBody: 'manual' });
    } catch (error) {
      if (error instanceof InputMissingError) throw new ProblemError('gone', error.message);
      if (error instanceof RecordTooLongError) throw new ProblemError('too_large', error.message);
      throw error;
    }
  },
  async program({ env, params: { lease } }) {
    const { claims } = await claimsOf(env, lease);
    const program = await env.BUCKET.get(programKey(claims.job));
    if (!program) throw new ProblemError('gone', `the job ${claims.job} was deleted`);
    return new Response(program.body, { headers: DATA_HEADERS });
  },
  async output({ c, env, params: { lease } }) {
    const { claims, secret } = await claimsOf(env, lease);
    const { body, contentLength: bytes } = uploadOf(c);
    if (!body || bytes === null) {
      throw new ProblemError('length_required', 'a spill is sent with its Content-Length');
    }
    const digest = c.req.header(DIGEST_HEADER) ?? '';
    const receipt = await storeSpill(env.BUCKET, secret, {
      claims,
      body,
      bytes,
      digest,
      range: await openRange(secret, claims, c.req.header(RANGE_HEADER) ?? ''),
    });
    return { receipt };
  },
};
