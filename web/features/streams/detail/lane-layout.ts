// Where things lie on a lane: offsets to pixels, and labels of readers so that none covers another. Pure.
import type { PartitionStatus, StreamConsumer } from '../../../../shared/schemas/stream.ts';

export interface Scale {
  /** Offsets: the oldest that any lane has, and the end of the longest. */
  from: number;
  to: number;
  widthPx: number;
}

/** All lanes share one scale, so that their lengths can be compared. */
export function scaleOf(partitions: readonly PartitionStatus[], widthPx: number): Scale {
  const from = Math.min(...partitions.map(({ first }) => first));
  const to = Math.max(...partitions.map(({ next }) => next));
  if (!Number.isFinite(from)) return { from: 0, to: 1, widthPx };
  return { from, to: Math.max(to, from + 1), widthPx };
}

export function xOf(offset: number, { from, to, widthPx }: Scale): number {
  const share = (offset - from) / (to - from);
  return Math.min(1, Math.max(0, share)) * widthPx;
}

const STEPS = [1, 2, 5, 10];
const TICK_MIN_PX = 96;

/** Round offsets for the axis, at least TICK_MIN_PX apart. */
export function ticksOf(scale: Scale): number[] {
  const { from, to, widthPx } = scale;
  const least = ((to - from) * TICK_MIN_PX) / Math.max(1, widthPx);
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  const step = Math.max(1, (STEPS.find((s) => s * power >= least) ?? 10) * power);
  const ticks: number[] = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) ticks.push(at);
  return ticks;
}

/** An event is drawn as a dot of its own where there is this much room for each. */
export const DOT_MIN_PX = 7;

export function dotsFit({ from, to, widthPx }: Scale): boolean {
  return widthPx / (to - from) >= DOT_MIN_PX;
}

export interface Mark {
  processors: string[];
  committed: number;
  /** Of the one furthest behind. */
  lag: number;
  x: number;
  label: string;
  /** Which line under the lane the label stands on; null: no room, the title and the table tell. */
  row: number | null;
  /** The side of the mark that its label lies on. */
  side: 'left' | 'right';
}

export const LABEL_ROWS_MAX = 3;
const SAME_PLACE_PX = 6;
const NAMES_MAX = 2;
const GAP_PX = 10;

/** Readers of one partition as marks; those at the same place share one. `charPx`: a label's character. */
export function placeMarks(
  consumers: readonly StreamConsumer[],
  scale: Scale,
  charPx: number,
): Mark[] {
  const sorted = [...consumers].sort(
    (a, b) => b.committed - a.committed || a.processor.localeCompare(b.processor),
  );
  const groups: { x: number; members: StreamConsumer[] }[] = [];
  for (const consumer of sorted) {
    const x = xOf(consumer.committed, scale);
    const last = groups.at(-1);
    if (last && last.x - x <= SAME_PLACE_PX) last.members.push(consumer);
    else groups.push({ x, members: [consumer] });
  }
  const taken: { from: number; to: number }[][] = [];
  return groups.map(({ x, members }) => {
    const processors = members.map(({ processor }) => processor);
    const lag = Math.max(...members.map((member) => member.lag));
    const label = labelOf(processors, lag);
    const widthPx = label.length * charPx + GAP_PX;
    const side = x + widthPx <= scale.widthPx ? 'right' : 'left';
    const span = side === 'right' ? { from: x, to: x + widthPx } : { from: x - widthPx, to: x };
    const row = freeRow(taken, span);
    const committed = members[0]?.committed ?? 0;
    return { processors, committed, lag, x, label, row, side };
  });
}

function freeRow(taken: { from: number; to: number }[][], span: { from: number; to: number }) {
  for (let row = 0; row < LABEL_ROWS_MAX; row++) {
    const spans = (taken[row] ??= []);
    if (spans.some((other) => other.from < span.to && span.from < other.to)) continue;
    spans.push(span);
    return row;
  }
  return null;
}

function labelOf(processors: readonly string[], lag: number): string {
  const names = processors.slice(0, NAMES_MAX).join(', ');
  const more = processors.length > NAMES_MAX ? ` +${processors.length - NAMES_MAX}` : '';
  return `${names}${more}${lag > 0 ? ` · ${lag.toLocaleString('en-US')} behind` : ''}`;
}
