// The calls that a run makes to the StepRunner: units of one step are packed into one, so many are under way at once,
// and one that has not answered when it must have is given up. Pure.
import {
  PROCESS_GRACE_MS,
  STEP_CALL_ITEMS_MAX_CHARS,
  STEP_CALLS_AT_ONCE,
  STEP_LOST_GRACE_MS,
  STEP_UNITS_TOGETHER,
} from '../../../../shared/limits.ts';
import type { Unit } from '../../../contracts/run.rpc.ts';

export interface Attempt {
  unit: Unit;
  attempt: number;
}

/** Attempts at units of one step, made together. */
export interface UnitCall {
  step: string;
  attempts: Attempt[];
}

export interface RunningCall extends UnitCall {
  startedAtMs: number;
  deadlineMs: number;
  /** Settles by `stop`: its answer is no longer wanted. */
  stopped: Promise<void>;
  stop(): void;
}

/** `charsOf`: how long the JSON of a unit's item is. */
export function pack(attempts: readonly Attempt[], charsOf: (unit: Unit) => number): UnitCall[] {
  const calls: UnitCall[] = [];
  const open = new Map<string, { call: UnitCall; chars: number }>();
  for (const attempt of attempts) {
    const { step } = attempt.unit;
    const chars = charsOf(attempt.unit);
    let last = open.get(step);
    const full =
      !last ||
      last.call.attempts.length >= STEP_UNITS_TOGETHER ||
      last.chars + chars > STEP_CALL_ITEMS_MAX_CHARS;
    if (!last || full) {
      last = { call: { step, attempts: [] }, chars: 0 };
      open.set(step, last);
      calls.push(last.call);
    }
    last.call.attempts.push(attempt);
    last.chars += chars;
  }
  return calls;
}

export class Calls {
  #waiting: UnitCall[] = [];
  readonly #running = new Set<RunningCall>();

  /** How many more may begin. */
  get free(): number {
    return Math.max(0, STEP_CALLS_AT_ONCE - this.#running.size - this.#waiting.length);
  }

  get idle(): boolean {
    return this.#running.size === 0 && this.#waiting.length === 0;
  }

  get running(): RunningCall[] {
    return [...this.#running];
  }

  add(calls: readonly UnitCall[]): void {
    this.#waiting.push(...calls);
  }

  /** Those that begin now. `timeoutMsOf`: what one attempt may take. */
  begin(nowMs: number, timeoutMsOf: (step: string) => number): RunningCall[] {
    const begun: RunningCall[] = [];
    while (this.#running.size < STEP_CALLS_AT_ONCE) {
      const call = this.#waiting.shift();
      if (!call) break;
      // All side by side, and should their isolate die one after the other.
      const most = 2 * timeoutMsOf(call.step) + PROCESS_GRACE_MS;
      const rounds = call.attempts.length === 1 ? 1 : call.attempts.length + 1;
      const deadlineMs = nowMs + rounds * most + STEP_LOST_GRACE_MS;
      const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
      const running = { ...call, startedAtMs: nowMs, deadlineMs, stopped, stop };
      this.#running.add(running);
      begun.push(running);
    }
    return begun;
  }

  /** @returns false when it was given up: its answer is ignored. */
  ended(call: RunningCall): boolean {
    return this.#running.delete(call);
  }

  /** Those that must have answered by now; they are given up. */
  takeOverdue(nowMs: number): RunningCall[] {
    const overdue = [...this.#running].filter(({ deadlineMs }) => deadlineMs <= nowMs);
    for (const call of overdue) {
      this.#running.delete(call);
      call.stop();
    }
    return overdue;
  }

  nextMs(): number | null {
    const deadlines = [...this.#running].map(({ deadlineMs }) => deadlineMs);
    return deadlines.length === 0 ? null : Math.min(...deadlines);
  }

  /** What runs is stopped and not waited for, what waits is not begun. */
  abandon(): void {
    this.#waiting = [];
    for (const call of this.#running) call.stop();
    this.#running.clear();
  }
}
