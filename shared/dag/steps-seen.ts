// `steps`, as a step's code and expressions see it. To read a step that is not there would give undefined, which becomes
// NaN or an empty text far from its cause: it throws an error that names both steps.
import { hasOwn, RealError, RealProxy } from '../sandbox/intrinsics.ts';

/** What JavaScript asks of any object, beside what all objects have. */
const ASKED_OF_ALL: object = { toJSON: null, then: null };

/** Reading it of `steps` is no mistake, though it is no step. */
export const isAskedOfAll = (name: string): boolean => name in ASKED_OF_ALL;

/** Puts the guard in the place of `given.steps`. */
export function guardStepsOf(given: Record<string, unknown>, step: string): void {
  given['steps'] = new RealProxy(given['steps'] as Record<string, unknown>, {
    get(outputs, name) {
      if (typeof name === 'string' && !hasOwn(outputs, name) && !isAskedOfAll(name)) {
        throw new RealError(
          `steps.${name} is not there for the step "${step}": "${name}" has to be in its \`needs\``,
        );
      }
      return (outputs as Record<string | symbol, unknown>)[name];
    },
  });
}
