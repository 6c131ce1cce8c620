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
  open: OpenWindow,
  { maxEvents, maxBytes, maxWaitMs }: WindowLimits,
  nowMs: number,
): Meter[] {
  const waitedMs =
    open.openedAt === null
      ? 0
      : Math.min(maxWaitMs, Math.max(0, nowMs - Date.parse(open.openedAt)));
  const share = (value: number, most: number) => Math.min(1, value / most);
  return [
    {
      bound: 'events',
      share: share(open.events, maxEvents),
      text: `${exact(open.events)} of ${exact(maxEvents)}`,
    },
    {
      bound: 'bytes',
      share: share(open.bytes, maxBytes),
      text: `${bytes(open.bytes)} of ${bytes(maxBytes)}`,
    },
    {
      bound: 'time',
      share: share(waitedMs, maxWaitMs),
      text: `${duration(waitedMs)} of ${duration(maxWaitMs)}`,
    },
  ];
}
