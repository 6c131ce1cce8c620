// Times, medians, and the rows of the benchmark's table.

export interface Row {
  what: string;
  /** With its unit. */
  result: string;
  /** Measured in the same run, beside it. */
  beside: string;
  peer: string;
  /** Ours : theirs, higher is better; empty for figures that stand alone. */
  ratio: string;
  aim: string;
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) throw new Error('a median of nothing');
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}

export async function timedMs(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

/** "median (lowest–highest)": the spread says what the median is worth. */
export function spread(values: number[], digits = 0): string {
  const show = (value: number) =>
    value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  if (values.length === 1) return show(median(values));
  return `${show(median(values))} (${show(Math.min(...values))}–${show(Math.max(...values))})`;
}

/** Each run's own ratio, so that what slows both down in one run does not count. */
export function medianRatio(ours: number[], theirs: number[]): number {
  return median(ours.map((value, run) => value / (theirs[run] as number)));
}
