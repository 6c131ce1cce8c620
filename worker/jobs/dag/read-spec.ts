// A submitted job, read: the schema sees what JSON.parse makes of the text, and that drops steps without a word.
import { stepKeys } from '../../../shared/dag/step-keys.ts';
import { JobSpec } from '../../../shared/schemas/jobs.ts';
import type { FieldError } from '../../../shared/schemas/problem.ts';
import { parse } from '../../platform/parse.ts';
import { ProblemError } from '../../platform/problem.ts';

/** Throws `invalid_request`. `text` is what `value` was parsed from. */
export function readJobSpec(text: string, value: unknown): JobSpec {
  const spec = parse(JobSpec, value, 'body');
  if (spec.kind === 'dag') assertNames(stepKeys(text), spec.steps);
  return spec;
}

function assertNames(names: readonly string[], steps: object): void {
  const seen = new Set<string>();
  const errors: FieldError[] = [];
  for (const name of names) {
    const path = `steps.${name}`;
    if (!Object.hasOwn(steps, name)) {
      errors.push({ path, message: 'this name means something else in JavaScript' });
    } else if (seen.has(name)) errors.push({ path, message: 'there are two steps of this name' });
    seen.add(name);
  }
  const [first] = errors;
  if (!first) return;
  throw new ProblemError('invalid_request', `${first.path}: ${first.message}`, errors);
}
