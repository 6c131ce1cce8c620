// How long a call into user code may take, and what it means when it throws. The isolate's own failures come as values,
// not as exceptions.
import { messageOf } from '../../shared/message-of.ts';
import { EDGE_TASK_MS } from '../../shared/limits.ts';
import type { TaskError } from '../../shared/schemas/job.ts';

export class DeadlineError extends Error {}

/** The platform ends code that computes too long; this ends code that waits for ever. */
export async function withDeadline<Result>(
  work: Promise<Result>,
  ms: number = EDGE_TASK_MS,
): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeadlineError(`nothing came back within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** What an exception around a call into an isolate means. */
export function isolateError(error: unknown): TaskError {
  const message = messageOf(error);
  if (error instanceof DeadlineError || /CPU time limit|hung|canceled/i.test(message)) {
    return { code: 'deadline', message };
  }
  if (/memory limit/i.test(message)) return { code: 'memory', message };
  return { code: 'internal', message };
}
