// How near an open window is to each of its bounds. Pure.
import type { OpenWindow, WindowLimits } from '../../../shared/schemas/processor.ts';

export interface Meter {
  name: 'events' | 'bytes' | 'time';
  /** In events, bytes, milliseconds. */
  value: number;
  of: number;
  /** 0…1 */
  share: number;
}

export function metersOf(open: OpenWindow | null, limits: WindowLimits, nowMs: number): Meter[] {
  const elapsedMs = open?.openedAt
    ? Math.min(limits.maxWaitMs, Math.max(0, nowMs - Date.parse(open.openedAt)))
    : 0;
  return [
    meter('events', open?.events ?? 0, limits.maxEvents),
    meter('bytes', open?.bytes ?? 0, limits.maxBytes),
    meter('time', elapsedMs, limits.maxWaitMs),
  ];
}

const meter = (name: Meter['name'], value: number, of: number): Meter => ({
  name,
  value,
  of,
  share: Math.min(1, value / of),
});
