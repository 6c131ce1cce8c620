// Which bar lies where in the chart over time: one row per step, and under it lanes for the items that ran at once. Pure.
import type { DagJob, StepItem, StepState } from '../../../../../shared/schemas/dag.ts';

export type ItemTimes = Pick<StepItem, 'item' | 'state' | 'startedAt' | 'finishedAt'>;

export interface Bar {
  /** Null: the step itself. */
  item: number | null;
  lane: number;
  fromMs: number;
  toMs: number;
  state: StepState;
}
export interface Row {
  step: string;
  topPx: number;
  heightPx: number;
  /** The step's own; null: it has not begun. */
  bar: Bar | null;
  items: Bar[];
  /** Since when it could have begun, if that is before it did. */
  readyMs: number | null;
}
export interface Chart {
  rows: Row[];
  heightPx: number;
  fromMs: number;
  toMs: number;
}

export const ROW_PX = 30;
export const LANE_PX = 7;
/** More at once than this lie over each other in the last lane. */
export const LANES_MAX = 8;
const LANES_PAD_PX = 5;
/** A run that has just begun: an axis of nothing has no ticks. */
const SPAN_MIN_MS = 50;

/** `items`: of the steps whose items are shown. Their room is kept from the beginning, so that nothing jumps. */
export function ganttChart(
  run: DagJob,
  items: ReadonlyMap<string, readonly ItemTimes[]>,
  shown: readonly string[],
  nowMs: number,
): Chart {
  const fromMs = Date.parse(run.startedAt ?? run.createdAt);
  let toMs = fromMs + SPAN_MIN_MS;
  let topPx = 0;
  const rows = run.levels.flat().map((step): Row => {
    const lanes = shown.includes(step) ? lanesOf(run, step) : 0;
    const heightPx = ROW_PX + (lanes > 0 ? lanes * LANE_PX + LANES_PAD_PX : 0);
    const status = run.steps[step];
    const bar = status ? barOf({ item: null, ...status }, nowMs) : null;
    const laid = lanes > 0 ? inLanes(items.get(step) ?? [], lanes, nowMs) : [];
    for (const { toMs: endMs } of bar ? [bar, ...laid] : laid) toMs = Math.max(toMs, endMs);
    const row = { step, topPx, heightPx, bar, items: laid, readyMs: readyMs(run, step, bar) };
    topPx += heightPx;
    return row;
  });
  return { rows, heightPx: topPx, fromMs, toMs };
}

function lanesOf(run: DagJob, step: string): number {
  const spec = run.spec.steps[step];
  if (!spec || !('concurrency' in spec) || spec.forEach === undefined) return 0;
  return Math.min(LANES_MAX, spec.concurrency);
}

function barOf(
  { item, state, startedAt, finishedAt }: Omit<ItemTimes, 'item'> & { item: number | null },
  nowMs: number,
): Bar | null {
  if (startedAt === null) return null;
  const fromMs = Date.parse(startedAt);
  const toMs = finishedAt === null ? nowMs : Date.parse(finishedAt);
  return { item, lane: 0, fromMs, toMs: Math.max(fromMs, toMs), state };
}

function inLanes(items: readonly ItemTimes[], lanes: number, nowMs: number): Bar[] {
  const bars = items.flatMap((item) => barOf(item, nowMs) ?? []);
  bars.sort((a, b) => a.fromMs - b.fromMs || (a.item ?? 0) - (b.item ?? 0));
  const freeAt: number[] = [];
  for (const bar of bars) {
    let lane = freeAt.findIndex((ms) => ms <= bar.fromMs);
    if (lane < 0) lane = Math.min(freeAt.length, lanes - 1);
    bar.lane = lane;
    freeAt[lane] = Math.max(freeAt[lane] ?? 0, bar.toMs);
  }
  return bars;
}

function readyMs(run: DagJob, step: string, bar: Bar | null): number | null {
  if (bar === null) return null;
  let ms = Date.parse(run.createdAt);
  for (const need of run.spec.steps[step]?.needs ?? []) {
    const { finishedAt = null } = run.steps[need] ?? {};
    if (finishedAt === null) return null;
    ms = Math.max(ms, Date.parse(finishedAt));
  }
  return ms < bar.fromMs ? ms : null;
}

/** The rows of which anything is in sight, by halving: they lie under each other. */
export function rowsInSight(rows: readonly Row[], topPx: number, heightPx: number): Row[] {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const row = rows[middle];
    if (row && row.topPx + row.heightPx <= topPx) low = middle + 1;
    else high = middle;
  }
  let end = low;
  while (end < rows.length && (rows[end]?.topPx ?? 0) < topPx + heightPx) end++;
  return rows.slice(low, end);
}
