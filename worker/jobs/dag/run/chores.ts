// Things that a run has to get done by others, each under a name: those of one name follow each other, and of those that
// wait only the newest is done. One that fails is done again after a pause. Pure but for the work itself.
import { backoffMs } from '../../../../shared/backoff.ts';
import { CONNECTIONS_MAX } from '../../../../shared/limits.ts';

const AGAIN = { baseMs: 500, maxMs: 30_000 };

/** Comes to null when it is done, else to the milliseconds after which to do it again. `failures`: so far, in a row. */
export type Work = (failures: number) => Promise<number | null>;

interface Chore {
  work: Work;
  atMs: number;
  failures: number;
  running: boolean;
  /** Takes its place when it has ended. */
  next: { work: Work; atMs: number } | null;
}

export interface ChorePorts {
  nowMs(): number;
  random(): number;
  later(work: Promise<void>): void;
  /** One has ended, or failed: others may be due. */
  ended(): void;
}

export class Chores {
  readonly #chores = new Map<string, Chore>();
  readonly #ports: ChorePorts;
  #running = 0;

  constructor(ports: ChorePorts) {
    this.#ports = ports;
  }

  get size(): number {
    return this.#chores.size;
  }

  has(name: string): boolean {
    return this.#chores.has(name);
  }

  /** Takes the place of one of that name; one that runs is waited for. */
  add(name: string, atMs: number, work: Work): void {
    const chore = this.#chores.get(name);
    if (chore?.running) chore.next = { work, atMs };
    else this.#chores.set(name, { work, atMs, failures: 0, running: false, next: null });
  }

  drop(name: string): void {
    this.#chores.delete(name);
  }

  clear(): void {
    this.#chores.clear();
  }

  /** Due now, if it waits. */
  hurry(name: string, nowMs: number): void {
    const chore = this.#chores.get(name);
    if (chore && chore.atMs > nowMs) chore.atMs = nowMs;
  }

  /** Begins what is due. */
  begin(nowMs: number): void {
    for (const [name, chore] of this.#chores) {
      if (this.#running >= CONNECTIONS_MAX) return;
      if (chore.running || chore.atMs > nowMs) continue;
      chore.running = true;
      this.#running++;
      this.#ports.later(this.#do(name, chore));
    }
  }

  async #do(name: string, chore: Chore): Promise<void> {
    const { nowMs, random, ended } = this.#ports;
    let againMs: number | null = null;
    // Whoever begins chores is in the middle of a turn, which may not come to its end: then nothing of it is true.
    await Promise.resolve();
    try {
      if (this.#chores.get(name) === chore) againMs = await chore.work(chore.failures);
      chore.failures = 0;
    } catch (error) {
      console.error(`${name} failed; again later`, error);
      againMs = backoffMs(AGAIN, chore.failures++, random());
    }
    this.#running--;
    chore.running = false;
    // It may have been dropped meanwhile.
    if (this.#chores.get(name) === chore) {
      if (chore.next) Object.assign(chore, { ...chore.next, failures: 0, next: null });
      else if (againMs === null) this.#chores.delete(name);
      else chore.atMs = nowMs() + againMs;
    }
    ended();
  }

  nextMs(): number | null {
    let next: number | null = null;
    for (const { running, atMs } of this.#chores.values()) {
      if (!running && (next === null || atMs < next)) next = atMs;
    }
    return next;
  }
}
