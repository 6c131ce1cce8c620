// The built-in combines and reduces. An accumulator per key instead of a list of values, so that they run
// in bounded memory; a `combine` gives partial results that the same built-in's `reduce` understands.
import type { Json } from '../schemas/common.ts';
import { BadValueError } from '../sandbox/task-error.ts';

export const BUILTINS = ['sum', 'count', 'min', 'max', 'first', 'collect'] as const;
export type BuiltinName = (typeof BUILTINS)[number];

export const isBuiltin = (name: unknown): name is BuiltinName =>
  (BUILTINS as readonly unknown[]).includes(name);

/** Adds one more value to what is known of a key. Numbers only for sum, min and max. */
export function accumulate(name: Exclude<BuiltinName, 'collect'>, before: Json, value: Json): Json {
  switch (name) {
    case 'sum':
      return numeric(name, before) + numeric(name, value);
    case 'count':
      return numeric(name, before) + numeric(name, value);
    case 'min':
      return Math.min(numeric(name, before), numeric(name, value));
    case 'max':
      return Math.max(numeric(name, before), numeric(name, value));
    case 'first':
      return before;
  }
}

/** What the first value of a key stands for. `combined`: it is itself a combine's partial result. */
export function initial(
  name: Exclude<BuiltinName, 'collect'>,
  value: Json,
  combined: boolean,
): Json {
  if (name === 'count') return combined ? numeric(name, value) : 1;
  return name === 'first' ? value : numeric(name, value);
}

function numeric(name: string, value: Json): number {
  if (typeof value === 'number') return value;
  throw new BadValueError(
    `"${name}" wants numbers, and got ${JSON.stringify(value).slice(0, 100)}`,
  );
}
