// What isolates of user code have in common: how their realm is cut down before any of the program runs, and
// where stacks find the program's first line.
import { MODULE_ORIGIN } from '../../shared/sandbox/program-text.ts';
import type { ProgramOrigin } from '../../shared/sandbox/task-error.ts';

/** Source text: takes all globals away that are not named, and makes the console silent. */
export const cutRealm = (allowed: readonly string[]): string => `
const allowed = new Set(${JSON.stringify(allowed)});
for (let object = globalThis; object !== null && object !== Object.prototype; object = Object.getPrototypeOf(object)) {
  for (const name of Reflect.ownKeys(object)) if (!allowed.has(name)) Reflect.deleteProperty(object, name);
}
const silent = () => undefined;
globalThis.console = { log: silent, info: silent, debug: silent, warn: silent, error: silent };
`;

/** What the guard puts in front of the program's first line moves its columns. */
export function originOf(text: string, guarded: string): ProgramOrigin {
  const shift = guarded.indexOf(text.slice(0, text.indexOf(';')));
  const firstLineColumns = MODULE_ORIGIN.firstLineColumns + Math.max(0, shift);
  return { ...MODULE_ORIGIN, firstLineColumns };
}
