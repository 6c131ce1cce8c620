// What a ProcessorObject remembers, and how a processor is shown from it and from what its generations say.
import { isoTime } from '../../../shared/iso-time.ts';
import { LOG_LINES_MAX } from '../../../shared/limits.ts';
import { addTo } from '../../../shared/own.ts';
import { usd } from '../../../shared/pricing.ts';
import type {
  PartitionLag,
  Processor,
  ProcessorState,
  ProcessorSummary,
} from '../../../shared/schemas/processor.ts';
import type { StreamPoint } from '../../../shared/schemas/stream.ts';
import type { GenerationStatus } from './generation.ts';
import { lateOf } from './keyed-spec.ts';
import { latencyQuantile } from '../../platform/latency.ts';
import type { Point } from '../../contracts/log.rpc.ts';
import type { ProcessorDefinition } from '../../contracts/processor.rpc.ts';
import type { Cutover } from './cutover.ts';

export interface ProcessorRecord {
  definition: ProcessorDefinition;
  createdAtMs: number;
  changedAtMs: number;
  paused: boolean;
  /** The last ones that were given out. */
  version: number;
  generation: number;
  cutover: Cutover;
  /** Where each generation that is not over began. */
  from: Record<number, StreamPoint>;
  /** Not every generation has been told of the definition as it is. */
  untold: boolean;
}

export function newProcessorRecord(
  definition: ProcessorDefinition,
  nowMs: number,
): ProcessorRecord {
  return {
    definition,
    createdAtMs: nowMs,
    changedAtMs: nowMs,
    paused: false,
    version: 1,
    generation: 1,
    cutover: { active: { generation: 1, version: 1 }, replay: null, retired: [] },
    from: { 1: definition.spec.startFrom },
    untold: true,
  };
}

/** The same processor with other code: both of its generations, should there be two, go on with it. */
export function changed(
  before: ProcessorRecord,
  definition: ProcessorDefinition,
  changedAtMs: number,
): ProcessorRecord {
  const version = before.version + 1;
  const { active, replay, retired } = before.cutover;
  const cutover = {
    active: { ...active, version },
    replay: replay && { ...replay, version },
    retired,
  };
  return { ...before, definition, changedAtMs, version, cutover };
}

export function pointOf(point: StreamPoint): Point {
  if (point === 'earliest' || point === 'latest') return point;
  return typeof point === 'number' ? { offset: point } : { timeMs: Date.parse(point) };
}

/** The spec but for where it begins, which means nothing once it has begun. */
export const sameWork = (a: ProcessorDefinition, b: ProcessorDefinition): boolean =>
  workOf(a) === workOf(b);
const workOf = ({ spec, program, guard }: ProcessorDefinition) =>
  JSON.stringify({ ...spec, startFrom: 0, stream: 0, program, guard });

export const sameStreams = (a: ProcessorDefinition, b: ProcessorDefinition): boolean =>
  uidsOf(a) === uidsOf(b);
const uidsOf = ({ streams }: ProcessorDefinition) =>
  streams
    .map(({ uid }) => uid)
    .toSorted()
    .join();

/** A generation's status with the ends of the logs beside it. */
export interface Seen extends Omit<GenerationStatus, 'lag'> {
  lag: PartitionLag[];
}

export const withLag = ({ lag, ...status }: GenerationStatus, ends: Map<string, number>): Seen => ({
  ...status,
  lag: lag.map((one) => {
    const end = ends.get(`${one.stream}/${one.partition}`) ?? one.committed;
    return { ...one, lag: Math.max(0, end - one.committed) };
  }),
});

export function processorView(
  record: ProcessorRecord,
  active: Seen,
  fresh: Seen | null,
): Processor {
  const { definition, cutover, createdAtMs, changedAtMs } = record;
  const { replay } = cutover;
  const operations = { ...active.operations };
  for (const [name, count] of Object.entries(fresh?.operations ?? {})) {
    addTo(operations, name, count);
  }
  return {
    name: definition.name,
    spec: definition.spec,
    version: cutover.active.version,
    state: stateOf(record),
    reason: reasonOf(record, active, fresh),
    createdAt: isoTime(createdAtMs),
    changedAt: isoTime(changedAtMs),
    lag: active.lag,
    counters: active.counters,
    latencyMs: latencyView(active.latency),
    deadLetters: active.deadLetters,
    replay:
      replay && fresh
        ? {
            version: replay.version,
            startedAt: isoTime(replay.startedAtMs),
            lag: fresh.lag,
          }
        : null,
    log: [...active.log, ...(fresh?.log ?? [])].slice(-LOG_LINES_MAX),
    ...(active.openWindow && { openWindow: active.openWindow }),
    ...(active.keyed && { keyed: active.keyed }),
    cost: { operations, usd: usd(operations) },
  };
}

export function summaryView(
  record: ProcessorRecord,
  active: Seen,
  fresh: Seen | null,
): ProcessorSummary {
  const view = processorView(record, active, fresh);
  const { name, version, state, reason, lag, counters, latencyMs, deadLetters, keyed } = view;
  const { spec, streams } = record.definition;
  const late = lateOf(spec);
  return {
    name,
    kind: spec.kind,
    streams: streams.map((stream) => stream.name),
    output: spec.output ?? null,
    ...(late !== null && { late }),
    version,
    state,
    reason,
    lag,
    counters,
    latencyMs,
    deadLetters,
    ...(keyed && { keyed }),
  };
}

const latencyView = (buckets: number[]) => ({
  p50: latencyQuantile(buckets, 0.5),
  p99: latencyQuantile(buckets, 0.99),
});

function stateOf({ paused, cutover }: ProcessorRecord): ProcessorState {
  if (paused) return 'paused';
  return cutover.replay ? 'replaying' : 'running';
}

function reasonOf(record: ProcessorRecord, active: Seen, fresh: Seen | null): string {
  const { paused, cutover, from } = record;
  const { replay } = cutover;
  const reasons: string[] = [];
  if (paused) reasons.push('paused');
  if (replay && fresh) {
    const left = fresh.lag.reduce((sum, { lag }) => sum + lag, 0);
    const doing = replay.phase.kind === 'building' ? 'rebuilds' : 'takes over';
    const began = from[replay.generation] ?? 'earliest';
    reasons.push(`version ${replay.version} ${doing} from ${began}: ${left} events to go`);
  }
  const waiting = [...active.lag, ...(fresh?.lag ?? [])].filter(
    ({ state }) => state === 'blocked' || state === 'waiting',
  );
  const first = waiting.find(({ state }) => state === 'blocked') ?? waiting[0];
  if (first) {
    const others = waiting.length > 1 ? ` (and ${waiting.length - 1} more)` : '';
    reasons.push(`partition ${first.partition} of ${first.stream}: ${first.reason}${others}`);
  }
  const troubles = [...(active.troubles ?? []), ...(fresh?.troubles ?? [])];
  const [trouble] = troubles;
  // A consumer that is blocked by a shard has said so already.
  if (trouble && !first?.reason.includes(trouble.reason)) {
    const others = troubles.length > 1 ? ` (and ${troubles.length - 1} more)` : '';
    reasons.push(`shard ${trouble.shard}: ${trouble.reason}${others}`);
  }
  return reasons.join('; ');
}
