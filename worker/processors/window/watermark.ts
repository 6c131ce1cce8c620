// Event time: the watermark says "nothing older is expected", and windows close by it. It is the least of what the
// partitions have come to. One that was read to its end and stayed so for `idleMs` holds nothing up; when all have,
// event time goes on with the wall clock, so that the last windows close, too. It never goes back.

export interface SourceClock {
  /** The largest event time so far; null: none. */
  maxMs: number | null;
  /** Read to its end since then; null: there may be more to read. */
  restedAtMs: number | null;
}

export interface EventClock {
  /** Something was decided by it. Null: nothing yet. */
  watermarkMs: number | null;
  /** By place in the shard's list of sources. */
  sources: SourceClock[];
}

/** The clock with a place for each source. Those it does not know may have events that were not read. */
export function withSources({ watermarkMs, sources }: EventClock, count: number): EventClock {
  const added = Array.from({ length: Math.max(0, count - sources.length) }, (): SourceClock => ({
    maxMs: null,
    restedAtMs: null,
  }));
  return { watermarkMs, sources: [...sources, ...added] };
}

/** Null: event time has not begun. */
export function watermarkAt(clock: EventClock, nowMs: number, idleMs: number): number | null {
  const holding = clock.sources.filter((source) => !(idleAtMs(source, idleMs) <= nowMs));
  return latest(
    clock.watermarkMs,
    holding.length > 0 ? leastOf(holding) : grown(clock, nowMs, idleMs),
  );
}

/** When the wall clock alone brings the watermark there; 0: it is there. Null: only more events do. */
export function reachesAtMs(clock: EventClock, targetMs: number, idleMs: number): number | null {
  if (clock.watermarkMs !== null && clock.watermarkMs >= targetMs) return 0;
  const sources = clock.sources
    .map((source) => ({ ...source, idleMs: idleAtMs(source, idleMs) }))
    .toSorted((a, b) => (a.idleMs === b.idleMs ? 0 : a.idleMs - b.idleMs));
  // By what each of them holds up, from the last one that falls idle back to the first.
  const least = sources.map(({ maxMs }) => maxMs ?? -Infinity);
  for (let i = least.length - 2; i >= 0; i--) {
    least[i] = Math.min(least[i] as number, least[i + 1] as number);
  }
  if ((least[0] ?? -Infinity) >= targetMs) return 0;
  for (let i = 0; i + 1 < sources.length; i++) {
    const atMs = sources[i]?.idleMs ?? Infinity;
    if (atMs === Infinity) return null;
    if ((least[i + 1] as number) >= targetMs) return atMs;
  }
  const lastMs = sources.at(-1)?.idleMs ?? Infinity;
  const greatest = greatestOf(clock.sources);
  if (lastMs === Infinity || greatest === null) return null;
  return lastMs + Math.max(0, targetMs - greatest);
}

/** A batch of a source came. `maxTimeMs` is null when only a part of it was taken. */
export function came(clock: EventClock, source: number, maxTimeMs: number | null): EventClock {
  return changed(clock, source, ({ maxMs }) => ({
    maxMs: latest(maxMs, maxTimeMs),
    restedAtMs: null,
  }));
}

/** A source was read to its end. The same clock when it was known to rest. */
export function rested(clock: EventClock, source: number, nowMs: number): EventClock {
  if (clock.sources[source]?.restedAtMs !== null) return clock;
  return changed(clock, source, ({ maxMs }) => ({ maxMs, restedAtMs: nowMs }));
}

/** After a time without reading: sources that rested have as long again to show that they still do. */
export function roused(clock: EventClock, nowMs: number): EventClock {
  const sources = clock.sources.map((source) =>
    source.restedAtMs === null || source.restedAtMs === 0
      ? source
      : { ...source, restedAtMs: nowMs },
  );
  return { ...clock, sources };
}

export const withWatermark = (clock: EventClock, watermarkMs: number | null): EventClock => ({
  ...clock,
  watermarkMs: latest(clock.watermarkMs, watermarkMs),
});

function changed(
  clock: EventClock,
  place: number,
  change: (source: SourceClock) => SourceClock,
): EventClock {
  const sources = clock.sources.map((source, i) => (i === place ? change(source) : source));
  return { ...clock, sources };
}

const idleAtMs = ({ restedAtMs }: SourceClock, idleMs: number): number =>
  restedAtMs === null ? Infinity : restedAtMs + idleMs;

/** All have been idle since the last of them fell idle. */
function grown(clock: EventClock, nowMs: number, idleMs: number): number | null {
  const greatest = greatestOf(clock.sources);
  if (greatest === null) return null;
  return greatest + nowMs - Math.max(...clock.sources.map((source) => idleAtMs(source, idleMs)));
}

/** Null: one of them has shown no time yet. */
function leastOf(sources: readonly SourceClock[]): number | null {
  let least = Infinity;
  for (const { maxMs } of sources) {
    if (maxMs === null) return null;
    least = Math.min(least, maxMs);
  }
  return least;
}

function greatestOf(sources: readonly SourceClock[]): number | null {
  return sources.reduce<number | null>((greatest, { maxMs }) => latest(greatest, maxMs), null);
}

function latest(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.max(a, b);
}
