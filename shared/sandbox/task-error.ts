// Turns whatever user code throws into a TaskError with its place in the submitted code. Stacks are V8's:
// browsers name the program by its sourceURL, the edge by its module.
import { ERROR_MESSAGE_MAX_CHARS, ERROR_STACK_MAX_CHARS } from '../limits.ts';
import type { TaskError, TaskErrorCode } from '../schemas/job.ts';

/** The program's name in stacks, in both places. */
export const PROGRAM_FILE = 'program.js';

/** A failure with its own stable code. */
export class TaskFailure extends Error {
  readonly code: TaskErrorCode;
  constructor(code: TaskErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
export class BadKeyError extends TaskFailure {
  constructor(message: string) {
    super('bad_key', message);
  }
}
export class BadValueError extends TaskFailure {
  constructor(message: string) {
    super('bad_value', message);
  }
}
/** It is over the bytes that it may have. */
export class ValueTooLargeError extends BadValueError {}

/** Lines and columns that the realm puts before the user's first line: `new Function` adds two lines. */
export interface ProgramOrigin {
  lines: number;
  /** On the first line only: the text that wraps the program. */
  firstLineColumns: number;
}

/** A stack's row: "    at name (program.js:1:2)", or "name@program.js:1:2". The message's rows are not. */
const FRAME = new RegExp(
  `^(?:\\s+at .*|[^\\s]*@)\\b${PROGRAM_FILE.replace('.', '\\.')}:(\\d+):(\\d+)`,
);

/** Never throws, whatever was thrown. */
export function taskErrorOf(
  thrown: unknown,
  origin: ProgramOrigin,
  fallback: TaskErrorCode = 'program_threw',
): TaskError {
  const { message, stack, name } = describe(thrown);
  const code =
    thrown instanceof TaskFailure
      ? thrown.code
      : name === 'LoopGuardError'
        ? 'loop_guard'
        : fallback;
  const error: TaskError = { code, message: message.slice(0, ERROR_MESSAGE_MAX_CHARS) };
  const frames = ownFrames(stack, origin);
  const first = frames[0];
  if (first) Object.assign(error, { line: first.line, column: first.column });
  const shown = frames.map((frame) => frame.text).join('\n');
  if (shown) error.stack = `${message}\n${shown}`.slice(0, ERROR_STACK_MAX_CHARS);
  return error;
}

function describe(thrown: unknown): { message: string; stack: string; name: string } {
  try {
    if (thrown instanceof Error) {
      const name = String(thrown.name);
      const text = String(thrown.message);
      const message = thrown instanceof TaskFailure ? text : text ? `${name}: ${text}` : name;
      return { message, stack: String(thrown.stack ?? ''), name };
    }
    return { message: `threw ${String(thrown)}`, stack: '', name: '' };
  } catch {
    return { message: 'threw a value that cannot be described', stack: '', name: '' };
  }
}

/** The stack's lines within the program, with its own line numbers. */
function ownFrames(
  stack: string,
  origin: ProgramOrigin,
): { line: number; column: number; text: string }[] {
  const frames: { line: number; column: number; text: string }[] = [];
  for (const row of stack.split('\n')) {
    const place = FRAME.exec(row);
    if (!place) continue;
    const line = Number(place[1]) - origin.lines;
    if (line < 1) continue;
    const column = Number(place[2]) - (line === 1 ? origin.firstLineColumns : 0);
    const name =
      /at (?:async )?([\w$.<>[\] ]+?) \(/.exec(row)?.[1]?.replace(/^(?:Object|eval)\.?/, '') ?? '';
    // The loop guard's own frame is not the person's code.
    if (/^__step_*$/.test(name)) continue;
    frames.push({
      line,
      column: Math.max(1, column),
      text: `    at ${name || 'program'} (${PROGRAM_FILE}:${line}:${Math.max(1, column)})`,
    });
  }
  return frames;
}
