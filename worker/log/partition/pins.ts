// Pins: stretches of the log that somebody still reads, and retention leaves alone.
import { PINS_KEEP_MS, PINS_MAX } from '../../../shared/limits.ts';
import type { LogRecords, Pin } from './records.store.ts';

export class LogPins {
  readonly #records: LogRecords;
  readonly #pins: Map<string, Pin>;

  constructor(records: LogRecords, stored: readonly Pin[]) {
    this.#records = records;
    this.#pins = new Map(stored.map((pin) => [pin.holder, pin]));
  }

  /** Throws when there are too many. */
  add(holder: string, first: number, next: number, nowMs: number): void {
    if (!this.#pins.has(holder) && this.#pins.size >= PINS_MAX) {
      throw new Error(`a partition has ${PINS_MAX} pins, which is the most`);
    }
    const pin = { holder, first, next, untilMs: nowMs + PINS_KEEP_MS };
    this.#records.savePin(pin);
    this.#pins.set(holder, pin);
  }

  remove(holder: string): boolean {
    if (!this.#pins.has(holder)) return false;
    this.#records.deletePin(holder);
    return this.#pins.delete(holder);
  }

  /** The holders of these have forgotten them. */
  removeOld(nowMs: number): void {
    for (const { holder, untilMs } of [...this.#pins.values()]) {
      if (untilMs <= nowMs) this.remove(holder);
    }
  }

  /** A pin on some of [first, next). */
  on(first: number, next: number): Pin | null {
    for (const pin of this.#pins.values()) {
      if (pin.first < next && first < pin.next) return pin;
    }
    return null;
  }
}
