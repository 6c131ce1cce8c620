// One answer's worth of a partition's events, as JSON text: lines of the log are JSON objects already and need no
// parsing, unless claims are to be opened on the way.
import { CONNECTIONS_MAX, READ_MAX_BYTES } from '../../shared/limits.ts';
import type { StreamEvent } from '../../shared/schemas/stream.ts';
import { readPayload } from '../claim-check/claims.edge.ts';
import type { Env } from '../platform/env.ts';
import { logObject } from '../stubs.ts';
import { notFound, ProblemError } from '../platform/problem.ts';
import { sideBySide } from '../platform/side-by-side.ts';
import type { PartitionRef } from '../contracts/names.ts';
import { expired, readEvents } from './read.edge.ts';

export interface PageQuery {
  from: number | 'earliest' | 'latest';
  limit: number;
  /** Puts payloads that are JSON in the place of their claims. */
  resolve: boolean;
}

/** JSON of an EventsPage. Throws `not_found`, and `gone` for an offset out of retention. */
export async function eventsPage(
  env: Env,
  ref: PartitionRef,
  { from, limit, resolve }: PageQuery,
): Promise<string> {
  const bounds = { maxEvents: limit, maxBytes: READ_MAX_BYTES };
  let at = typeof from === 'number' ? from : await logObject(env, ref).resolve(from);
  let read = await readEvents(env, ref, at, bounds);
  if (read.kind === 'expired' && from === 'earliest') {
    // Retention moved the beginning a moment ago.
    at = read.first;
    read = await readEvents(env, ref, at, bounds);
  }
  if (read.kind === 'unknown') throw notFound(`stream ${ref.stream}`);
  if (read.kind === 'expired') throw expired(ref.partition, at, read.first);
  if (read.kind === 'end') return pageText([], read.next);
  if (resolve) return resolvedPage(env, read.first, read.text);
  return pageText([read.text.replaceAll('\n', ',')], read.first + read.count);
}

const pageText = (events: readonly string[], next: number) =>
  `{"events":[${events.join(',')}],"next":${next}}`;

/** Ends before the event whose payload would make it larger than READ_MAX_BYTES. */
async function resolvedPage(env: Env, first: number, text: string): Promise<string> {
  const events: { line: string; token: string | null }[] = [];
  let bytes = 0;
  for (const line of text.split('\n')) {
    const { claim } = JSON.parse(line) as StreamEvent;
    // One that does not fit even alone stays a claim.
    const opened = claim && isJson(claim.contentType) && claim.bytes <= READ_MAX_BYTES;
    bytes += line.length + (opened ? claim.bytes : 0);
    if (events.length > 0 && bytes > READ_MAX_BYTES) break;
    events.push({ line, token: opened ? claim.token : null });
  }
  const resolved = await sideBySide(events, CONNECTIONS_MAX, async ({ line, token }) =>
    token === null ? line : withPayload(env, line, token),
  );
  return pageText(resolved, first + events.length);
}

/** A payload that was collected meanwhile, or is no JSON whatever its type says, stays a claim. */
async function withPayload(env: Env, line: string, token: string): Promise<string> {
  try {
    const { bytes } = await readPayload(env, token);
    const payload = decoder.decode(bytes);
    JSON.parse(payload);
    const { claim: _, ...event } = JSON.parse(line) as StreamEvent;
    return `${JSON.stringify(event).slice(0, -1)},"payload":${payload}}`;
  } catch (error) {
    const isGone = error instanceof ProblemError && ['gone', 'not_found'].includes(error.code);
    if (isGone || error instanceof SyntaxError || error instanceof TypeError) return line;
    throw error;
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

const isJson = (contentType: string) => /^application\/(.+\+)?json\s*(;|$)/i.test(contentType);
