// A Durable Object's one alarm, and the loop around it. The platform repeats an alarm that throws six times and is
// silent then. So `run` never throws, and sets the alarm ahead before the work begins: the isolate may die in it.
import { backoffMs } from '../../shared/backoff.ts';
import { Failures } from './failures.ts';

/** How soon the work is done again when the isolate died in it. */
export const ALARM_AHEAD_MS = 10_000;
/** An alarm that should have fired so long ago is dead: local alarms do not survive a reload. */
const ALARM_DEAD_MS = 5_000;
/** The waits after failures. */
export const ALARM_RETRY = { baseMs: 2_000, maxMs: 300_000 };
/** Failed work waits at least this long. */
export const ALARM_RETRY_MIN_MS = 500;

export type AlarmStorage = Pick<DurableObjectStorage, 'setAlarm' | 'deleteAlarm'>;

export interface AlarmClock {
  nowMs(): number;
  /** In [0, 1). */
  random(): number;
}

export const systemClock: AlarmClock = {
  nowMs: () => Date.now(),
  random: () => Math.random(),
};

/** When to try again after so many failures in a row. */
export const retryAtMs = ({ nowMs, random }: AlarmClock, failures: number): number =>
  Math.ceil(nowMs() + ALARM_RETRY_MIN_MS + backoffMs(ALARM_RETRY, failures - 1, random()));

export class Alarm {
  readonly #storage: AlarmStorage;
  readonly #nextMs: () => number | null;
  readonly #clock: AlarmClock;
  readonly #failures = new Failures();
  /** What the alarm is set to, as far as this instance knows. */
  #armedMs: number | null = null;
  #closed = false;

  /** `nextMs`: when there is something to do; null: nothing. Asked whenever the alarm may have to be set. */
  constructor(storage: AlarmStorage, nextMs: () => number | null, clock = systemClock) {
    this.#storage = storage;
    this.#nextMs = nextMs;
    this.#clock = clock;
  }

  /** Sets the alarm if it has to come earlier. One that comes too early is cheaper than a write for each change. */
  arm(): void {
    const atMs = this.#closed ? null : this.#nextMs();
    const armedMs = this.#armedMs;
    const stands = armedMs !== null && atMs !== null && armedMs <= atMs;
    if (atMs === null || (stands && armedMs > this.#clock.nowMs() - ALARM_DEAD_MS)) return;
    this.#set(atMs);
  }

  /** For the object's `alarm()`. */
  async run(work: () => Promise<void>): Promise<void> {
    if (this.#closed) return;
    this.#set(this.#clock.nowMs() + ALARM_AHEAD_MS);
    let notBeforeMs = -Infinity;
    try {
      await work();
      this.#failures.over('an alarm');
    } catch (error) {
      notBeforeMs = retryAtMs(this.#clock, this.#failures.failed('an alarm', error));
    }
    if (this.#closed) return;
    const nextMs = this.#nextMs();
    if (nextMs !== null || notBeforeMs > 0) this.#set(Math.max(nextMs ?? 0, notBeforeMs));
    else {
      this.#armedMs = null;
      void this.#storage.deleteAlarm();
    }
  }

  /** The storage is about to be deleted: the alarm is never set again. */
  close(): void {
    this.#closed = true;
  }

  #set(atMs: number): void {
    this.#armedMs = atMs;
    void this.#storage.setAlarm(atMs);
  }
}
