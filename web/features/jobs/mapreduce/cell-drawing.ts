// How a split's cell looks: the state by fill and by shape, so that it can be read without colour; who did
// it by a small mark.
import type { TaskState } from './job-model.ts';
import type { TokenColours } from '../../../lib/theme/token-colours.ts';

type Pen = CanvasRenderingContext2D;

export const STATE_WORDS: Record<TaskState, string> = {
  waiting: 'waiting',
  running: 'running',
  checking: 'being checked',
  retry: 'to be tried again',
  committed: 'committed',
  failed: 'failed',
};

/** Order in which a cell that stands for several splits takes its look: the loudest first. */
export const LOUDEST: readonly TaskState[] = [
  'failed',
  'retry',
  'checking',
  'running',
  'waiting',
  'committed',
];

export function drawCell(
  pen: Pen,
  state: TaskState,
  x: number,
  y: number,
  size: number,
  colours: TokenColours,
): void {
  const round = Math.min(4, size / 4);
  const box = (inset: number) => {
    pen.beginPath();
    pen.roundRect(x + inset, y + inset, size - 2 * inset, size - 2 * inset, round);
  };
  const fill = (colour: string, alpha = 1) => {
    pen.globalAlpha = alpha;
    pen.fillStyle = colour;
    box(0);
    pen.fill();
    pen.globalAlpha = 1;
  };
  const outline = (colour: string) => {
    pen.strokeStyle = colour;
    pen.lineWidth = size >= 13 ? 1.5 : 1;
    box(pen.lineWidth / 2);
    pen.stroke();
  };
  switch (state) {
    case 'waiting':
      fill(colours.sunk);
      if (size >= 5) outline(colours.border);
      return;
    case 'running':
      fill(colours.map, size >= 7 ? 0.25 : 0.75);
      if (size >= 7) outline(colours.map);
      return;
    case 'checking':
      fill(colours.accent, size >= 7 ? 0.3 : 0.75);
      if (size >= 7) outline(colours.accent);
      if (size >= 13) line(pen, colours.accent, [x + 3, y + size - 3], [x + size - 3, y + 3]);
      return;
    case 'retry':
      fill(colours.retry, size >= 7 ? 0.2 : 0.85);
      if (size >= 7) outline(colours.retry);
      return;
    case 'committed':
      fill(colours.done);
      return;
    case 'failed':
      fill(colours.failed);
      if (size >= 10) {
        const [a, b] = [size * 0.3, size * 0.7];
        line(pen, colours.surface, [x + a, y + a], [x + b, y + b]);
        line(pen, colours.surface, [x + a, y + b], [x + b, y + a]);
      }
  }
}

function line(pen: Pen, colour: string, [x1, y1]: number[], [x2, y2]: number[]): void {
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.moveTo(x1 ?? 0, y1 ?? 0);
  pen.lineTo(x2 ?? 0, y2 ?? 0);
  pen.stroke();
}

/** Marks of volunteers, in the order in which they appeared; the edge has its hexagon. */
export const MARKS = [
  'M-1 0A1 1 0 1 0 1 0A1 1 0 1 0-1 0Z',
  'M-.9-.9H.9V.9H-.9Z',
  'M0-1.1L1.1.8H-1.1Z',
  'M0-1.25L1.25 0L0 1.25L-1.25 0Z',
  'M-1.2-.4H1.2V.4H-1.2Z',
  'M-.4-1.2H.4V1.2H-.4Z',
  'M-1.1-.8H1.1L0 1.1Z',
  'M-1.2-.4H-.4V-1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2Z',
] as const;
export const EDGE_MARK = 'M0-1.2L1.05-.6V.6L0 1.2L-1.05.6V-.6Z';

/** The mark of a mapper; null past the number of marks. `order`: how many volunteers came before. */
export const markOf = (by: string, order: number): string | null =>
  by === 'edge' ? EDGE_MARK : (MARKS[order] ?? null);

const paths = new Map<string, Path2D>();

export function drawMark(
  pen: Pen,
  mark: string,
  x: number,
  y: number,
  size: number,
  colour: string,
): void {
  let path = paths.get(mark);
  if (!path) paths.set(mark, (path = new Path2D(mark)));
  pen.save();
  pen.translate(x + size / 2, y + size / 2);
  pen.scale(size * 0.19, size * 0.19);
  pen.fillStyle = colour;
  pen.fill(path);
  pen.restore();
}
