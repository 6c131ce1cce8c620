// Things that an object has to get done by others, each under a name: those of one name follow each other, and of those
// that wait only the newest is done. One that fails, or does not end in time, is done again after a pause: so calls that
// hang do not use up the few that may run at once. Pure but for the work itself.
import { backoffMs } from '../../shared/backoff.ts';
import { CONNECTIONS_MAX, EFFECT_TIMEOUT_MS } from '../../shared/limits.ts';
import { Failures } from './failures.ts';

const AGAIN = { baseMs: 500, maxMs: 30_000 };

/**
 * Comes to null when it is done, else to the milliseconds after which to do it again. `failures`: so far, in a row. May
 * be begun again while a call that was given up still runs: what it does must be idempotent.
 */
export type Work = (failures: number) => Promise<number | null>;

interface Effect {
  work: Work;
  atMs: number;
  failures: number;
  /** Null: it waits. */
  running: { deadlineMs: number } | null;
  /** Takes its place when it has ended. */
  next: { work: Work; atMs: number } | null;
}

export interface EffectPorts {
  nowMs(): number;
  random(): number;
  later(work: Promise<void>): void;
  /** One has ended, or failed: others may be due. */
  ended(): void;
}

export class Effects {
  readonly #effects = new Map<string, Effect>();
  readonly #failures = new Failures();
  readonly #ports: EffectPorts;
  readonly #running = new Set<Effect['running']>();

  constructor(ports: EffectPorts) {
    this.#ports = ports;
  }

  get size(): number {
    return this.#effects.size;
  }

  has(name: string): boolean {
    return this.#effects.has(name);
  }

  /** Takes the place of one of that name; one that runs is waited for. */
  add(name: string, atMs: number, work: Work): void {
    const effect = this.#effects.get(name);
    if (effect?.running) effect.next = { work, atMs };
    else this.#effects.set(name, { work, atMs, failures: 0, running: null, next: null });
  }

  clear(): void {
    this.#effects.clear();
    this.#running.clear();
  }

  /** Due now, if it waits. */
  hurry(name: string, nowMs: number): void {
    const effect = this.#effects.get(name);
    if (effect && effect.atMs > nowMs) effect.atMs = nowMs;
  }

  /** Begins what is due, and gives up what should have ended. */
  begin(nowMs: number): void {
    for (const [name, effect] of this.#effects) {
      if (effect.running && effect.running.deadlineMs <= nowMs) {
        this.#end(name, effect, this.#failed(name, effect, new Error('it did not end in time')));
      }
    }
    for (const [name, effect] of this.#effects) {
      if (this.#running.size >= CONNECTIONS_MAX) return;
      if (effect.running || effect.atMs > nowMs) continue;
      effect.running = { deadlineMs: nowMs + EFFECT_TIMEOUT_MS };
      this.#running.add(effect.running);
      this.#ports.later(this.#do(name, effect));
    }
  }

  async #do(name: string, effect: Effect): Promise<void> {
    const { running } = effect;
    let againMs: number | null;
    // The caller of `begin` is in the middle of a turn, which may fail: then nothing of it is true.
    await Promise.resolve();
    try {
      againMs = this.#effects.get(name) === effect ? await effect.work(effect.failures) : null;
      if (effect.running === running) {
        effect.failures = 0;
        this.#failures.over(name);
      }
    } catch (error) {
      againMs = effect.running === running ? this.#failed(name, effect, error) : null;
    }
    // It may have been given up meanwhile.
    if (effect.running !== running) return;
    this.#end(name, effect, againMs);
    this.#ports.ended();
  }

  /** Comes to the pause before the next try. */
  #failed(name: string, effect: Effect, error: unknown): number {
    this.#failures.failed(name, error);
    return backoffMs(AGAIN, effect.failures++, this.#ports.random());
  }

  #end(name: string, effect: Effect, againMs: number | null): void {
    this.#running.delete(effect.running);
    effect.running = null;
    // All may have been dropped meanwhile.
    if (this.#effects.get(name) !== effect) return;
    if (effect.next) Object.assign(effect, { ...effect.next, failures: 0, next: null });
    else if (againMs === null) this.#effects.delete(name);
    else effect.atMs = this.#ports.nowMs() + againMs;
  }

  /** When to call `begin` again. What is due while all places are taken waits for the first that ends. */
  nextMs(): number | null {
    const full = this.#running.size >= CONNECTIONS_MAX;
    let next: number | null = null;
    for (const { running, atMs } of this.#effects.values()) {
      if (!running && full) continue;
      next = Math.min(next ?? Infinity, running?.deadlineMs ?? atMs);
    }
    return next;
  }
}
