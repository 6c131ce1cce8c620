// Which wake-ups of the edge are out: a wake-up is a queue message that wakes an edge mapper. Queues may lose,
// repeat and delay, so an unanswered wake-up is sent again, and a duplicate is a no-op. Pure.
import {
  EDGE_MAPPERS_MAX,
  EDGE_RING_AGAIN_MS,
  EDGE_UNANSWERED_MS,
} from '../../../shared/limits.ts';

interface Sent {
  rungAtMs: number;
  /** The last exchange of the mapper that it woke. */
  seenAtMs: number | null;
}

export class EdgeWakeUps {
  readonly #wakeUps = new Map<number, Sent>();
  #lastRing: number;

  constructor(lastRing: number) {
    this.#lastRing = lastRing;
  }

  get lastRing(): number {
    return this.#lastRing;
  }

  /** Wake-ups to send now so that `work` attempts have enough mappers. */
  ring(work: number, nowMs: number): number[] {
    this.#forgetLost(nowMs);
    const wanted = Math.min(work, EDGE_MAPPERS_MAX) - this.#wakeUps.size;
    const rings: number[] = [];
    for (let i = 0; i < wanted; i++) {
      rings.push(++this.#lastRing);
      this.#wakeUps.set(this.#lastRing, { rungAtMs: nowMs, seenAtMs: null });
    }
    return rings;
  }

  /** A mapper speaks. False: there are enough without it. */
  seen(ring: number, nowMs: number): boolean {
    this.#forgetLost(nowMs);
    const wakeUp = this.#wakeUps.get(ring);
    if (!wakeUp && this.#wakeUps.size >= EDGE_MAPPERS_MAX) return false;
    this.#wakeUps.set(ring, { rungAtMs: wakeUp?.rungAtMs ?? nowMs, seenAtMs: nowMs });
    return true;
  }

  left(ring: number): void {
    this.#wakeUps.delete(ring);
  }

  /** When to look again for lost wake-ups; null with none out. */
  nextCheckMs(): number | null {
    let next: number | null = null;
    for (const wakeUp of this.#wakeUps.values())
      next = Math.min(next ?? Infinity, lostAtMs(wakeUp));
    return next;
  }

  #forgetLost(nowMs: number): void {
    for (const [ring, wakeUp] of this.#wakeUps)
      if (lostAtMs(wakeUp) <= nowMs) this.#wakeUps.delete(ring);
  }
}

const lostAtMs = (wakeUp: Sent): number =>
  wakeUp.seenAtMs === null
    ? wakeUp.rungAtMs + EDGE_UNANSWERED_MS
    : wakeUp.seenAtMs + EDGE_RING_AGAIN_MS;
