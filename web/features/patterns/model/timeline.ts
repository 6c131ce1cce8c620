// Event time as a picture: clicks as dots where they happened, windows as boxes around them, the watermark as a line.
// What a box holds is the edge's word (its open windows, and the outputs of those that closed). Pure.
import type {
  LateEvent,
  LateReason,
  OpenEventWindow,
} from '../../../../shared/schemas/processor.ts';
import type { StreamEvent } from '../../../../shared/schemas/stream.ts';

export interface Span {
  fromMs: number;
  toMs: number;
}

export interface Box {
  lane: string;
  fromMs: number;
  toMs: number;
  events: number;
  state: 'open' | 'closed';
}

export interface ClickDot {
  id: string;
  lane: string;
  timeMs: number;
  late: LateReason | null;
}

export interface Placed {
  /** 0…1 from the left edge. */
  at: number;
  /** It lies outside: drawn at the edge it lies beyond. */
  beyond: 'left' | 'right' | null;
}

export function place(timeMs: number, { fromMs, toMs }: Span): Placed {
  const at = (timeMs - fromMs) / (toMs - fromMs);
  if (at < 0) return { at: 0, beyond: 'left' };
  if (at > 1) return { at: 1, beyond: 'right' };
  return { at, beyond: null };
}

/** Windows that closed, from the events that `process` made of them. */
export function closedBoxes(
  outputs: readonly Pick<StreamEvent, 'key' | 'payload'>[],
  span: Span,
): Box[] {
  return outputs.flatMap(({ key, payload }) => {
    const { start, end, views, pages } = (payload ?? {}) as {
      start?: string;
      end?: string;
      views?: number;
      pages?: unknown[];
    };
    if (key === null || start === undefined || end === undefined) return [];
    const box: Box = {
      lane: key,
      fromMs: Date.parse(start),
      toMs: Date.parse(end),
      events: views ?? pages?.length ?? 0,
      state: 'closed',
    };
    return isSeen(box, span) ? [box] : [];
  });
}

export function openBoxes(windows: readonly OpenEventWindow[], span: Span): Box[] {
  return windows
    .map(({ key, start, end, events }): Box => ({
      lane: key,
      fromMs: Date.parse(start),
      toMs: Date.parse(end),
      events,
      state: 'open',
    }))
    .filter((box) => isSeen(box, span));
}

const isSeen = ({ fromMs, toMs }: Span, span: Span) => toMs > span.fromMs && fromMs < span.toMs;

/** A window that has closed since the open ones were asked for is there twice: it is closed. */
export function boxesOf(open: readonly Box[], closed: readonly Box[]): Box[] {
  const name = ({ lane, fromMs, toMs }: Box) => `${lane} ${fromMs} ${toMs}`;
  const known = new Set(closed.map(name));
  return [...closed, ...open.filter((box) => !known.has(name(box)))];
}

/** Late ones are known by their id; a future one is drawn at the right edge, a very old one at the left. */
export function dotsOf(
  clicks: readonly StreamEvent[],
  laneOf: (event: StreamEvent) => string,
  late: readonly LateEvent[],
): ClickDot[] {
  const reasons = new Map(late.map(({ event, reason }) => [event.id, reason]));
  return clicks.map((event) => ({
    id: event.id,
    lane: laneOf(event),
    timeMs: Date.parse(event.time),
    late: reasons.get(event.id) ?? null,
  }));
}

/** Full minutes and quarters of a minute, as marks on the axis. */
export function ticksOf({ fromMs, toMs }: Span, everyMs: number): number[] {
  const ticks: number[] = [];
  for (let at = Math.ceil(fromMs / everyMs) * everyMs; at <= toMs; at += everyMs) ticks.push(at);
  return ticks;
}
