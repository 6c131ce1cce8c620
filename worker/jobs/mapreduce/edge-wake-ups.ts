// Which bells of the edge are out: a bell is a queue message that wakes an edge mapper. Queues may lose,
// repeat and delay, so a bell nobody answers is rung again, and one too many finds nothing to do. Pure.
import {
  EDGE_MAPPERS_MAX,
  EDGE_RING_AGAIN_MS,
  EDGE_UNANSWERED_MS,
} from '../../../shared/limits.ts';

interface Bell {
  rungAtMs: number;
  /** The last exchange of the mapper that it woke. */
  seenAtMs: number | null;
}

export class EdgeBells {
  readonly #bells = new Map<number, Bell>();
  #lastRing: number;

  constructor(lastRing: number) {
    this.#lastRing = lastRing;
  }

  get lastRing(): number {
    return this.#lastRing;
  }

  /** Bells to ring now so that `work` attempts have enough mappers. */
  ring(work: number, nowMs: number): number[] {
    this.#forgetLost(nowMs);
    const wanted = Math.min(work, EDGE_MAPPERS_MAX) - this.#bells.size;
    const rings: number[] = [];
    for (let i = 0; i < wanted; i++) {
      rings.push(++this.#lastRing);
      this.#bells.set(this.#lastRing, { rungAtMs: nowMs, seenAtMs: null });
    }
    return rings;
  }

  /** A mapper speaks. False: there are enough without it. */
  seen(ring: number, nowMs: number): boolean {
    this.#forgetLost(nowMs);
    const bell = this.#bells.get(ring);
    if (!bell && this.#bells.size >= EDGE_MAPPERS_MAX) return false;
    this.#bells.set(ring, { rungAtMs: bell?.rungAtMs ?? nowMs, seenAtMs: nowMs });
    return true;
  }

  left(ring: number): void {
    this.#bells.delete(ring);
  }

  /** When to look again for lost bells; null with none out. */
  nextCheckMs(): number | null {
    let next: number | null = null;
    for (const bell of this.#bells.values()) next = Math.min(next ?? Infinity, lostAtMs(bell));
    return next;
  }

  #forgetLost(nowMs: number): void {
    for (const [ring, bell] of this.#bells) if (lostAtMs(bell) <= nowMs) this.#bells.delete(ring);
  }
}

const lostAtMs = (bell: Bell): number =>
  bell.seenAtMs === null ? bell.rungAtMs + EDGE_UNANSWERED_MS : bell.seenAtMs + EDGE_RING_AGAIN_MS;
