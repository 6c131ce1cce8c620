// A request's body as events: bounded, decoded, checked whole, and appended.
import { APPEND_MAX_BYTES } from '../../shared/limits.ts';
import { messageOf } from '../../shared/message-of.ts';
import type { Appended } from '../../shared/schemas/stream.ts';
import type { Env } from '../platform/env.ts';
import { ProblemError } from '../platform/problem.ts';
import { sha256Hex } from '../platform/sha256.ts';
import { boundedBytes, idempotencyKey } from '../platform/validate.ts';
import { appendEvents } from './append.edge.ts';
import { type NewEvent, parseEventBody, parseEventLines } from './events.ts';
import { streamNamed } from './streams.edge.ts';

const NDJSON = /^application\/(x-)?(ndjson|jsonl)\b/i;

/** Throws ProblemErrors: what `appendEvents` throws, and `too_large` past APPEND_MAX_BYTES. */
export async function receiveEvents(env: Env, name: string, request: Request): Promise<Appended> {
  const key = idempotencyKey(request);
  const stream = await streamNamed(env, name);
  const bytes = await bodyBytes(request);
  const options = key === null ? {} : { request: { key, digest: await sha256Hex(bytes) } };
  const isLines = NDJSON.test(request.headers.get('content-type') ?? '');
  return appendEvents(env, stream, isLines ? fromLines(bytes) : fromJson(bytes), options);
}

async function bodyBytes(request: Request): Promise<Uint8Array> {
  try {
    return await boundedBytes(request, APPEND_MAX_BYTES);
  } catch (error) {
    if (!(error instanceof ProblemError && error.code === 'too_large')) throw error;
    const detail = `${error.message}; send large payloads to POST /api/claims first, and their claims in the events`;
    throw new ProblemError('too_large', detail);
  }
}

const fromLines = (bytes: Uint8Array): NewEvent[] => parseEventLines(decoded(bytes));

function fromJson(bytes: Uint8Array): NewEvent[] {
  const text = decoded(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const detail = `the body is not JSON: ${messageOf(error)}`;
    throw new ProblemError('invalid_request', detail, [{ path: '', message: detail }]);
  }
  return parseEventBody(value, text);
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    const detail = 'the body is not UTF-8';
    throw new ProblemError('invalid_request', detail, [{ path: '', message: detail }]);
  }
}
