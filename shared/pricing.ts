// What operations cost on Cloudflare: list prices of the paid plan, late 2026, in US dollars per million,
// without the included amounts. Storage and CPU time are left out: a job keeps little and briefly.
export const PRICE_PER_MILLION_USD = {
  workerRequest: 0.3,
  durableObjectRequest: 0.15,
  rowWritten: 1,
  rowRead: 0.001,
  r2Write: 4.5,
  r2Read: 0.36,
  queueOperation: 0.4,
} as const;

export type Operation = keyof typeof PRICE_PER_MILLION_USD;

/** US dollars for counted operations. */
export function usd(operations: Record<string, number>): number {
  let total = 0;
  for (const [operation, price] of Object.entries(PRICE_PER_MILLION_USD)) {
    total += (operations[operation] ?? 0) * price;
  }
  return total / 1_000_000;
}
