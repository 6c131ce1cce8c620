// Conditional requests (RFC 9110 §13). None is ignored: an operation names in its headers the conditions that it
// honours, and a request with any other one is refused before its work begins.
import { ProblemError } from './problem.ts';

const CONDITIONS = [
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
] as const;
export type Conditions = { readonly [Name in (typeof CONDITIONS)[number]]?: string };

/** What conditions are compared with. */
export interface Validators {
  /** Strong, in quotes. */
  etag: string;
  /** ISO time. */
  modified?: string;
}

/** The conditions of a request. Throws `invalid_request` for those not in `honoured`, and for a part of a body. */
export function conditionsOf(
  headers: Headers,
  honoured: readonly string[] = CONDITIONS,
): Conditions {
  const conditions: { -readonly [Name in keyof Conditions]: string } = {};
  for (const header of CONDITIONS) {
    const value = headers.get(header);
    if (value === null) continue;
    if (!honoured.includes(header)) throw refused(header, `this operation takes no ${header}`);
    if (header.endsWith('-since') && !isHttpDate(value)) {
      throw refused(header, 'a time is written like "Sun, 06 Nov 1994 08:49:37 GMT"');
    }
    conditions[header] = value;
  }
  if (headers.has('content-range')) {
    const message =
      'a body is taken whole; pieces of a dataset go to POST /api/datasets/:name/parts?part=n';
    throw refused('content-range', message);
  }
  return conditions;
}

const refused = (path: string, message: string) =>
  new ProblemError('invalid_request', `${path}: ${message}`, [{ path, message }]);

const isHttpDate = (text: string) => {
  const ms = Date.parse(text);
  return Number.isFinite(ms) && httpDate(ms) === text;
};
const httpDate = (ms: number) => new Date(ms).toUTCString();

/** As the header Last-Modified says it. */
export const lastModified = (iso: string) => httpDate(Date.parse(iso));

/** "unchanged": a read answers 304, and a write is refused. `current`: null when there is nothing. */
export function compare(
  conditions: Conditions,
  current: Validators | null,
): 'go' | 'unchanged' | 'failed' {
  const ifMatch = conditions['if-match'];
  const ifNoneMatch = conditions['if-none-match'];
  // Headers count seconds.
  const seconds = (text: string) => Math.floor(Date.parse(text) / 1000);
  const modified = current?.modified === undefined ? null : seconds(current.modified);
  const notAfter = (time: string | undefined) =>
    time === undefined || modified === null ? null : modified <= seconds(time);
  if (ifMatch !== undefined) {
    if (!names(ifMatch, current)) return 'failed';
  } else if (notAfter(conditions['if-unmodified-since']) === false) {
    return 'failed';
  }
  if (ifNoneMatch !== undefined) {
    return names(ifNoneMatch.replace(/\bW\//g, ''), current) ? 'unchanged' : 'go';
  }
  return notAfter(conditions['if-modified-since']) === true ? 'unchanged' : 'go';
}

const names = (header: string, current: Validators | null) =>
  current !== null &&
  header.split(',').some((tag) => tag.trim() === '*' || tag.trim() === current.etag);

/** Throws `precondition_failed` unless a write may go on. */
export function assertMet(verdict: ReturnType<typeof compare>): void {
  if (verdict === 'go') return;
  const detail = 'the resource is not as the conditions of the request say: nothing was changed';
  throw new ProblemError('precondition_failed', detail);
}

/** What a read answers instead of the whole; null: the whole. Throws `precondition_failed`. */
export function notModified(
  headers: Headers,
  current: Validators,
  shown: Record<string, string>,
): Response | null {
  const verdict = compare(conditionsOf(headers), current);
  if (verdict === 'unchanged') return new Response(null, { status: 304, headers: shown });
  assertMet(verdict);
  return null;
}

/** Of an object that never changes, by its key. */
export const etagOf = (key: string) => `"${key.slice(key.lastIndexOf('/') + 1)}"`;
