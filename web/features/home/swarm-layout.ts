// Where each volunteer stands around the edge. Pure: the same number gives the same places, and a place
// depends on nothing else, so that somebody who comes or goes moves the others as little as can be.
export interface Place {
  x: number;
  y: number;
  radius: number;
}

/** What it is drawn on: one for wide screens, one for phones, so that words stay readable. */
export interface Picture {
  width: number;
  height: number;
  hexagonRadius: number;
  /** Up to here there is room for a name under each circle. */
  namedMax: number;
  /** Half-axes of the one ring on which those with names stand. */
  ring: { rx: number; ry: number; radius: number };
  crowdRadius: number;
}
export const WIDE: Picture = {
  width: 640,
  height: 400,
  hexagonRadius: 54,
  namedMax: 12,
  ring: { rx: 222, ry: 130, radius: 26 },
  crowdRadius: 11,
};
export const NARROW: Picture = {
  width: 360,
  height: 350,
  hexagonRadius: 46,
  namedMax: 8,
  ring: { rx: 126, ry: 122, radius: 24 },
  crowdRadius: 7.5,
};
/** Past this, single circles say nothing any more: the picture becomes a histogram. */
export const CIRCLES_MAX = 100;

/** The rings of a crowd from the inside out: shares of the half width and height, and how many stand there. */
const CROWD = [
  { x: 0.41, y: 0.475, seats: 16 },
  { x: 0.59, y: 0.65, seats: 24 },
  { x: 0.75, y: 0.79, seats: 28 },
  { x: 0.9, y: 0.92, seats: 32 },
] as const;

export function placeVolunteers(total: number, picture: Picture): Place[] {
  if (total <= picture.namedMax) {
    const { rx, ry, radius } = picture.ring;
    return ring(total, rx, ry, radius, picture);
  }
  const places: Place[] = [];
  let left = Math.min(total, CIRCLES_MAX);
  for (const { x, y, seats } of CROWD) {
    const here = Math.min(left, seats);
    const [rx, ry] = [(x * picture.width) / 2, (y * picture.height) / 2];
    places.push(...ring(here, rx, ry, picture.crowdRadius, picture));
    left -= here;
  }
  return places;
}

/** Two stand left and right, four on the diagonals: an ellipse looks best without anybody at the poles. */
function ring(total: number, rx: number, ry: number, radius: number, on: Picture): Place[] {
  const turn = total === 2 || total % 2 === 1 ? Math.PI : Math.PI + Math.PI / total;
  return Array.from({ length: total }, (_, index) => {
    const angle = turn + (index * 2 * Math.PI) / total;
    return {
      x: on.width / 2 + rx * Math.cos(angle),
      y: on.height / 2 + ry * Math.sin(angle),
      radius,
    };
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
