// Evaluates what the compiler made, as an isolate does, for tests in Node.
import { PROGRAM_FILE } from '../../../shared/sandbox/task-error.ts';

export type Factory = (step: (by: number) => void) => Record<string, unknown>;

export function evaluated(text: string): Factory {
  const make = Reflect.construct(Function, [
    `return ${text}\n//# sourceURL=${PROGRAM_FILE}`,
  ]) as () => Factory;
  return make();
}
