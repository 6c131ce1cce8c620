// What to do about a problem: one sentence a code, where there is something to be done. Pure.
import type { Problem, ProblemCode } from '../../shared/schemas/problem.ts';

const ADVICE: Partial<Record<ProblemCode, string>> = {
  unauthorized: 'Give this page a token of this edge: the key in the top bar.',
  forbidden: 'Without tokens an edge answers its own machine only. Set API_TOKENS to open it.',
  bad_program: 'Mend the program at the line named above and try again.',
  not_found: 'It may have been forgotten. The list shows what is there.',
  conflict: 'Something changed in the meantime. Look at its state, then try again.',
  too_large: 'Make it smaller, or bring the data in as a dataset.',
  cycle: 'Let the last one write to another stream, or read another.',
  gone: 'It was collected, or retention took it. Begin at what is still there.',
  stream_full: 'Shorten its retention, raise its bound, or wait until old events expire.',
  rate_limited: 'Wait a moment and try again.',
  internal: 'Try again. If it stays, the server’s log tells more.',
  unavailable: 'This page tries again by itself.',
};

export function adviceFor(problem: Problem): string | null {
  return ADVICE[problem.code] ?? null;
}
