// Batches of event lines on their way into a run of user code, and the offsets on their way out.
import type { TaskError } from '../schemas/job.ts';
import { parse, splitText } from '../sandbox/intrinsics.ts';

/** The lines of a batch. */
export function linesOf(text: string): string[] {
  const lines = splitText(text, '\n');
  while (lines.length > 0 && lines[lines.length - 1] === '') lines.length--;
  return lines;
}

/** The offset of the first line that was not run; null: there is none. */
export const stoppedBefore = (line: string | undefined): number | null =>
  line === undefined ? null : (parse(line) as { offset: number }).offset;

export function failuresByOffset(
  failures: readonly { at: number; error: TaskError }[],
): { offset: number; error: TaskError }[] {
  const byOffset: { offset: number; error: TaskError }[] = [];
  for (let i = 0; i < failures.length; i++) {
    const { at, error } = failures[i] as { at: number; error: TaskError };
    byOffset[i] = { offset: at, error };
  }
  return byOffset;
}
