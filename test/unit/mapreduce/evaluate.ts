// Evaluates a compiled program as a sandboxed worker does.
import { PROGRAM_FILE } from '../../../shared/sandbox/task-error.ts';

export interface Loaded {
  map: (record: unknown, emit: (key: unknown, value: unknown) => void, ctx: unknown) => unknown;
  combine?: unknown;
  reduce?: unknown;
}

export function evaluate(text: string): () => Loaded {
  // eslint has no say here: running a program's text is what is tested.
  const make = Reflect.construct(Function, [
    `return ${text}\n//# sourceURL=${PROGRAM_FILE}`,
  ]) as () => () => Loaded;
  return make();
}
