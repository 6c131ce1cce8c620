// Lag and latency as they were asked for while the page is open. Bounded: when it is full neighbours merge,
// so that an hour takes the memory of a minute. Pure.
export interface Reading {
  atMs: number;
  lag: number;
  p50: number | null;
  p99: number | null;
}

const READINGS_MAX = 400;

/** The worst of two neighbours stays: a peak must not vanish because time passed. */
function merge(a: Reading, b: Reading): Reading {
  const worst = (x: number | null, y: number | null) =>
    x === null ? y : y === null ? x : Math.max(x, y);
  return {
    atMs: b.atMs,
    lag: Math.max(a.lag, b.lag),
    p50: worst(a.p50, b.p50),
    p99: worst(a.p99, b.p99),
  };
}

export function addReading(series: readonly Reading[], reading: Reading): Reading[] {
  if (series.length < READINGS_MAX) return [...series, reading];
  const merged: Reading[] = [];
  for (let at = 0; at < series.length; at += 2) {
    const [a, b] = [series[at], series[at + 1]];
    if (a) merged.push(b ? merge(a, b) : a);
  }
  return [...merged, reading];
}

export interface Lines {
  /** Seconds since the first reading. */
  seconds: number[];
  values: (number | null)[][];
}

export function linesOf(series: readonly Reading[], of: readonly ('lag' | 'p50' | 'p99')[]): Lines {
  const start = series[0]?.atMs ?? 0;
  return {
    seconds: series.map(({ atMs }) => (atMs - start) / 1000),
    values: of.map((name) => series.map((reading) => reading[name])),
  };
}
