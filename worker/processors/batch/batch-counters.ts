// What a batch processor's windows counted so far, and how windows are shown. Plain values.
import { isoTime } from '../../../shared/iso-time.ts';
import type {
  Batch,
  DeadLetter,
  OpenWindow,
  PartitionLag,
  ProcessorCounters,
  WindowLimits,
} from '../../../shared/schemas/processor.ts';
import {
  addLatency,
  newLatency,
  type RecentLatency,
  recentLatency,
} from '../../platform/latency.ts';
import { emptyCounters } from '../definition/counters.ts';
import type { BatchConfig } from '../../contracts/batch.rpc.ts';
import { type Cursor, firesAtMs, samePartition, type Windows } from './batch-machine.ts';
import type { BatchAttempts, BatchRecord } from './batch-attempts.ts';

export interface BatchCounters {
  counters: ProcessorCounters;
  operations: Record<string, number>;
  /** The last lines that the code logged. */
  log: string[];
  latency: RecentLatency;
}

export const newCounters = (nowMs: number): BatchCounters => ({
  counters: emptyCounters(),
  operations: {},
  log: [],
  latency: newLatency(nowMs),
});

/** A window's events count with the longest wait among them: that of the first, which is the one that is known. */
export function countDone(totals: BatchCounters, record: BatchRecord, nowMs: number): void {
  totals.counters.processed += record.events;
  totals.latency = recentLatency(totals.latency, nowMs);
  addLatency(totals.latency.now, nowMs - record.openedAtMs, record.events);
}

export function batchView(record: BatchRecord): Batch {
  const { number, reason, ranges, events, bytes, openedAtMs, firedAtMs, state, attempts } = record;
  const only = ranges.length === 1 ? ranges[0] : undefined;
  return {
    window: number,
    reason,
    from: only?.from ?? null,
    to: only?.to ?? null,
    ranges: ranges.map(({ stream, partition, from, to }) => ({ stream, partition, from, to })),
    events,
    bytes,
    openedAt: isoTime(openedAtMs),
    firedAt: isoTime(firedAtMs),
    state,
    attempts,
    error: record.error,
    ...(record.job !== null && { job: record.job }),
  };
}

export function openView(windows: Windows, limits: WindowLimits): OpenWindow {
  const { number, events, bytes, openedAtMs } = windows.open;
  const firesMs = firesAtMs(windows, limits);
  return {
    window: number,
    events,
    bytes,
    openedAt: openedAtMs === null ? null : isoTime(openedAtMs),
    firesAt: firesMs === null ? null : isoTime(firesMs),
  };
}

const LETTER = /^window-(\d+)$/;
const letterId = (number: number) => `window-${number}`;

/** The window that a dead letter's id stands for. */
export function windowOfLetter(id: string): number | null {
  const number = LETTER.exec(id)?.[1];
  return number === undefined ? null : Number(number);
}

export function letterView(record: BatchRecord): DeadLetter {
  const first = record.ranges[0];
  return {
    id: letterId(record.number),
    event: null,
    stream: first?.stream ?? '',
    partition: first?.partition ?? 0,
    offset: first?.from ?? 0,
    error: record.error ?? { code: 'internal', message: 'it is tried again' },
    attempts: record.attempts,
    at: isoTime(record.deadAtMs ?? record.firedAtMs),
    state: record.state === 'failed' ? 'dead' : 'redriving',
    batch: record.number,
  };
}

/** Where each partition is, and why it waits. */
export function lagView(
  config: BatchConfig,
  windows: Windows,
  attempts: BatchAttempts,
  nowMs: number,
): Omit<PartitionLag, 'lag'>[] {
  return windows.cursors.map((cursor) => {
    const { stream, partition, committed } = cursor;
    return { stream, partition, committed, ...placeOf(cursor, config, windows, attempts, nowMs) };
  });
}

function placeOf(
  cursor: Cursor,
  { paused, spec }: BatchConfig,
  windows: Windows,
  attempts: BatchAttempts,
  nowMs: number,
): Pick<PartitionLag, 'state' | 'reason'> {
  if (paused) return { state: 'paused', reason: 'paused' };
  const covers = ({ ranges }: Pick<BatchRecord, 'ranges'>) =>
    ranges.some((range) => samePartition(range, cursor));
  const first = attempts.all.filter(covers).sort((a, b) => a.number - b.number)[0];
  if (first) {
    if (first.state === 'running') {
      return { state: 'running', reason: first.job ? `window ${first.number} is a job` : '' };
    }
    const { why, blocks, number } = first;
    const state = blocks > 0 && why !== '' ? 'blocked' : 'waiting';
    return { state, reason: `window ${number} ${why === '' ? 'waits for its turn' : why}` };
  }
  const { open } = windows;
  if (open.openedAtMs === null || !covers(open)) return { state: 'idle', reason: '' };
  const seconds = Math.max(
    0,
    Math.round(((firesAtMs(windows, spec.batch) ?? nowMs) - nowMs) / 1000),
  );
  const filled = `${open.events} of ${spec.batch.maxEvents} events, ${open.bytes} of ${spec.batch.maxBytes} bytes`;
  return {
    state: 'waiting',
    reason: `window ${open.number} is open: ${filled}, and ${seconds} s left`,
  };
}
