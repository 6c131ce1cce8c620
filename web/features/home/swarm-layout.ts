// Where each volunteer stands around the edge. Pure: the same number gives the same places, and a place
// depends on nothing else, so that somebody who comes or goes moves the others as little as can be.
export interface Place {
  x: number;
  y: number;
  radius: number;
}

export const PICTURE = { width: 640, height: 400 } as const;
/** Past this, single circles say nothing any more: the picture becomes a histogram. */
export const CIRCLES_MAX = 100;
/** Up to here there is room for a name under each circle. */
export const NAMED_MAX = 12;

const CENTRE = { x: PICTURE.width / 2, y: PICTURE.height / 2 };
/** Rings from the inside out: half-axes, how many stand on it, how large they are. */
const CROWD = [
  { rx: 130, ry: 95, seats: 16 },
  { rx: 190, ry: 130, seats: 24 },
  { rx: 240, ry: 158, seats: 28 },
  { rx: 288, ry: 184, seats: 32 },
] as const;

export function placeVolunteers(total: number): Place[] {
  if (total <= NAMED_MAX) return ring(total, 222, 130, total <= 6 ? 30 : 24);
  const places: Place[] = [];
  let left = Math.min(total, CIRCLES_MAX);
  for (const { rx, ry, seats } of CROWD) {
    const here = Math.min(left, seats);
    places.push(...ring(here, rx, ry, 11));
    left -= here;
  }
  return places;
}

/** Two stand left and right, four on the diagonals: an ellipse looks best without anybody at the poles. */
function ring(total: number, rx: number, ry: number, radius: number): Place[] {
  const turn = total === 2 || total % 2 === 1 ? Math.PI : Math.PI + Math.PI / total;
  return Array.from({ length: total }, (_, index) => {
    const angle = turn + (index * 2 * Math.PI) / total;
    return { x: CENTRE.x + rx * Math.cos(angle), y: CENTRE.y + ry * Math.sin(angle), radius };
  });
}

export interface Bin {
  label: string;
  working: number;
  others: number;
}

const BINS = [1, 2, 4, 8, 16, 32, Infinity] as const;

/** Volunteers by how many cores they lend: bins of doubling size. */
export function coreHistogram(volunteers: readonly { cores: number; state: string }[]): Bin[] {
  const bins = BINS.map((max, index): Bin => {
    const min = index === 0 ? 1 : (BINS[index - 1] ?? 0) + 1;
    const label = max === Infinity ? `${min}+` : min === max ? `${max}` : `${min}–${max}`;
    return { label, working: 0, others: 0 };
  });
  for (const { cores, state } of volunteers) {
    const bin = bins[BINS.findIndex((max) => cores <= max)];
    if (!bin) continue;
    if (state === 'working' || state === 'finishing') bin.working++;
    else bin.others++;
  }
  return bins;
}
