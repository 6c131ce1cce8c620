// Parse at the edges: what a request carries goes through a zod schema, and what does not fit becomes one
// `invalid_request` problem that names every place.
import type { Context } from 'hono';
import type * as z from 'zod';
import { IDEMPOTENCY_KEY_MAX_CHARS, JSON_BODY_MAX_BYTES } from '../../shared/limits.ts';
import type { FieldError } from '../../shared/schemas/problem.ts';
import type { AppEnv } from './env.ts';
import { ProblemError } from './problem.ts';

type Issues = z.core.$ZodIssue[];

/** Throws a ProblemError that lists every field that does not fit. */
export function parse<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  where = 'request',
): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = fieldErrors(parsed.error.issues);
  const first = errors[0];
  const detail = first ? `${first.path || where}: ${first.message}` : `the ${where} is not valid`;
  throw new ProblemError('invalid_request', detail, errors);
}

export const parseQuery = <Schema extends z.ZodType>(c: Context<AppEnv>, schema: Schema) =>
  parse(schema, c.req.query(), 'query');

/** The JSON body, bounded. Throws `too_large` or `invalid_request`. */
export async function jsonBody(request: Request, maxBytes = JSON_BODY_MAX_BYTES): Promise<unknown> {
  const bytes = await boundedBytes(request, maxBytes);
  try {
    return JSON.parse(
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes),
    ) as unknown;
  } catch (error) {
    const detail = `the body is not JSON: ${error instanceof Error ? error.message : String(error)}`;
    throw new ProblemError('invalid_request', detail, [{ path: '', message: detail }]);
  }
}

/** The whole body when it has at most `maxBytes`; reads no further than that. Throws `too_large`. */
export async function boundedBytes(
  request: Request,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = () =>
    new ProblemError('too_large', `the body may have at most ${maxBytes} bytes`);
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (request.body) {
    for await (const chunk of request.body as ReadableStream<Uint8Array>) {
      length += chunk.length;
      if (length > maxBytes) throw tooLarge();
      chunks.push(chunk);
    }
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** A union's own message says little: the branch that came nearest says more. */
function fieldErrors(issues: Issues, prefix: PropertyKey[] = []): FieldError[] {
  return issues.flatMap((issue): FieldError[] => {
    const path = [...prefix, ...issue.path];
    if (issue.code === 'invalid_union' && issue.errors.length > 0) {
      const nearest = issue.errors.toSorted((a, b) => distance(a) - distance(b))[0] as Issues;
      return fieldErrors(nearest, path);
    }
    return [{ path: path.map(String).join('.'), message: issue.message }];
  });
}

/** Branches that miss whole keys are farther than those where a value is wrong. */
function distance(issues: Issues): number {
  return issues.reduce((sum, issue) => {
    const misses = issue.code === 'unrecognized_keys' ? issue.keys.length * 2 : 1;
    return sum + (issue.code === 'invalid_type' && issue.input === undefined ? 3 : misses);
  }, 0);
}

/** The Idempotency-Key header; null without one. Throws when it is too long to keep. */
export function idempotencyKey(request: Request): string | null {
  const key = request.headers.get('idempotency-key');
  if (key === null) return null;
  if (key.length === 0 || key.length > IDEMPOTENCY_KEY_MAX_CHARS) {
    throw new ProblemError(
      'invalid_request',
      `Idempotency-Key has 1 to ${IDEMPOTENCY_KEY_MAX_CHARS} characters`,
    );
  }
  return key;
}
