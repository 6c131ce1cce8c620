// Which readers are woken after an append, and when again. A reader with a wake-up out is not woken until it says that
// it has caught up; an unanswered wake-up is sent again, less and less often: it may be lost, or its reader paused.
import { WAKE_UP_AGAIN_MAX_MS, WAKE_UP_AGAIN_MS } from '../../../shared/limits.ts';
import type { StreamWakeUp } from '../../contracts/wake-ups.ts';

interface Subscription {
  wakeUp: StreamWakeUp;
  /** Where it rests, or last rested. Storage may know an older place: then one wake-up too many is sent. */
  place: number;
  /** When its wake-up is to be sent (again). Null: it rests. */
  ringAtMs: number | null;
  againMs: number;
}

/** A wake-up could not be sent at all: soon again. */
const SEND_AGAIN_MS = 1_000;

export class Subscriptions {
  readonly #readers = new Map<string, Subscription>();

  get size(): number {
    return this.#readers.size;
  }

  /** It has read up to `place`. Where there is more, its wake-up is due at once. */
  set(reader: string, wakeUp: StreamWakeUp, place: number, next: number, nowMs: number): void {
    this.#readers.set(reader, {
      wakeUp,
      place,
      ringAtMs: place < next ? nowMs : null,
      againMs: WAKE_UP_AGAIN_MS,
    });
  }

  has(reader: string): boolean {
    return this.#readers.has(reader);
  }

  delete(reader: string): boolean {
    return this.#readers.delete(reader);
  }

  /** Something was appended: readers that rest are to be woken. */
  appended(nowMs: number): void {
    for (const one of this.#readers.values()) one.ringAtMs ??= nowMs;
  }

  /** The wake-ups that are due now, each with its reader; they count as sent. */
  due(nowMs: number): { reader: string; wakeUp: StreamWakeUp }[] {
    const wakeUps: { reader: string; wakeUp: StreamWakeUp }[] = [];
    for (const [reader, one] of this.#readers) {
      if (one.ringAtMs === null || one.ringAtMs > nowMs) continue;
      wakeUps.push({ reader, wakeUp: one.wakeUp });
      one.ringAtMs = nowMs + one.againMs;
      one.againMs = Math.min(one.againMs * 2, WAKE_UP_AGAIN_MAX_MS);
    }
    return wakeUps;
  }

  /** The wake-ups were not sent. */
  failed(readers: readonly string[], nowMs: number): void {
    for (const reader of readers) {
      const one = this.#readers.get(reader);
      if (!one || one.ringAtMs === null) continue;
      one.ringAtMs = nowMs + SEND_AGAIN_MS;
      one.againMs = WAKE_UP_AGAIN_MS;
    }
  }

  /** The reader has read up to `at`. True: that is all there is, and it rests. */
  caughtUp(reader: string, at: number, next: number, nowMs: number): boolean {
    const one = this.#readers.get(reader);
    // It would never be woken: it has unsubscribed, or the stream is gone.
    if (!one) return true;
    one.place = at;
    one.againMs = WAKE_UP_AGAIN_MS;
    one.ringAtMs = at < next ? nowMs + WAKE_UP_AGAIN_MS : null;
    return one.ringAtMs === null;
  }

  /** When the next wake-up is due. */
  nextMs(): number | null {
    let next: number | null = null;
    for (const { ringAtMs } of this.#readers.values()) {
      if (ringAtMs !== null && (next === null || ringAtMs < next)) next = ringAtMs;
    }
    return next;
  }

  places(): Record<string, number> {
    return Object.fromEntries([...this.#readers].map(([reader, { place }]) => [reader, place]));
  }
}
