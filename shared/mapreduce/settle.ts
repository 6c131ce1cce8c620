// Waits for what user code returns, but not for ever. User code has no timers and no network: its promises can
// only be settled by other promises of its own, all of which run before the next macrotask. One that is still
// pending then is pending for ever, and would hold a worker, or the edge's queue, until its lease ran out.
import { TaskFailure } from './task-error.ts';

/** Kept before user code runs in this realm. */
const realSetTimeout = setTimeout;

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  );
}

type Waiting = (error: TaskFailure) => void;
let waiting: Waiting | null = null;
let armed = false;

/** One timer for all waits: it fires only once every promise that can be settled is. */
function arm(): void {
  if (armed) return;
  armed = true;
  realSetTimeout(() => {
    armed = false;
    const stuck = waiting;
    waiting = null;
    stuck?.(new TaskFailure('program_threw', 'returned a promise that nothing will ever settle'));
  }, 0);
}

/** The value of a promise that user code returned. Runs of one realm take turns, so one wait at a time. */
export function settle(promise: PromiseLike<unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    waiting = reject;
    arm();
    const done = () => {
      if (waiting === reject) waiting = null;
    };
    promise.then(
      (value) => {
        done();
        resolve(value);
      },
      (error: unknown) => {
        done();
        reject(error as Error);
      },
    );
  });
}
