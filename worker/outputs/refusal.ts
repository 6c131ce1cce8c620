// What it means that a stream does not take an output: it is gone, or it never will.
import { ProblemError } from '../platform/problem.ts';
import type { OutputEvents } from './effects.ts';

export class OutputMissingError extends Error {}

/** Nothing would change if it were tried again. */
export function isRefusal(error: unknown, { events }: OutputEvents): error is ProblemError {
  if (!(error instanceof ProblemError)) return false;
  if (error.code === 'gone' || error.code === 'invalid_request' || error.code === 'too_large') {
    return true;
  }
  // A claim that does not exist. The stream itself was looked up before.
  return error.code === 'not_found' && events.some(({ claim }) => claim !== null);
}
