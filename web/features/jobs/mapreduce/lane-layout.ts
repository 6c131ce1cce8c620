// Where each attempt's rectangle lies in the task stream: a lane a mapper, rows in it for what ran at once.
import type { EndedAttempt, OpenAttempt } from './attempt-ring.ts';

export type BarKind = EndedAttempt['end'] | 'open';

export interface Bar {
  task: number;
  attempt: number;
  lane: number;
  row: number;
  startMs: number;
  endMs: number;
  kind: BarKind;
}

export interface LaneLayout {
  bars: Bar[];
  /** Rows in use by lane index. */
  rows: number[];
  fromMs: number;
  toMs: number;
}

/** More at once than this in a lane lie over each other in the last row. */
const ROWS_MAX = 8;
/** Times are those of events, which come in batches: neighbours may overlap a little. */
const TOLERANCE_MS = 30;

export function layoutLanes(
  lanes: number,
  ended: Iterable<EndedAttempt>,
  open: readonly OpenAttempt[],
  fromMs: number,
  nowMs: number,
): LaneLayout {
  const bars: Bar[] = [];
  for (const { end, ...attempt } of ended) bars.push({ ...attempt, row: 0, kind: end });
  for (const { grantedMs, ...attempt } of open) {
    const endMs = Math.max(nowMs, grantedMs);
    bars.push({ ...attempt, row: 0, kind: 'open', startMs: grantedMs, endMs });
  }
  bars.sort((a, b) => a.startMs - b.startMs || a.task - b.task || a.attempt - b.attempt);
  const freeAt: number[][] = Array.from({ length: lanes }, () => []);
  let toMs = Math.max(nowMs, fromMs);
  for (const bar of bars) {
    const free = freeAt[bar.lane];
    if (!free) continue;
    let row = free.findIndex((endMs) => endMs <= bar.startMs + TOLERANCE_MS);
    if (row < 0) row = Math.min(free.length, ROWS_MAX - 1);
    bar.row = row;
    free[row] = Math.max(free[row] ?? 0, bar.endMs);
    toMs = Math.max(toMs, bar.endMs);
  }
  return { bars, rows: freeAt.map((free) => Math.max(1, free.length)), fromMs, toMs };
}
