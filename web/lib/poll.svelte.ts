// Something that is asked for again and again while the page is in sight: the newest value, and the problem
// if the last try failed. A hidden tab asks nothing; coming back asks at once. After failures it asks less
// often, and not at all where asking again cannot help: without a token, or for what is gone.
import type { Problem } from '../../shared/schemas/problem.ts';
import { asProblem } from './api.ts';

const FAILED_MAX_MS = 15_000;
const FINAL_STATUSES: ReadonlySet<number> = new Set([401, 403, 404, 410]);

export interface Poll<Value> {
  readonly value: Value | null;
  readonly problem: Problem | null;
  /** Asks now, whatever the time. */
  refresh(): Promise<void>;
}

/**
 * Polls while the calling component lives. Must be called while a component is set up.
 * `everyMs` may be a function: null means that nothing more will change.
 */
export function poll<Value>(
  load: () => Promise<Value>,
  everyMs: number | (() => number | null),
): Poll<Value> {
  let value = $state.raw<Value | null>(null);
  let problem = $state.raw<Problem | null>(null);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let alive = true;
  let asked = 0;
  let failures = 0;

  const schedule = () => {
    clearTimeout(timer);
    if (!alive || document.visibilityState === 'hidden') return;
    if (problem && FINAL_STATUSES.has(problem.status)) return;
    const ms = typeof everyMs === 'number' ? everyMs : everyMs();
    if (ms === null) return;
    timer = setTimeout(
      () => void refresh(),
      Math.max(ms, Math.min(FAILED_MAX_MS, ms * 2 ** failures)),
    );
  };
  async function refresh(): Promise<void> {
    clearTimeout(timer);
    const mine = ++asked;
    try {
      const next = await load();
      if (!alive || mine !== asked) return; // a newer question is under way
      value = next;
      problem = null;
      failures = 0;
    } catch (error) {
      if (!alive || mine !== asked) return;
      problem = asProblem(error);
      failures++;
    }
    schedule();
  }
  const seen = () => {
    if (document.visibilityState === 'visible') void refresh();
    else clearTimeout(timer);
  };

  $effect(() => {
    document.addEventListener('visibilitychange', seen);
    return () => {
      alive = false;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  });
  void refresh();

  return {
    get value() {
      return value;
    },
    get problem() {
      return problem;
    },
    refresh,
  };
}
