// RFC 9457 problems: how a route says no. Thrown anywhere in a request, answered by the app's one handler.
import {
  type FieldError,
  type Problem,
  type ProblemCode,
  PROBLEMS,
} from '../../shared/schemas/problem.ts';

export class ProblemError extends Error {
  readonly code: ProblemCode;
  readonly errors: FieldError[];
  readonly headers: Record<string, string>;

  constructor(
    code: ProblemCode,
    detail: string,
    errors: FieldError[] = [],
    headers: Record<string, string> = {},
  ) {
    super(detail);
    this.code = code;
    this.errors = errors;
    this.headers = headers;
  }
}

/** What is said when an object that must exist does not. */
export const notFound = (what: string): ProblemError =>
  new ProblemError('not_found', `there is no ${what}`);

/** The value; throws `not_found` when there is none. */
export function found<Value>(value: Value | null, what: string): Value {
  if (value === null) throw notFound(what);
  return value;
}

export function problemOf({ code, message, errors }: ProblemError): Problem {
  const [status, title] = PROBLEMS[code];
  return { type: `/api/docs#${code}`, title, status, detail: message, code, errors };
}

export function problemResponse(error: ProblemError): Response {
  const problem = problemOf(error);
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: {
      ...error.headers,
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
    },
  });
}
