// A stream as a tube: which of a lane's events are drawn, and which of them wait. Pure.
import type { Stream } from '../../../../shared/schemas/stream.ts';

export interface Dot {
  offset: number;
  /** 0 = the newest, at the head. */
  slot: number;
  waiting: boolean;
  /** Within the window that is open. */
  inWindow: boolean;
}

export interface Lane {
  partition: number;
  next: number;
  /** Newest first. */
  dots: Dot[];
  /** Waiting events for which there is no room. */
  hidden: number;
}

export const SLOTS = 14;
/** The number of those for which there is no room takes the place of so many. */
const BADGE_SLOTS = 3;
export const LANES_MAX = 4;

/** `waitingOf(partition)`: how many of its newest events were not worked off yet. */
export function lanesOf(
  stream: Pick<Stream, 'partitions'>,
  waitingOf: (partition: number) => number,
  openEvents = 0,
): Lane[] {
  return stream.partitions.slice(0, LANES_MAX).map(({ partition, first, next }) => {
    const waiting = Math.min(waitingOf(partition), next - first);
    const shown = waiting > SLOTS ? SLOTS - BADGE_SLOTS : Math.min(SLOTS, next - first);
    return {
      partition,
      next,
      dots: Array.from({ length: shown }, (_, slot) => ({
        offset: next - 1 - slot,
        slot,
        waiting: slot < waiting,
        inWindow: openEvents > 0 && slot < waiting,
      })),
      hidden: Math.max(0, waiting - shown),
    };
  });
}

/** How many dots travel for so many events: enough to see, never a swarm. */
export function travellers(events: number): number {
  if (events <= 0) return 0;
  return Math.min(5, 1 + Math.floor(Math.log2(events)));
}
