// Latencies as counts in buckets that grow by 19 % (four to a power of two): small, and to be added up.
import { LATENCY_HALF_MS } from '../../shared/limits.ts';

const PER_OCTAVE = 4;
export const LATENCY_BUCKETS = 24 * PER_OCTAVE;

export const emptyLatency = (): number[] => new Array<number>(LATENCY_BUCKETS).fill(0);

/** Bucket b counts what took from `bound(b)` up to `bound(b + 1)` milliseconds. */
const bound = (bucket: number) => 2 ** (bucket / PER_OCTAVE) - 1;

export function addLatency(buckets: number[], ms: number, count = 1): void {
  const bucket = Math.min(
    LATENCY_BUCKETS - 1,
    Math.floor(Math.log2(Math.max(0, ms) + 1) * PER_OCTAVE),
  );
  buckets[bucket] = (buckets[bucket] ?? 0) + count;
}

export function mergeLatency(into: number[], from: readonly number[]): void {
  from.forEach((count, bucket) => (into[bucket] = (into[bucket] ?? 0) + count));
}

/** The `share` quantile (0 to 1) in milliseconds; null when nothing was counted. */
export function latencyQuantile(buckets: readonly number[], share: number): number | null {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let before = 0;
  const rank = share * total;
  for (const [bucket, count] of buckets.entries()) {
    if (count > 0 && before + count >= rank) {
      const low = bound(bucket);
      const high = bound(bucket + 1);
      return Math.round(low + (high - low) * ((rank - before) / count));
    }
    before += count;
  }
  return bound(buckets.length);
}

/** Two halves that take turns, so that what is shown covers the last minutes. */
export interface RecentLatency {
  sinceMs: number;
  now: number[];
  before: number[];
}

export const newLatency = (nowMs: number): RecentLatency => ({
  sinceMs: nowMs,
  now: emptyLatency(),
  before: emptyLatency(),
});

/** As it stands at `nowMs`: the half to count in is young enough. */
export function recentLatency(latency: RecentLatency, nowMs: number): RecentLatency {
  const { sinceMs, now } = latency;
  const ageMs = nowMs - sinceMs;
  if (ageMs < LATENCY_HALF_MS) return latency;
  return { ...newLatency(nowMs), before: ageMs < 2 * LATENCY_HALF_MS ? now : emptyLatency() };
}

export function shownLatency(latency: RecentLatency, nowMs: number): number[] {
  const { now, before } = recentLatency(latency, nowMs);
  const shown = [...before];
  mergeLatency(shown, now);
  return shown;
}
