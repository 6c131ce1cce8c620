// What a call throws when the edge refuses, or cannot be reached: always a problem with a stable code.
import type { Problem } from '../schemas/problem.ts';

/** What the edge refused and why; `problem.status` 0: it was not reached at all. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly problem: Problem;
  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.detail || problem.title, options);
    this.problem = problem;
  }
  /** The same request may well succeed later. */
  get isPassing(): boolean {
    const { status } = this.problem;
    return status === 0 || status === 429 || status >= 500;
  }
}

export const UNREACHED: Problem = {
  type: 'about:blank',
  title: 'The edge does not answer',
  status: 0,
  detail: 'No answer from this address. Is the server running, and this device online?',
  code: 'unavailable',
  errors: [],
};

/** The problem in an answer; what lies between client and edge may have answered something else. */
export function problemOf(status: number, body: unknown): Problem {
  const said = (typeof body === 'object' && body !== null ? body : {}) as Partial<Problem>;
  return {
    type: said.type ?? 'about:blank',
    title: said.title ?? 'The edge gave no reason',
    status,
    detail: said.detail ?? `HTTP status ${status}.`,
    code: said.code ?? (status >= 500 ? 'internal' : 'invalid_request'),
    errors: said.errors ?? [],
  };
}
