// Waits for what user code returns, but not for ever. User code has no timers and no network: its promises can
// only be settled by other promises of its own, all of which run before the next macrotask. One that is still
// pending a moment later is pending for ever, and would hold a worker, or the edge's queue, until its lease
// ran out.
import { TaskFailure } from './task-error.ts';

/** Kept before user code runs in this realm. */
const realSetTimeout = setTimeout;

/** Far more than any promise of user code needs: the timer itself fires only once all of them have run. */
const SETTLE_MS = 2_000;

type Waiting = (error: TaskFailure) => void;
let waiting: Waiting | null = null;
let armed = false;

/** One timer for all waits; it ends a wait that was there when it was set. */
function arm(): void {
  if (armed || waiting === null) return;
  const since = waiting;
  armed = true;
  realSetTimeout(() => {
    armed = false;
    if (waiting !== since) return arm();
    waiting = null;
    since(new TaskFailure('program_threw', 'returned a promise that nothing will ever settle'));
  }, SETTLE_MS);
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
