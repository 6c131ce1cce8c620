// What user code leaves beside its output: log lines and counters. Apart from map-run.ts so that runtimes which
// only need these do not carry the engine.
import {
  COUNTER_NAME_MAX_CHARS,
  LOG_LINE_MAX_CHARS,
  LOG_LINES_MAX,
  USER_COUNTERS_MAX,
} from '../limits.ts';
import { getOwn, setOwn } from '../own.ts';
import { TaskFailure } from './task-error.ts';

/** `ctx.log` and `ctx.counter`: bounded, whatever the program does. */
export class SideOutput {
  readonly lines: string[] = [];
  readonly counters: Record<string, number> = {};
  readonly #linesMax: number;
  #names = 0;

  constructor(linesMax = LOG_LINES_MAX) {
    this.#linesMax = linesMax;
  }

  readonly log = (...values: unknown[]): void => {
    if (this.lines.length >= this.#linesMax) return;
    this.lines.push(values.map(shown).join(' ').slice(0, LOG_LINE_MAX_CHARS));
  };

  readonly counter = (name: string, by = 1): void => {
    if (typeof by !== 'number' || !Number.isFinite(by)) {
      throw new TaskFailure('bad_value', `counter ${String(name)} cannot grow by ${String(by)}`);
    }
    const key = String(name).slice(0, COUNTER_NAME_MAX_CHARS).toWellFormed();
    const before = getOwn(this.counters, key);
    if (before === undefined && ++this.#names > USER_COUNTERS_MAX) {
      throw new TaskFailure('memory', `a program may have ${USER_COUNTERS_MAX} counters`);
    }
    const sum = (before ?? 0) + by;
    if (!Number.isFinite(sum)) {
      throw new TaskFailure('bad_value', `counter ${key} has grown past the largest number`);
    }
    setOwn(this.counters, key, sum);
  };
}

function shown(value: unknown): string {
  if (typeof value === 'string') return value;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
