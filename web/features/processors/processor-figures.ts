// What is said of a processor in figures and words: how far behind it is, and why it waits. Pure.
import type { PartitionLag, ProcessorState } from '../../../shared/schemas/processor.ts';

export function totalLag(lag: readonly PartitionLag[]): number {
  return lag.reduce((sum, entry) => sum + entry.lag, 0);
}

/** Most in need of attention first. */
const URGENCY: readonly PartitionLag['state'][] = [
  'blocked',
  'waiting',
  'running',
  'paused',
  'idle',
];

/** The partition that says most about how the processor stands. */
export function mostUrgent(lag: readonly PartitionLag[]): PartitionLag | null {
  const rank = ({ state }: PartitionLag) => URGENCY.indexOf(state);
  return [...lag].sort((a, b) => rank(a) - rank(b) || b.lag - a.lag)[0] ?? null;
}

/** Every state says why: its own reason, or that of the partition that is worst off. */
export function whyOf(state: ProcessorState, reason: string, lag: readonly PartitionLag[]): string {
  if (reason !== '') return reason;
  if (state === 'paused') return 'paused: events wait in the stream until it is resumed';
  const worst = mostUrgent(lag);
  if (worst && worst.reason !== '' && (worst.state === 'blocked' || worst.state === 'waiting'))
    return `partition ${worst.partition} of ${worst.stream}: ${worst.reason}`;
  const behind = totalLag(lag);
  if (behind > 0) return `${behind.toLocaleString('en-US')} events behind`;
  return 'caught up: waiting for the next event';
}

/** "38 ms", or a dash before the first. */
export function latencyText(
  { p50, p99 }: { p50: number | null; p99: number | null },
  text: (ms: number) => string,
): string {
  return p50 === null || p99 === null ? '–' : `${text(p50)} / ${text(p99)}`;
}
