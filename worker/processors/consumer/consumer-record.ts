// What a ConsumerObject remembers of its work, in one row: the place, counters, latencies, operations. Plain
// values and what reports do to them.
import type { PartitionLag, ProcessorCounters } from '../../../shared/schemas/processor.ts';
import type { ConsumerConfig } from '../../contracts/consumer.rpc.ts';
import {
  mergeLatency,
  newLatency,
  type RecentLatency,
  recentLatency,
} from '../../platform/latency.ts';
import { type Place, placeAt } from './retry.ts';
import { emptyCounters } from '../definition/counters.ts';

export interface ConsumerRecord {
  place: Place;
  /** Where this generation began: events before were another's. */
  start: number;
  /** Grows with each change that settles what was prepared: what was prepared under an older number is void. */
  serial: number;
  stopped: boolean;
  counters: ProcessorCounters;
  latency: RecentLatency;
  operations: Record<string, number>;
}

export const newRecord = (start: number, nowMs: number): ConsumerRecord => ({
  place: placeAt(start),
  start,
  serial: 0,
  stopped: false,
  counters: emptyCounters(),
  latency: newLatency(nowMs),
  operations: {},
});

export function countLatency(record: ConsumerRecord, buckets: number[], nowMs: number): void {
  record.latency = recentLatency(record.latency, nowMs);
  mergeLatency(record.latency.now, buckets);
}

/** Where it is, and why it waits. */
export function placeShown(
  record: ConsumerRecord,
  config: ConsumerConfig,
  leased: boolean,
  nowMs: number,
): Omit<PartitionLag, 'lag'> {
  const { place, stopped } = record;
  const { stream, partition } = config.ref.source;
  const shown = { stream, partition, committed: place.committed };
  if (config.paused) return { ...shown, state: 'paused', reason: 'paused' };
  if (stopped) return { ...shown, state: 'paused', reason: 'a rebuilt version takes its place' };
  const { waits } = place;
  if (waits?.kind === 'blocked') return { ...shown, state: 'blocked', reason: waits.reason };
  if (waits) {
    const seconds = Math.max(0, (place.notBeforeMs - nowMs) / 1000).toFixed(1);
    const attempt = `attempt ${waits.times} of ${config.retry.maxAttempts} failed (${waits.reason})`;
    return {
      ...shown,
      state: 'waiting',
      reason: `${attempt}; the next one is due in ${seconds} s`,
    };
  }
  return { ...shown, state: leased ? 'running' : 'idle', reason: '' };
}
