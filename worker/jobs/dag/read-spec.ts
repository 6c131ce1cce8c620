// The steps of a submitted DAG, by name: the schema sees what JSON.parse makes of the text, and of two steps of one name
// that keeps the last.
import { stepKeys } from '../../../shared/dag/step-keys.ts';
import type { FieldError } from '../../../shared/schemas/problem.ts';
import { ProblemError } from '../../platform/problem.ts';

/** Throws `invalid_request`. `text` is what the specification was parsed from. */
export function assertStepNames(text: string): void {
  const seen = new Set<string>();
  const errors: FieldError[] = [];
  for (const name of stepKeys(text)) {
    if (seen.has(name)) {
      errors.push({ path: `steps.${name}`, message: 'there are two steps of this name' });
    }
    seen.add(name);
  }
  const [first] = errors;
  if (!first) return;
  throw new ProblemError('invalid_request', `${first.path}: ${first.message}`, errors);
}
