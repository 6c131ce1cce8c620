// How long a job may still take: a range from its own recent speeds, or nothing while it is too early to
// say. Never negative; rounded, so that it does not flicker.

export interface Sample {
  atMs: number;
  done: number;
}

export interface Remaining {
  perSecond: number;
  /** Both bounds in ms; 0 when nothing is left. */
  fastMs: number;
  slowMs: number;
}

const SAMPLES_MAX = 60;
const SPAN_MIN_MS = 2_000;
const SPANS_MIN = 2;

/** Keeps samples in time order, the newest SAMPLES_MAX. A fall (a retry) starts over. */
export function addSample(samples: readonly Sample[], sample: Sample): Sample[] {
  const last = samples.at(-1);
  if (last && sample.done < last.done) return [sample];
  if (last && sample.atMs <= last.atMs) return [...samples];
  return [...samples, sample].slice(-SAMPLES_MAX);
}

/** Null while there is not enough to go by, or when nothing moved. */
export function remaining(samples: readonly Sample[], total: number): Remaining | null {
  const last = samples.at(-1);
  const first = samples[0];
  if (!last || !first) return null;
  const left = Math.max(0, total - last.done);
  const overallMs = last.atMs - first.atMs;
  const perSecond = overallMs > 0 ? ((last.done - first.done) * 1000) / overallMs : 0;
  if (left === 0) return { perSecond, fastMs: 0, slowMs: 0 };
  const speeds = spanSpeeds(samples);
  if (speeds.length < SPANS_MIN || perSecond <= 0) return null;
  speeds.sort((a, b) => a - b);
  const quick = quantile(speeds, 0.8);
  // A standstill in a span must not make the end infinitely far: a quarter of the mean is the least.
  const slow = Math.max(quantile(speeds, 0.2), perSecond / 4);
  const fastMs = roundTime((left * 1000) / Math.max(quick, perSecond));
  const slowMs = roundTime((left * 1000) / Math.min(slow, perSecond));
  return { perSecond, fastMs: Math.min(fastMs, slowMs), slowMs: Math.max(fastMs, slowMs) };
}

/** Speeds over spans of at least SPAN_MIN_MS, a second. */
function spanSpeeds(samples: readonly Sample[]): number[] {
  const speeds: number[] = [];
  let from = samples[0];
  for (const sample of samples) {
    if (!from || sample.atMs - from.atMs < SPAN_MIN_MS) continue;
    speeds.push(((sample.done - from.done) * 1000) / (sample.atMs - from.atMs));
    from = sample;
  }
  return speeds;
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.round((sorted.length - 1) * share)] ?? 0;
}

/** Up to steps that a person would say: 1 s, then 5 s, 30 s, 1 min, 5 min. */
function roundTime(ms: number): number {
  const step = ms < 20_000 ? 1_000 : ms < 120_000 ? 5_000 : ms < 600_000 ? 30_000 : 300_000;
  return Math.max(1, Math.round(ms / step)) * step;
}
