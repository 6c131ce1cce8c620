// What is said of a processor in figures and words: how far behind it is, and why it waits. Pure.
import type {
  KeyedSpec,
  PartitionLag,
  ProcessorKind,
  ProcessorSpec,
  ProcessorState,
  ProcessorSummary,
} from '../../../shared/schemas/processor.ts';
import { count, plural } from '../../lib/format.ts';

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

const isKeyedKind = (kind: ProcessorKind): kind is KeyedSpec['kind'] =>
  kind === 'stateful' || kind === 'join' || kind === 'window';

export const isKeyed = (spec: ProcessorSpec): spec is KeyedSpec => isKeyedKind(spec.kind);

const HOLDS: Record<KeyedSpec['kind'], { one: string; many: string; short: string }> = {
  stateful: { one: 'key', many: 'keys', short: 'keys' },
  join: { one: 'waiting key', many: 'waiting keys', short: 'waiting' },
  window: { one: 'open window', many: 'open windows', short: 'open' },
};

/** "1 open window" */
export function heldText(kind: KeyedSpec['kind'], keys: number): string {
  return plural(keys, HOLDS[kind].one, HOLDS[kind].many);
}

/** "join, 1,204 waiting" */
export function kindText(
  { kind, keyed }: Pick<ProcessorSummary, 'kind' | 'keyed'>,
  label: string,
): string {
  if (!keyed || !isKeyedKind(kind)) return label;
  return `${label}, ${count(keyed.keys)} ${HOLDS[kind].short}`;
}

/** "38 ms", or a dash before the first. */
export function latencyText(
  { p50, p99 }: { p50: number | null; p99: number | null },
  text: (ms: number) => string,
): string {
  return p50 === null || p99 === null ? '–' : `${text(p50)} / ${text(p99)}`;
}
