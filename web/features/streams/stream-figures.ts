// What is said of a stream in figures: how much it holds, who reads it, and how far behind. Pure.
import type { Stream, StreamConsumer } from '../../../shared/schemas/stream.ts';

export interface StreamTotals {
  /** Events that are there now. */
  events: number;
  /** Events ever appended. */
  appended: number;
  bytes: number;
  segments: number;
}

export function totalsOf({ partitions }: Pick<Stream, 'partitions'>): StreamTotals {
  const totals = { events: 0, appended: 0, bytes: 0, segments: 0 };
  for (const { first, next, bytes, segments } of partitions) {
    totals.events += next - first;
    totals.appended += next;
    totals.bytes += bytes;
    totals.segments += segments;
  }
  return totals;
}

export interface ReaderLag {
  processor: string;
  lag: number;
}

/** One entry a processor, its lag over all partitions; the furthest behind first. */
export function readersOf(consumers: readonly StreamConsumer[]): ReaderLag[] {
  const byName = new Map<string, number>();
  for (const { processor, lag } of consumers)
    byName.set(processor, (byName.get(processor) ?? 0) + lag);
  return [...byName]
    .map(([processor, lag]) => ({ processor, lag }))
    .sort((a, b) => b.lag - a.lag || a.processor.localeCompare(b.processor));
}

/** The share of each partition in the largest one, 0…1: how full its lane is drawn. */
export function laneShares({ partitions }: Pick<Stream, 'partitions'>): number[] {
  const sizes = partitions.map(({ first, next }) => next - first);
  const largest = Math.max(0, ...sizes);
  return sizes.map((size) => (largest === 0 ? 0 : size / largest));
}

/** "7 days" · "12 hours": how long events stay. */
export function retentionText(hours: number): string {
  if (hours >= 48 && hours % 24 === 0) return `${hours / 24} days`;
  if (hours < 1) return `${Number((hours * 60).toPrecision(3))} minutes`;
  return `${hours} ${hours === 1 ? 'hour' : 'hours'}`;
}
