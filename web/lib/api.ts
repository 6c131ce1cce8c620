// The page's one client of the edge, with this browser's token. Every failure is a problem with a stable code.
import { ApiProblem, createClient } from '../../shared/client.ts';
import type { Problem } from '../../shared/schemas/problem.ts';
import { token } from './token.svelte.ts';

export const client = createClient('', {
  token: () => token.value,
  onProblem: ({ status }) => {
    if (status === 401) token.refused();
  },
});

/** Anything thrown, as a problem that can be shown. */
export function asProblem(error: unknown): Problem {
  if (error instanceof ApiProblem) return error.problem;
  return {
    type: 'about:blank',
    title: 'Something broke in this page',
    status: 0,
    detail: error instanceof Error ? error.message : String(error),
    code: 'internal',
    errors: [],
  };
}
