// What it means when a call into a processor's isolate fails, or answers what cannot be. What user code does wrong
// comes as a value; what is thrown is either a crash, when it is unknown which event killed the isolate, or
// infrastructure.
import { PROCESS_GRACE_MS, PROCESS_START_MS, PROCESS_TIMEOUT_MS } from '../../shared/limits.ts';
import type { TaskError } from '../../shared/schemas/job.ts';
import { isolateError } from './deadline.ts';

/** The isolate died, or did not answer: an event is at fault, and it is unknown which. */
export class IsolateCrashError extends Error {
  readonly error: TaskError;
  constructor(error: TaskError) {
    super(error.message);
    this.error = error;
  }
}

/** What killed the isolate; null for everything that is not the code's fault. */
export const crashOf = (error: unknown): TaskError | null =>
  error instanceof IsolateCrashError ? error.error : null;

/** The program's top level throws: no event's fault, and no event gets anywhere until the code is changed. */
export class ProgramLoadError extends Error {
  constructor({ message, line, column }: TaskError) {
    const place = line === undefined ? '' : `, line ${line}, column ${column ?? 1}`;
    super(`the program does not load${place}: ${message}`);
  }
}

/** The window's events could not be read to the end. */
export class InputFailedError extends Error {}

/** A batch whose last event takes all its time has come to its end by then. */
export const PROCESS_MS = PROCESS_START_MS + PROCESS_TIMEOUT_MS + PROCESS_GRACE_MS;

/** The platform's own trouble, and programs that V8 refuses though the compiler took them. */
const NOT_THE_EVENTS_FAULT = /internal error|SyntaxError|Failed to start|overloaded/i;

/** The error to throw for what a call of an isolate threw. */
export function meaningOf(thrown: unknown): Error {
  for (const known of [ProgramLoadError, InputFailedError, IsolateCrashError]) {
    if (thrown instanceof known) return thrown;
  }
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { message } = error;
  if (NOT_THE_EVENTS_FAULT.test(message)) return error;
  return new IsolateCrashError(isolateError(error));
}

/** Comes from where the program runs too: what does not add up is the program's doing. */
export function notBelieved(): IsolateCrashError {
  const message = 'what came back does not add up: does the program change built-ins?';
  return new IsolateCrashError({ code: 'program_threw', message });
}

/** Lines begin with their partition and offset. */
const OFFSET = /^\{"partition":\d+,"offset":(\d+)/;

export const offsetOf = (line: string): number => Number(OFFSET.exec(line)?.[1] ?? -1);

export function countNewlines(text: string): number {
  let newlines = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) newlines++;
  return newlines;
}
