// Something that is asked for again and again while the page is in sight: the newest value, and the problem
// if the last try failed. A hidden tab asks nothing; coming back asks at once.
import type { Problem } from '../../shared/schemas/problem.ts';
import { asProblem } from './api.ts';

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

  const schedule = () => {
    clearTimeout(timer);
    if (!alive || document.visibilityState === 'hidden') return;
    const ms = typeof everyMs === 'number' ? everyMs : everyMs();
    if (ms !== null) timer = setTimeout(() => void refresh(), ms);
  };
  async function refresh(): Promise<void> {
    clearTimeout(timer);
    const mine = ++asked;
    try {
      const next = await load();
      if (!alive || mine !== asked) return; // a newer question is under way
      value = next;
      problem = null;
    } catch (error) {
      if (!alive || mine !== asked) return;
      problem = asProblem(error);
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
