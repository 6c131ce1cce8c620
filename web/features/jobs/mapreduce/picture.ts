// A result that is a picture: values that are rows of numbers, all equally long, in the order of their keys.
import type { ResultRecord } from '../../../../shared/schemas/job.ts';

/** At least this many points a row: shorter lists are rather lists than rows of a picture. */
const COLUMNS_MIN = 16;
const SIDE_MAX = 8_192;

/** The width of the picture that these records are rows of; null if they are none. */
export function pictureWidth(records: readonly ResultRecord[]): number | null {
  const first = records[0]?.value;
  if (!Array.isArray(first) || first.length < COLUMNS_MIN || first.length > SIDE_MAX) return null;
  if (records.length < 2) return null;
  for (const { value } of records) {
    if (!Array.isArray(value) || value.length !== first.length) return null;
    if (!value.every((point) => typeof point === 'number' && Number.isFinite(point))) return null;
  }
  return first.length;
}

export class Picture {
  readonly width: number;
  readonly #rows: { key: string; points: Float32Array }[] = [];
  #max = -Infinity;

  constructor(width: number) {
    this.width = width;
  }

  get height(): number {
    return this.#rows.length;
  }

  /** False: not a row of this picture, or too many. */
  add({ key, value }: ResultRecord): boolean {
    if (!Array.isArray(value) || value.length !== this.width) return false;
    if (this.#rows.length >= SIDE_MAX) return false;
    const points = Float32Array.from(value as number[]);
    for (const point of points) this.#max = Math.max(this.#max, point);
    this.#rows.push({ key, points });
    return true;
  }

  /** RGBA bytes. The largest value is the inside: dark; the rest goes through the ramp by its rank. */
  paint(): Uint8ClampedArray<ArrayBuffer> {
    this.#rows.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    const shade = this.#shades();
    const pixels = new Uint8ClampedArray(this.width * this.height * 4);
    let at = 0;
    for (const { points } of this.#rows) {
      for (const point of points) {
        const [r, g, b] = point >= this.#max ? INSIDE : ramp(shade(point));
        pixels[at++] = r;
        pixels[at++] = g;
        pixels[at++] = b;
        pixels[at++] = 255;
      }
    }
    return pixels;
  }

  /** Histogram equalisation: few points have many iterations, and all shades should be used. */
  #shades(): (value: number) => number {
    const BINS = 1_024;
    const max = this.#max;
    const binOf = (value: number) =>
      max > 0 ? Math.min(BINS - 1, Math.max(0, Math.floor((value / max) * BINS))) : 0;
    const bins = new Float64Array(BINS);
    let total = 0;
    for (const { points } of this.#rows) {
      for (const point of points) {
        if (point >= max) continue;
        bins[binOf(point)] = (bins[binOf(point)] ?? 0) + 1;
        total++;
      }
    }
    let sum = 0;
    const shares = bins.map((amount) => (sum += amount) / Math.max(1, total));
    return (value) => shares[binOf(value)] ?? 0;
  }
}

type Rgb = readonly [number, number, number];
const INSIDE: Rgb = [20, 20, 26];
/** Paper, teal, blue, amber, light: the page's own colours. */
const STOPS: readonly Rgb[] = [
  [15, 40, 58],
  [10, 107, 100],
  [79, 199, 188],
  [244, 236, 214],
  [232, 176, 74],
  [168, 68, 10],
];

function ramp(share: number): Rgb {
  const at = Math.min(0.9999, Math.max(0, share)) * (STOPS.length - 1);
  const from = STOPS[Math.floor(at)] ?? INSIDE;
  const to = STOPS[Math.floor(at) + 1] ?? from;
  const part = at - Math.floor(at);
  const mix = (i: 0 | 1 | 2) => from[i] + (to[i] - from[i]) * part;
  return [mix(0), mix(1), mix(2)];
}
