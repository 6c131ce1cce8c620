// The wrapper that compileProgram puts around a program: one expression whose value is a factory. Apart
// from program.ts so that the runtime, which only runs compiled texts, does not carry the parser.
import type { ProgramOrigin } from './task-error.ts';

export const PROGRAM_HEAD = '(function () { "use strict"; ';
const TAIL_START = '\n; return { ';
const TAIL_END = ' }; })';

export const wrapProgram = (members: string[]): { head: string; tail: string } => ({
  head: PROGRAM_HEAD,
  // The newline ends a comment that the program may end with.
  tail: `${TAIL_START}${members.join(', ')}${TAIL_END}`,
});

/** The same program with one more member. */
export const withMember = (text: string, member: string): string => {
  if (!text.endsWith(TAIL_END)) throw new Error('withMember: not a compiled program');
  return `${text.slice(0, -TAIL_END.length)}, ${member}${TAIL_END}`;
};

/** The program as its author would recognise it: without the wrapper. */
export function programSource(text: string): string {
  const start = text.startsWith(PROGRAM_HEAD) ? PROGRAM_HEAD.length : 0;
  const end = text.lastIndexOf(TAIL_START);
  return text.slice(start, end < 0 ? undefined : end);
}

/** Where stacks find the first line of a text evaluated by `new Function('return ' + text)`. */
export const NEW_FUNCTION_ORIGIN: ProgramOrigin = {
  lines: 2,
  firstLineColumns: 'return '.length + PROGRAM_HEAD.length,
};

/** The module that an isolate imports a program as, and where stacks find its first line. */
export const MODULE_HEAD = 'export default ';
export const MODULE_ORIGIN: ProgramOrigin = {
  lines: 0,
  firstLineColumns: MODULE_HEAD.length + PROGRAM_HEAD.length,
};
