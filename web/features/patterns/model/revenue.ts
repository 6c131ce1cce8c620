// The dashboard's result, in cents by category, as bars. Pure.
import type { ResultRecord } from '../../../../shared/schemas/job.ts';

export interface RevenueBar {
  key: string;
  amount: string;
  /** Of the largest: 0…1. */
  share: number;
}

const EUROS = new Intl.NumberFormat('en-IE', { style: 'currency', currency: 'EUR' });

export function revenueBars(records: readonly ResultRecord[]): RevenueBar[] {
  const cents = records.map(({ value }) => (typeof value === 'number' ? value : 0));
  const most = Math.max(1, ...cents);
  return records.map(({ key }, i) => ({
    key,
    amount: EUROS.format((cents[i] ?? 0) / 100),
    share: (cents[i] ?? 0) / most,
  }));
}
