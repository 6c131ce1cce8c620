// What has to be done for one window, as plain values for the Worker that was woken: run its function over ranges of the
// log, append what that decided before, or submit its job.
import type { MapReduceSpec } from '../../../shared/schemas/job.ts';
import { batchName } from '../../contracts/names.ts';
import type { Emit, BatchConfig, BatchEffects, BatchWork } from '../../contracts/batch.rpc.ts';
import type { BatchRecord } from './batch-attempts.ts';

/** Outputs that one window may have in its producer's numbering. */
const SEQUENCES_PER_WINDOW = 2 ** 20;

const UNNAMED = 'untitled';

export function workOf(
  config: BatchConfig,
  record: BatchRecord,
  effects: BatchEffects | null,
): BatchWork {
  const { spec, program, guard, version, processor } = config;
  const lease = { window: record.number, lease: record.runs };
  if (spec.job) {
    const name = batchName(config.processorUid, config.generation);
    const again = record.redriven > 0 ? `/${record.redriven}` : '';
    return {
      ...lease,
      kind: 'job',
      spec: jobSpec(config, record, spec.job),
      idempotencyKey: `${name}/${record.number}${again}`,
      retryJob: record.job,
    };
  }
  if (!program) throw new Error(`the batch processor ${processor} has neither code nor a job`);
  const emit = emitOf(config, record);
  if (effects) return { ...lease, kind: 'effects', emit, effects };
  return {
    ...lease,
    kind: 'function',
    program: {
      programKey: program.key,
      programHash: program.hash,
      guard,
      types: spec.types ?? null,
      services: spec.services,
      params: spec.params,
      version,
    },
    batch: {
      reason: record.reason,
      events: record.events,
      bytes: record.bytes,
      attempt: record.attempts,
    },
    ranges: record.ranges,
    emit,
  };
}

function emitOf(config: BatchConfig, { number, ranges, redriven }: BatchRecord): Emit {
  const first = ranges[0];
  if (!first) throw new Error(`window ${number} of ${config.processor} has no range`);
  const producer = batchName(config.processorUid, config.generation);
  return {
    output: config.spec.output ?? null,
    source: {
      processor: config.processor,
      version: config.version,
      stream: first.stream,
      partition: first.partition,
      offset: first.from,
    },
    // Later windows have moved the sequence on: a redriven one counts for itself.
    producer: redriven > 0 ? `${producer}/window-${number}` : producer,
    idPrefix: `${config.processorUid.slice(-8)}-${config.generation}-window`,
    firstSequence: redriven > 0 ? 0 : number * SEQUENCES_PER_WINDOW,
  };
}

function jobSpec(
  { processor }: BatchConfig,
  { number, ranges }: BatchRecord,
  job: NonNullable<BatchConfig['spec']['job']>,
): MapReduceSpec {
  const stream = ranges[0]?.stream;
  if (stream === undefined) throw new Error(`window ${number} of ${processor} has no range`);
  return {
    ...job,
    name: job.name === UNNAMED ? `${processor}, window ${number}` : job.name,
    input: {
      stream,
      ranges: ranges.map(({ partition, from, to }) => ({ partition, from, to })),
    },
  };
}
