// The bound on a processor's parameters: they go along with every call of its code.
import { PARAMS_MAX_BYTES } from '../../../shared/limits.ts';
import { ProblemError } from '../../platform/problem.ts';

/** Throws `too_large`. */
export function checkParams(params: unknown, path: string): void {
  if (JSON.stringify(params).length <= PARAMS_MAX_BYTES) return;
  const message = `${path} may have at most ${PARAMS_MAX_BYTES} bytes as JSON`;
  throw new ProblemError('too_large', message, [{ path, message }]);
}
