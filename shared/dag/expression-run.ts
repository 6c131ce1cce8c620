// Evaluates expressions of a DAG job's steps. Each gets its own copy of `{input, steps}`; what it comes to is checked
// here, where it is still a value: a condition is true or false, `forEach` gives a list, a key is a text.
import { FOR_EACH_ITEMS_MAX, FOR_EACH_ITEMS_MAX_BYTES, VALUE_MAX_BYTES } from '../limits.ts';
import { keyText, valueText } from '../sandbox/strict-json.ts';
import {
  BadValueError,
  type ProgramOrigin,
  TaskFailure,
  ValueTooLargeError,
} from '../sandbox/task-error.ts';
import {
  apply,
  indexIn,
  isArray,
  isThenable,
  parse,
  sliceOf,
  stringify,
} from '../sandbox/intrinsics.ts';
import { errorOf, type UserFunction } from '../sandbox/load.ts';
import { StepCount } from '../sandbox/step-count.ts';
import { guardStepsOf } from './steps-seen.ts';
import type { ExpressionCall, ExpressionOutcome } from './step.ts';

/** The value of what compileExpressions compiled. */
export type ExpressionFactory = (step: (by: number) => void) => Record<string, unknown>;

export interface ExpressionRun {
  factory: ExpressionFactory;
  call: ExpressionCall;
  /** `{"input": …, "steps": {…}}` */
  json: string;
  origin: ProgramOrigin;
  guardSteps: number | null;
}

/** Throws only when `json` is none. */
export function runExpressions({
  factory,
  call: { names },
  json,
  origin,
  guardSteps,
}: ExpressionRun): ExpressionOutcome {
  const steps = new StepCount(guardSteps, 'expression');
  const results: ExpressionOutcome['results'] = [];
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    const given = parse(json) as Record<string, unknown>;
    guardStepsOf(given, sliceOf(name, 0, indexIn(name, '.')));
    steps.begin();
    try {
      const expression = factory(steps.step)[name];
      if (typeof expression !== 'function') {
        throw new TaskFailure('bad_program', `there is no expression ${name}`);
      }
      const value = apply(expression as UserFunction, undefined, [given]);
      results[i] = { ok: true, json: textOf(name, value) };
    } catch (thrown) {
      // Places are those of all expressions together: they would say nothing.
      const { code, message } = errorOf(thrown, origin);
      results[i] = { ok: false, error: { code, message: `${name}: ${message}` } };
    }
  }
  return { results };
}

function textOf(name: string, value: unknown): string {
  if (isThenable(value)) throw new BadValueError('it has to be a value, not a promise');
  if (endsWith(name, '.when')) return value ? 'true' : 'false';
  if (endsWith(name, '.key')) return stringify(keyText(value));
  if (!endsWith(name, '.forEach')) return valueText(value ?? null, name, VALUE_MAX_BYTES);
  if (!isArray(value)) throw new BadValueError('it has to give a list');
  if (value.length > FOR_EACH_ITEMS_MAX) {
    throw new BadValueError(`it gave ${value.length} items; it may give ${FOR_EACH_ITEMS_MAX}`);
  }
  try {
    return valueText(value, name, FOR_EACH_ITEMS_MAX_BYTES);
  } catch (error) {
    if (!(error instanceof ValueTooLargeError)) throw error;
    const message = `its items together have at most ${FOR_EACH_ITEMS_MAX_BYTES} bytes as JSON`;
    throw new TaskFailure('memory', message);
  }
}

const endsWith = (text: string, end: string): boolean =>
  sliceOf(text, text.length - end.length) === end;
