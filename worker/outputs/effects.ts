// From what a run of user code came to, to what is done about it: which outputs are appended, which events have
// failed, what is reported. Decided once, by values only; a crash after this is finished, not decided anew.
import { OUTPUTS_PER_EVENT_MAX } from '../../shared/limits.ts';
import { hashKey } from '../../shared/mapreduce/hash.ts';
import type { TaskError } from '../../shared/schemas/job.ts';
import type { ProcessOutcome } from '../../shared/streaming/process.ts';
import { ProblemError } from '../platform/problem.ts';
import type {
  RunOutcome,
  ConsumerConfig,
  EventFailure,
  Outputs,
  RanReport,
} from '../contracts/consumer.rpc.ts';
import { type NewEvent, parseEventLines } from '../log/events.ts';
import { addLatency, emptyLatency } from '../platform/latency.ts';
import { type ConsumerRef, consumerName } from '../contracts/names.ts';

/** Events that were run together: consecutive lines of the log. */
export interface RunBatch {
  from: number;
  lines: string[];
  /** Events from `offset` on (until the next entry) were appended at `atMs`. */
  appendedAt: { offset: number; atMs: number }[];
}

export interface Decision {
  report: RanReport;
  /** Null: nothing is appended. */
  outputs: Outputs | null;
  /** The same outputs, read already. */
  events: NewEvent[];
}

/** What the batch comes to. `final`: what fails now is given up on, and all others' effects stand. */
export function decide(
  batch: RunBatch,
  outcome: RunOutcome,
  config: ConsumerConfig,
  final: boolean,
): Decision {
  const { from, lines } = batch;
  const to = outcome.stoppedAt ?? from + lines.length;
  const { texts, offsets, events, failed: refused } = checkOutputs(outcome, config);
  const failed = new Map(outcome.failures.map(({ offset, error }) => [offset, error]));
  const ownFailures = failed.size;
  for (const [offset, error] of refused) failed.set(offset, failed.get(offset) ?? error);
  const failures: EventFailure[] = [...failed]
    .filter(([offset]) => offset < to)
    .sort(([a], [b]) => a - b)
    .map(([offset, error]) => ({ offset, line: final ? (lines[offset - from] ?? '') : '', error }));
  const settledTo = final ? to : (failures[0]?.offset ?? to);
  const lost = (outcome.refused ?? []).filter(({ offset }) => offset < settledTo);
  const counted =
    settledTo === to
      ? {
          processed: outcome.processed - (failed.size - ownFailures),
          passedOver: outcome.passedOver,
        }
      : countBefore(lines.slice(0, settledTo - from), config.types, lost.length);
  const kept = [...texts.keys()].filter((i) => {
    const offset = offsets[i] as number;
    return offset < settledTo && !failed.has(offset);
  });
  const report: RanReport = {
    kind: 'ran',
    from,
    to,
    final,
    ...counted,
    emitted: 0,
    duplicates: 0,
    failures,
    refused: lost.map(({ offset, error }) => ({ offset, line: lines[offset - from] ?? '', error })),
    latency: emptyLatency(),
    log: outcome.log,
    operations: {},
  };
  if (kept.length === 0) return { report, outputs: null, events: [] };
  const outputs = {
    producer: consumerName(config.ref),
    text: (kept.length === texts.length ? texts : kept.map((i) => texts[i])).join('\n'),
    offsets: kept.map((i) => offsets[i] as number),
  };
  return { report, outputs, events: kept.map((i) => events[i] as NewEvent) };
}

/** The outputs that a stream would take (`events` has holes for others), and the events that emitted others. */
export function checkOutputs(
  outcome: Pick<ProcessOutcome, 'outputs' | 'outputOffsets'>,
  config: Pick<ConsumerConfig, 'output'>,
): {
  texts: string[];
  offsets: number[];
  events: (NewEvent | undefined)[];
  failed: Map<number, TaskError>;
} {
  const offsets = outcome.outputOffsets;
  const texts = outcome.outputs.split('\n').filter((line) => line !== '');
  const failed = new Map<number, TaskError>();
  if (config.output === null) {
    const message = 'the code emitted an event, but the processor has no `output` stream';
    for (const offset of offsets) failed.set(offset, { code: 'bad_value', message });
    return { texts, offsets, events: [], failed };
  }
  try {
    return { texts, offsets, events: parseEventLines(outcome.outputs, Infinity), failed };
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    // Rare: the runtime has looked at them already. Which ones are they?
    const events = texts.map((text, i) => {
      const event = readOutput(text);
      if (typeof event !== 'string') return event;
      failed.set(offsets[i] as number, { code: 'bad_value', message: event });
      return undefined;
    });
    return { texts, offsets, events, failed };
  }
}

/** The event, or why it is none. */
function readOutput(text: string): NewEvent | string {
  try {
    return parseEventLines(text, Infinity)[0] as NewEvent;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    return `an emitted event is not valid: ${error.errors[0]?.message ?? error.message}`;
  }
}

function countBefore(lines: string[], types: string[] | null, refused: number) {
  const passedOver =
    types === null
      ? 0
      : lines.filter((line) => !types.includes((JSON.parse(line) as { type: string }).type)).length;
  return { processed: lines.length - passedOver - refused, passedOver };
}

/** How long the settled events took, from append to now. */
export function latencyOf(batch: RunBatch, report: RanReport, nowMs: number): number[] {
  const buckets = emptyLatency();
  const settledTo = report.final ? report.to : (report.failures[0]?.offset ?? report.to);
  batch.appendedAt.forEach(({ offset, atMs }, i) => {
    const until = Math.min(settledTo, batch.appendedAt[i + 1]?.offset ?? settledTo);
    const count = until - Math.max(offset, batch.from);
    if (count > 0) addLatency(buckets, nowMs - atMs, count);
  });
  return buckets;
}

/** One more than an event may emit: sequences of an event's outputs stay below the next event's. */
const SEQUENCES_PER_EVENT = OUTPUTS_PER_EVENT_MAX + 1;

export interface OutputEvents {
  events: NewEvent[];
  sequences: number[];
  /** For those that the code gave none. */
  ids: string[];
}

/**
 * Outputs as events to append. Ids come from the place of what they were made of, so that an event without a key
 * goes to the same partition at every append.
 */
export function outputEvents(
  outputs: Outputs,
  ref: ConsumerRef,
  version: number,
  events = parseEventLines(outputs.text, Infinity),
): OutputEvents {
  const { processor, processorUid, generation, source } = ref;
  const { stream, uid, partition } = source;
  const maker = `${processorUid.slice(-8)}${hashKey(uid).toString(36)}`;
  const ids: string[] = [];
  const sequences: number[] = [];
  let last = -1;
  let nth = 0;
  events.forEach((event, i) => {
    const offset = outputs.offsets[i] as number;
    nth = offset === last ? nth + 1 : 0;
    last = offset;
    sequences.push(offset * SEQUENCES_PER_EVENT + nth);
    ids.push(`${maker}-${generation}-${partition}-${offset}-${nth}`);
    event.source = { processor, version, stream, partition, offset };
  });
  return { events, sequences, ids };
}
