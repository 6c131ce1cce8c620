// Full jitter: a random wait below a doubling bound, so that a thousand tabs do not come back at once.
export function fullJitterMs(
  attempt: number,
  baseMs: number,
  maxMs: number,
  random: number,
): number {
  return Math.round(random * Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30)));
}
