// Which windows an event lies in. Tumbling windows follow from its time alone; a session is what the events make of
// it: each stands for [time, time + gap), and those that overlap or touch are one.

/** [startMs, endMs). */
export interface Span {
  startMs: number;
  endMs: number;
}

/** The windows that cover a time, oldest first. They begin at multiples of `slideMs` since 1970. */
export function tumblingSpans(timeMs: number, sizeMs: number, slideMs: number): Span[] {
  const spans: Span[] = [];
  const newest = Math.floor(timeMs / slideMs) * slideMs;
  for (let startMs = newest; startMs > timeMs - sizeMs; startMs -= slideMs) {
    spans.push({ startMs, endMs: startMs + sizeMs });
  }
  return spans.reverse();
}

export const sessionSpan = (timeMs: number, gapMs: number): Span => ({
  startMs: timeMs,
  endMs: timeMs + gapMs,
});

/** Sessions that are one. */
export const touches = (a: Span, b: Span): boolean => a.startMs <= b.endMs && b.startMs <= a.endMs;

/** The span over all of them; at least one. */
export const spanOver = (spans: readonly Span[]): Span => ({
  startMs: Math.min(...spans.map(({ startMs }) => startMs)),
  endMs: Math.max(...spans.map(({ endMs }) => endMs)),
});
