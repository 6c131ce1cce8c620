// Where each split's cell lies: as large as fits, down to dots; past that a cell stands for several splits.
// Pure, so that drawing, pointing and the keyboard agree.

export interface GridLayout {
  cell: number;
  gap: number;
  columns: number;
  rows: number;
  /** Splits a cell stands for. */
  perCell: number;
  cells: number;
  width: number;
  height: number;
}

/** Cell and gap in px, from comfortable to smallest. */
const SIZES = [
  [28, 4],
  [22, 4],
  [17, 3],
  [13, 2],
  [10, 2],
  [7, 1],
  [5, 1],
  [4, 0],
] as const;

export function layoutGrid(splits: number, width: number, heightMax: number): GridLayout {
  let layout: GridLayout | null = null;
  for (const [cell, gap] of SIZES) {
    layout = layoutWith(splits, 1, cell, gap, width);
    if (layout.height <= heightMax) return layout;
  }
  const [cell, gap] = SIZES[SIZES.length - 1] ?? [4, 0];
  const columns = Math.max(1, Math.floor((width + gap) / (cell + gap)));
  const rowsMax = Math.max(1, Math.floor((heightMax + gap) / (cell + gap)));
  return layoutWith(splits, Math.ceil(splits / (columns * rowsMax)), cell, gap, width);
}

function layoutWith(
  splits: number,
  perCell: number,
  cell: number,
  gap: number,
  width: number,
): GridLayout {
  const cells = Math.ceil(splits / perCell);
  const fitting = Math.max(1, Math.floor((width + gap) / (cell + gap)));
  const columns = Math.max(1, Math.min(fitting, cells));
  const rows = Math.ceil(cells / columns);
  const height = Math.max(0, rows * (cell + gap) - gap);
  return { cell, gap, columns, rows, perCell, cells, width: columns * (cell + gap) - gap, height };
}

export function cellPlace(layout: GridLayout, index: number): { x: number; y: number } {
  const pitch = layout.cell + layout.gap;
  return {
    x: (index % layout.columns) * pitch,
    y: Math.floor(index / layout.columns) * pitch,
  };
}

/** The cell under a point; a gap belongs to the cell before it. */
export function cellAt(layout: GridLayout, x: number, y: number): number | null {
  const pitch = layout.cell + layout.gap;
  const column = Math.floor(x / pitch);
  const row = Math.floor(y / pitch);
  if (column < 0 || row < 0 || column >= layout.columns) return null;
  const index = row * layout.columns + column;
  return index < layout.cells ? index : null;
}

/** Where a key moves the focus. Null for other keys. */
export function cellAfterKey(layout: GridLayout, index: number, key: string): number | null {
  const moves: Record<string, number> = {
    ArrowRight: index + 1,
    ArrowLeft: index - 1,
    ArrowDown: index + layout.columns,
    ArrowUp: index - layout.columns,
    Home: 0,
    End: layout.cells - 1,
  };
  const to = moves[key];
  if (to === undefined) return null;
  return to >= 0 && to < layout.cells ? to : index;
}
