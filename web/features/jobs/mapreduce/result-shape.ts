// What a result lends itself to, from its first records: bars where values are numbers, π where it is the
// Monte Carlo count. Pure.
import type { ResultRecord } from '../../../../shared/schemas/job.ts';

export interface BarView {
  key: string;
  value: number;
  /** 0 to 1 of the largest. */
  share: number;
}

const BARS_MAX = 20;

/** The first twenty as bars; null when a value is no number, or when there is nothing to compare. */
export function barsOf(records: readonly ResultRecord[]): BarView[] | null {
  if (records.length < 2) return null;
  const numbers = records.flatMap(({ key, value }) =>
    typeof value === 'number' ? [{ key, value }] : [],
  );
  if (numbers.length < records.length) return null;
  const first = numbers.slice(0, BARS_MAX);
  const largest = Math.max(...first.map(({ value }) => value));
  if (first.some(({ value }) => value < 0) || largest <= 0) return null;
  return first.map((bar) => ({ ...bar, share: bar.value / largest }));
}

/** π from a result of exactly `inside` and `total`. */
export function piOf(records: readonly ResultRecord[]): number | null {
  if (records.length !== 2) return null;
  const of = (key: string) => records.find((record) => record.key === key)?.value;
  const [inside, total] = [of('inside'), of('total')];
  if (typeof inside !== 'number' || typeof total !== 'number' || total <= 0) return null;
  return (4 * inside) / total;
}
