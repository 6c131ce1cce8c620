// `setTimeout` and `clearTimeout` of edge steps and processors. What is noted is until when a timer may move something: a
// promise that waits for one is not lost. Calls that run side by side in an isolate share the note, which can only make
// the runner wait longer.
import { apply, realClearTimeout, RealError, realNow, realSetTimeout } from './intrinsics.ts';

let latestMs = 0;

/** When the last timer is due that the program has set. */
export const timersUntilMs = (): number => latestMs;

export const timers = {
  setTimeout(callback: unknown, delayMs?: unknown, ...given: unknown[]): unknown {
    if (typeof callback !== 'function') throw new RealError('setTimeout takes a function');
    const asked = Number(delayMs);
    const ms = asked > 0 ? (asked < TIMER_MAX_MS ? asked : TIMER_MAX_MS) : 0;
    const atMs = realNow() + ms;
    if (atMs > latestMs) latestMs = atMs;
    return realSetTimeout(
      () => void apply(callback as (...given: unknown[]) => unknown, undefined, given),
      ms,
    );
  },
  clearTimeout(timer: unknown): void {
    realClearTimeout(timer);
  },
};

/** The platform's own. */
const TIMER_MAX_MS = 0x7fff_ffff;
