// A window is one window of one key, as a shard keeps it while it is open. Plain values, and how they are named.
import { isoTime } from '../../../shared/iso-time.ts';
import type { EventWindow } from '../../../shared/schemas/processor.ts';
import type { Place } from '../keyed/operator.ts';
import type { Span } from './assign.ts';

/** What windows of a processor are like. */
export interface WindowRules {
  window: EventWindow;
  /** The program has `add`: a window is a state. Else it is the events themselves. */
  adds: boolean;
}

export interface WindowId {
  key: string;
  startMs: number;
}

/** Everything of a window but what it holds. `source` and `offset`: the last event that it took. */
export interface KeyWindow extends WindowId, Span, Place {
  /** Events that it took. */
  count: number;
  bytes: number;
}

/** A window with what it holds: the state (JSON; null: none), or its events (kept-events.ts). */
export interface FullWindow extends KeyWindow {
  value: string | null;
}

/** A window as it is written. */
export interface NewWindow extends FullWindow {
  /** `value` goes behind what the window holds already: what it kept need not be read. */
  appends: boolean;
  /** With `add`: the line of the last event, for the dead letters should the window never close. Else empty. */
  last: string;
}

/** Two windows never have the same, whatever their keys look like. */
export const windowName = ({ key, startMs }: WindowId) => `${startMs}/${key}`;

/**
 * How far behind a window's end the watermark closes it. An event at the very end of a session still belongs to it, so
 * sessions close a moment later.
 */
export const closesAfterMs = ({ type, graceMs }: EventWindow) =>
  graceMs + (type === 'session' ? 1 : 0);

/** Windows that end here or before are closed by the watermark. */
export const closedUntilMs = (window: EventWindow, watermarkMs: number | null): number =>
  watermarkMs === null ? -Infinity : watermarkMs - closesAfterMs(window);

export const saidOf = ({ key, startMs, endMs }: WindowId & Span) =>
  `the window of ${JSON.stringify(key)} from ${isoTime(startMs)} to ${isoTime(endMs)}`;
