// The windows of a batch processor as a pure machine: which ranges of the log the open window has counted, and when
// it fires. It is told what lies between two places (`Measured`) and never sees an event. Windows cut the log
// exactly: each ends where the next begins, in every partition.
import type { BatchReason, WindowLimits } from '../../../shared/schemas/processor.ts';
import type { Measured } from '../../contracts/log.rpc.ts';
import type { BatchRange } from '../../contracts/batch.rpc.ts';

export interface Cursor {
  stream: string;
  streamUid: string;
  partition: number;
  /** Everything before it lies in a window. */
  next: number;
  /** Everything before it lies in a window that was run, or given up. */
  committed: number;
}

export interface OpenWindow {
  number: number;
  /** When its first event was appended; null while it is empty. */
  openedAtMs: number | null;
  events: number;
  bytes: number;
  ranges: BatchRange[];
}

/** Plain values: kept as one row. */
export interface Windows {
  cursors: Cursor[];
  open: OpenWindow;
}

export interface FiredWindow extends OpenWindow {
  openedAtMs: number;
  firedAtMs: number;
  reason: BatchReason;
}

/** What was asked of the log; an answer counts only while the window is still like that. */
export interface Question {
  cursor: number;
  from: number;
  maxEvents: number;
  maxBytes: number;
}

export interface Counted {
  /** "again": ask anew; "more": the partition has more; "end": nothing was left there. */
  then: 'again' | 'more' | 'end';
  fired: FiredWindow | null;
  /** Events that retention had taken before they were counted or run. */
  expired: number;
}

const emptyWindow = (number: number): OpenWindow => ({
  number,
  openedAtMs: null,
  events: 0,
  bytes: 0,
  ranges: [],
});

export const newWindows = (): Windows => ({ cursors: [], open: emptyWindow(1) });

export const samePartition = (
  a: Pick<Cursor, 'streamUid' | 'partition'>,
  b: Pick<Cursor, 'streamUid' | 'partition'>,
): boolean => a.streamUid === b.streamUid && a.partition === b.partition;

/** What to ask the log of one partition, so that no answer overfills the open window. */
export function questionOf(
  { cursors, open }: Windows,
  cursor: number,
  limits: WindowLimits,
): Question {
  const from = cursors[cursor]?.next;
  if (from === undefined) throw new Error(`there is no cursor ${cursor}`);
  return {
    cursor,
    from,
    maxEvents: limits.maxEvents - open.events,
    // The log counts at least one event, also when there is no room for it.
    maxBytes: Math.max(1, limits.maxBytes - open.bytes),
  };
}

/** Fires the open window when it is full already: the bounds were changed. */
export function fireIfFull(
  windows: Windows,
  limits: WindowLimits,
  nowMs: number,
): FiredWindow | null {
  const { events, bytes } = windows.open;
  if (events >= limits.maxEvents) return fire(windows, 'events', nowMs);
  return bytes >= limits.maxBytes ? fire(windows, 'bytes', nowMs) : null;
}

/** Fires the open window when it is full, or its time is over. */
export function fireIfDue(
  windows: Windows,
  limits: WindowLimits,
  nowMs: number,
): FiredWindow | null {
  const full = fireIfFull(windows, limits, nowMs);
  const atMs = firesAtMs(windows, limits);
  if (full || atMs === null || atMs > nowMs) return full;
  return fire(windows, 'time', nowMs);
}

/** When time fires the open window; null while it is empty. */
export function firesAtMs({ open }: Windows, limits: WindowLimits): number | null {
  return open.openedAtMs === null ? null : open.openedAtMs + limits.maxWaitMs;
}

/** Closes the open window, whatever its size; null when it is empty. */
export function fire(windows: Windows, reason: BatchReason, nowMs: number): FiredWindow | null {
  const { open } = windows;
  if (open.openedAtMs === null) return null;
  windows.open = emptyWindow(open.number + 1);
  return { ...open, openedAtMs: open.openedAtMs, firedAtMs: nowMs, reason };
}

/** Takes the log's answer into the open window, or fires the window first when the answer does not fit. */
export function count(
  windows: Windows,
  question: Question,
  measured: Measured,
  limits: WindowLimits,
  nowMs: number,
): Counted {
  const again: Counted = { then: 'again', fired: null, expired: 0 };
  const cursor = windows.cursors[question.cursor];
  if (!cursor) return again;
  // Another answer, or a change of the bounds, came between question and answer.
  const now = questionOf(windows, question.cursor, limits);
  if (
    now.from !== question.from ||
    now.maxEvents !== question.maxEvents ||
    now.maxBytes !== question.maxBytes
  ) {
    return again;
  }
  const { to, events, bytes } = measured;
  const holes = to - cursor.next - events;
  if (events === 0) {
    // Nothing to read; but what retention took will never come.
    cursor.next = Math.max(cursor.next, to);
    return { then: 'end', fired: null, expired: Math.max(0, holes) };
  }
  const { open } = windows;
  if (events > limits.maxEvents) {
    throw new Error(`${events} events where ${question.maxEvents} were asked for`);
  }
  if (open.events + events > limits.maxEvents) {
    return { then: 'again', fired: fire(windows, 'events', nowMs), expired: 0 };
  }
  const tooLarge = open.bytes + bytes > limits.maxBytes;
  if (tooLarge && open.events > 0) {
    return { then: 'again', fired: fire(windows, 'bytes', nowMs), expired: 0 };
  }
  const expired = take(open, cursor, measured);
  const fired =
    open.events >= limits.maxEvents
      ? fire(windows, 'events', nowMs)
      : open.bytes >= limits.maxBytes || measured.full === 'bytes'
        ? fire(windows, 'bytes', nowMs)
        : null;
  return { then: measured.full === null ? 'end' : 'more', fired, expired };
}

/** Adds measured events to the open window; answers how many retention took before. */
function take(
  open: OpenWindow,
  cursor: Cursor,
  { to, events, bytes, firstAtMs }: Measured,
): number {
  const { stream, streamUid, partition, next } = cursor;
  const from = to - events;
  let expired = from - next;
  const range = open.ranges.find((one) => samePartition(one, cursor));
  if (!range) open.ranges.push({ stream, streamUid, partition, from, to });
  else {
    if (expired > 0) {
      // What was counted before is older still: gone too. Its bytes stay counted, since they are not known.
      open.events -= range.to - range.from;
      expired += range.to - range.from;
      range.from = from;
    }
    range.to = to;
  }
  open.events += events;
  open.bytes += bytes;
  if (firstAtMs !== null) open.openedAtMs = Math.min(open.openedAtMs ?? firstAtMs, firstAtMs);
  open.openedAtMs ??= 0;
  cursor.next = to;
  return expired;
}

/** A window was run or given up: what it covered is behind its partitions' readers. Windows end in order. */
export function commit(windows: Windows, ranges: BatchRange[]): void {
  for (const range of ranges) {
    const cursor = windows.cursors.find((one) => samePartition(one, range));
    if (cursor) cursor.committed = Math.max(cursor.committed, range.to);
  }
}
