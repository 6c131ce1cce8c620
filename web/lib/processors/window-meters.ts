// The window that is open, as three meters: each of its bounds, and how near it is. Pure.
import type { OpenWindow, WindowLimits } from '../../../shared/schemas/processor.ts';
import { bytes, duration, exact } from '../format.ts';

export interface Meter {
  bound: 'events' | 'bytes' | 'time';
  /** 0…1 */
  share: number;
  /** "12 of 1,000" */
  text: string;
}

export function metersOf(
  open: OpenWindow | null,
  { maxEvents, maxBytes, maxWaitMs }: WindowLimits,
  nowMs: number,
): Meter[] {
  const { events = 0, bytes: held = 0, openedAt = null } = open ?? {};
  const waitedMs =
    openedAt === null ? 0 : Math.min(maxWaitMs, Math.max(0, nowMs - Date.parse(openedAt)));
  const meter = (
    bound: Meter['bound'],
    value: number,
    most: number,
    words: (value: number) => string,
  ): Meter => ({
    bound,
    share: Math.min(1, value / most),
    text: `${words(value)} of ${words(most)}`,
  });
  return [
    meter('events', events, maxEvents, exact),
    meter('bytes', held, maxBytes, bytes),
    meter('time', waitedMs, maxWaitMs, duration),
  ];
}
