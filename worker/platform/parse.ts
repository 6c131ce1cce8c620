// What comes from outside goes through a zod schema, and what does not fit becomes one `invalid_request` problem
// that names every place.
import type * as z from 'zod';
import type { FieldError } from '../../shared/schemas/problem.ts';
import { ProblemError } from './problem.ts';

type Issues = z.core.$ZodIssue[];

/** Throws a ProblemError that lists every field that does not fit. */
export function parse<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  where = 'request',
): z.output<Schema> {
  const parsed = safely(schema, value, where);
  if (parsed.success) return parsed.data;
  const errors = fieldErrors(parsed.error.issues);
  const first = errors[0];
  const detail = first ? `${first.path || where}: ${first.message}` : `the ${where} is not valid`;
  throw new ProblemError('invalid_request', detail, errors);
}

/** JSON may be nested as deeply as somebody likes; the stack is not that deep. */
function safely<Schema extends z.ZodType>(schema: Schema, value: unknown, where: string) {
  try {
    return schema.safeParse(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ProblemError('invalid_request', `the ${where} is nested too deeply`);
  }
}

/** A union's own message says little: the branch that came nearest says more. */
function fieldErrors(issues: Issues, prefix: PropertyKey[] = []): FieldError[] {
  return issues.flatMap((issue): FieldError[] => {
    const path = [...prefix, ...issue.path];
    if (issue.code === 'invalid_union' && issue.errors.length > 0) {
      const nearest = issue.errors.toSorted((a, b) => distance(a) - distance(b))[0] as Issues;
      return fieldErrors(nearest, path);
    }
    if (issue.code === 'invalid_key') return fieldErrors(issue.issues, path);
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
