// What a batch means for windows: which events are late, which windows the others are in, and which sessions become
// one. Pure: events and what is open go in, what each window takes comes out.
//
// Events are looked at in the order of the log. An event is late when all its windows are closed by the watermark, a
// session's event when the session that it would make or join would be.
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { EventWindow } from '../../../shared/schemas/processor.ts';
import type { Arrival, Late } from '../keyed/operator.ts';
import { sessionSpan, type Span, spanOver, touches, tumblingSpans } from './assign.ts';
import { eventTimeMs, noTimeError } from '../../../shared/streaming/event-time.ts';
import { type KeyWindow, type WindowId, windowName } from './window.ts';

export interface TimedEvent {
  /** Its place in the batch. */
  index: number;
  offset: number;
  key: string;
  line: string;
  timeMs: number;
}

/** What becomes of one window. */
export interface PlannedWindow extends WindowId, Span {
  /** What is open of it now, oldest first; several: sessions that become one. */
  parents: KeyWindow[];
  /** In the order of the log. */
  events: TimedEvent[];
}

export interface Plan {
  keyWindows: PlannedWindow[];
  late: Late[];
}

export interface Timed {
  events: TimedEvent[];
  future: Late[];
  failures: { offset: number; error: TaskError }[];
}

/** Reads the events' times. `nowMs` stands for when an event was appended where that is not known. */
export function timed(
  arrivals: readonly Arrival[],
  source: number,
  { time, skewMs }: EventWindow,
  nowMs: number,
): Timed {
  const read: Timed = { events: [], future: [], failures: [] };
  arrivals.forEach(({ offset, key, line, appendedMs }, index) => {
    const event: unknown = JSON.parse(line);
    const timeMs = eventTimeMs(event, time);
    if (timeMs === null) read.failures.push({ offset, error: noTimeError(event, time) });
    else if (timeMs > (appendedMs ?? nowMs) + skewMs) {
      read.future.push({ source, offset, key, line, reason: 'future' });
    } else read.events.push({ index, offset, key, line, timeMs });
  });
  return read;
}

/** `open`: the windows of these windows that there are (tumbling), or all windows of these keys (sessions). */
export function plan(
  events: readonly TimedEvent[],
  open: readonly KeyWindow[],
  source: number,
  window: EventWindow,
  closedUntilMs: number,
): Plan {
  return window.type === 'session'
    ? planSessions(events, open, source, window.gapMs, closedUntilMs)
    : planTumbling(events, open, source, spansOf(window), closedUntilMs);
}

type Tumbling = Extract<EventWindow, { type: 'tumbling' }>;

const spansOf =
  ({ sizeMs, slideMs }: Tumbling) =>
  (timeMs: number) =>
    tumblingSpans(timeMs, sizeMs, slideMs ?? sizeMs);

/** The windows that these events lie in and that are not closed. */
export function wantedWindows(
  events: readonly TimedEvent[],
  window: Tumbling,
  closedUntilMs: number,
): WindowId[] {
  const wanted = new Map<string, WindowId>();
  const spans = spansOf(window);
  for (const { key, timeMs } of events) {
    for (const { startMs, endMs } of spans(timeMs)) {
      if (endMs > closedUntilMs) wanted.set(windowName({ key, startMs }), { key, startMs });
    }
  }
  return [...wanted.values()];
}

function planTumbling(
  events: readonly TimedEvent[],
  open: readonly KeyWindow[],
  source: number,
  spans: (timeMs: number) => Span[],
  closedUntilMs: number,
): Plan {
  const known = new Map(open.map((keyWindow) => [windowName(keyWindow), keyWindow]));
  const keyWindows = new Map<string, PlannedWindow>();
  const late: Late[] = [];
  for (const event of events) {
    const { key, timeMs } = event;
    let isLate = true;
    for (const span of spans(timeMs)) {
      if (span.endMs <= closedUntilMs) continue;
      isLate = false;
      const name = windowName({ key, ...span });
      let keyWindow = keyWindows.get(name);
      if (!keyWindow) {
        const parent = known.get(name);
        keyWindow = { key, ...span, parents: parent ? [parent] : [], events: [] };
        keyWindows.set(name, keyWindow);
      }
      keyWindow.events.push(event);
    }
    if (isLate) late.push(closed(event, source));
  }
  return { keyWindows: [...keyWindows.values()], late };
}

function planSessions(
  events: readonly TimedEvent[],
  open: readonly KeyWindow[],
  source: number,
  gapMs: number,
  closedUntilMs: number,
): Plan {
  const isClosed = ({ endMs }: Span) => endMs <= closedUntilMs;
  /** Closed by the watermark, but still there: what is made now must not take their place. */
  const leaving = new Set(open.filter(isClosed).map(windowName));
  const sessions = new Map<string, PlannedWindow[]>();
  for (const keyWindow of open) {
    if (isClosed(keyWindow)) continue;
    const { key, startMs, endMs } = keyWindow;
    const own = sessions.get(key) ?? [];
    own.push({ key, startMs, endMs, parents: [keyWindow], events: [] });
    sessions.set(key, own);
  }
  const late: Late[] = [];
  for (const event of events) {
    const { key, timeMs } = event;
    const span = sessionSpan(timeMs, gapMs);
    const own = sessions.get(key) ?? [];
    const joined = own.filter((session) => touches(session, span));
    const whole = spanOver([span, ...joined]);
    if (isClosed(whole) || leaving.has(windowName({ key, ...whole }))) {
      late.push(closed(event, source));
      continue;
    }
    const session: PlannedWindow = {
      key,
      ...whole,
      parents: joined.flatMap(({ parents }) => parents).sort(byStart),
      events: [...joined.flatMap((one) => one.events), event],
    };
    // Events of sessions that have become one may lie in between one another.
    if (joined.length > 1) session.events.sort((a, b) => a.index - b.index);
    sessions.set(key, [...own.filter((one) => !joined.includes(one)), session]);
  }
  const keyWindows = [...sessions.values()].flat().filter(({ events: taken }) => taken.length > 0);
  return { keyWindows, late };
}

const byStart = (a: WindowId, b: WindowId) => a.startMs - b.startMs;

const closed = ({ offset, key, line }: TimedEvent, source: number): Late => ({
  source,
  offset,
  key,
  line,
  reason: 'closed',
});
