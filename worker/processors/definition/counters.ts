// Counters and log lines that every processor keeps, and how they are added up.
import { LOG_LINES_MAX } from '../../../shared/limits.ts';
import { addTo } from '../../../shared/own.ts';
import type { ProcessorCounters } from '../../../shared/schemas/processor.ts';

export const emptyCounters = (): ProcessorCounters => ({
  processed: 0,
  passedOver: 0,
  emitted: 0,
  retried: 0,
  deadLettered: 0,
  redriven: 0,
  duplicates: 0,
  expired: 0,
});

export function addCounts<Counts extends { [name: string]: number | undefined }>(
  into: Counts,
  more: Partial<Counts>,
): void {
  for (const [name, count] of Object.entries(more)) {
    addTo(into as Record<string, number>, name, count as number);
  }
}

/** The newest lines. */
export const lastLines = (before: string[], more: string[]): string[] =>
  [...before, ...more].slice(-LOG_LINES_MAX);
