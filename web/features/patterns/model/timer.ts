// How much of the time between two runs has passed, for an arc that closes. Pure.
export function shareOfWait(nextRuns: readonly string[], nowMs: number): number {
  const [first, second] = nextRuns.slice(0, 2).map((iso) => Date.parse(iso));
  if (first === undefined || second === undefined || second <= first) return 0;
  return Math.min(1, Math.max(0, 1 - (first - nowMs) / (second - first)));
}
