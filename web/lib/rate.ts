// How fast a counter grows, from samples of the last seconds. Pure.
export interface Sample {
  atMs: number;
  value: number;
}

const WINDOW_MS = 10_000;

/** Adds a sample and drops those that are too old; one older than the window stays, to span it. */
export function addSample(samples: readonly Sample[], sample: Sample): Sample[] {
  const firstInside = samples.findIndex(({ atMs }) => atMs >= sample.atMs - WINDOW_MS);
  const kept = firstInside < 0 ? samples.slice(-1) : samples.slice(Math.max(0, firstInside - 1));
  return [...kept, sample];
}

/** A second, over the samples; null while there are too few. Never negative: a counter begun anew is no rate. */
export function perSecondOf(samples: readonly Sample[]): number | null {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last || last.atMs <= first.atMs) return null;
  return Math.max(0, ((last.value - first.value) * 1000) / (last.atMs - first.atMs));
}
