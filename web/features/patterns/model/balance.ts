// The books of a processor: every event that came in is done, passed over, lost to retention, dead, or waits. All the
// numbers are of one answer of the API, so that the sum is of one moment. Pure.
import type { PartitionLag, Processor } from '../../../../shared/schemas/processor.ts';
import type { Kind } from '../../../lib/theme/kinds.ts';

export interface Entry {
  label: string;
  value: number;
  kind: Kind;
}

export interface Balance {
  in: number;
  entries: Entry[];
  /** What the entries do not explain: 0, or the edge's books are wrong. */
  difference: number;
}

type Counted = Pick<Processor, 'lag' | 'counters' | 'deadLetters'>;

export const waitingOf = (lag: readonly PartitionLag[]): number =>
  lag.reduce((sum, partition) => sum + partition.lag, 0);

/** For a processor that read its streams from their beginning. */
export function balanceOf({ lag, counters, deadLetters }: Counted): Balance {
  const waiting = waitingOf(lag);
  const heads = lag.reduce((sum, { committed }) => sum + committed, waiting);
  const entries: Entry[] = [
    { label: 'done', value: counters.processed, kind: 'done' },
    { label: 'dead letters', value: deadLetters, kind: 'deadLetter' },
    { label: 'waiting', value: waiting, kind: 'waiting' },
  ];
  if (counters.passedOver > 0)
    entries.splice(1, 0, { label: 'passed over', value: counters.passedOver, kind: 'cancelled' });
  if (counters.expired > 0)
    entries.splice(1, 0, { label: 'taken by retention', value: counters.expired, kind: 'missed' });
  const explained = entries.reduce((sum, { value }) => sum + value, 0);
  return { in: heads, entries, difference: heads - explained };
}

/** Why a processor is not just working, in the words of the edge: the partition that says most. */
export function whyWaiting(lag: readonly PartitionLag[]): string {
  const order = ['blocked', 'waiting', 'paused'] as const;
  for (const state of order) {
    const said = lag.find((partition) => partition.state === state && partition.reason !== '');
    if (said) return said.reason;
  }
  return '';
}
