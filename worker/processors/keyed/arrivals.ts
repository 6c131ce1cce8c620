// A routed batch as an operator takes it, and what an operator makes of it in the end: events that fail, or whose
// outputs no stream would take, are left out by asking again without them. Pure, but for what the operator does.
import type { TaskError } from '../../../shared/schemas/job.ts';
import { checkOutputs } from '../../outputs/effects.ts';
import type { NewEvent } from '../../log/events.ts';
import type { Arrival, Arrivals, Change, Operator, Output } from './operator.ts';
import type { RoutedBatch } from '../../contracts/shard.rpc.ts';

/** Lines begin with their partition and offset. */
const OFFSET = /^\{"partition":\d+,"offset":(\d+)/;

export function arrivalsOf({ text, keys, appendedAt }: RoutedBatch): Arrival[] {
  if (keys.length === 0) return [];
  const lines = text.split('\n');
  if (lines.length !== keys.length) {
    throw new Error(`${lines.length} lines came with ${keys.length} keys`);
  }
  let run = 0;
  return lines.map((line, i) => {
    const offset = Number(OFFSET.exec(line)?.[1] ?? NaN);
    if (Number.isNaN(offset)) throw new Error(`an event has no offset: ${line.slice(0, 100)}`);
    while ((appendedAt[run + 1]?.offset ?? Infinity) <= offset) run++;
    const at = appendedAt[run];
    const appendedMs = at && at.offset <= offset ? at.atMs : null;
    return { offset, key: keys[i] as string, line, appendedMs };
  });
}

export interface Failure {
  offset: number;
  error: TaskError;
}

export interface Settled {
  /** What is to be written; null: nothing, since all of it failed. */
  change: Checked | null;
  /** With `final` all that were given up on; else the first one, and the change covers what came before it. */
  failures: Failure[];
}

/** A change whose outputs their stream takes. */
export interface Checked extends Change {
  /** The outputs, read. */
  events: NewEvent[];
}

export async function settle(
  operator: Operator,
  arrivals: Arrivals,
  output: string | null,
): Promise<Settled> {
  const { source, final } = arrivals;
  let { events, clock } = arrivals;
  let failures: Failure[] = [];
  for (;;) {
    if (events.length === 0 && clock === null) return { change: null, failures };
    const change = await operator.apply({ ...arrivals, events, clock });
    const { checked, refused } = check(
      change,
      output,
      (place) => place.source === source && events.some(({ offset }) => offset === place.offset),
    );
    if (final && refused.size === 0) {
      failures.push(...change.failures);
      return { change: checked, failures };
    }
    const failed = [...refused].map(([offset, error]) => ({ offset, error }));
    if (final) {
      failures.push(...failed);
      events = events.filter(({ offset }) => !refused.has(offset));
      continue;
    }
    failed.push(...change.failures);
    if (failed.length === 0) return { change: checked, failures };
    const first = failed.reduce((a, b) => (b.offset < a.offset ? b : a));
    failures = [first];
    events = events.filter(({ offset }) => offset < first.offset);
    // Event time comes as far as this batch only when all of it is in.
    clock = null;
  }
}

/** What became due has no event to fail: an output that no stream takes is left out, and said. */
export const settleDue = (change: Change, output: string | null): Checked =>
  check(change, output, () => false).checked;

function check(
  change: Change,
  output: string | null,
  canFail: (output: Output) => boolean,
): { checked: Checked; refused: Map<number, TaskError> } {
  const { outputs } = change;
  if (outputs.length === 0) return { checked: { ...change, events: [] }, refused: new Map() };
  const outcome = {
    outputs: outputs.map(({ text }) => text).join('\n'),
    // Each output stands for itself.
    outputOffsets: outputs.map((_, i) => i),
  };
  const { events, failed } = checkOutputs(outcome, { output });
  if (failed.size === 0)
    return { checked: { ...change, events: events as NewEvent[] }, refused: failed };
  const refused = new Map<number, TaskError>();
  const log: string[] = [];
  for (const [i, error] of failed) {
    const { offset } = outputs[i] as Output;
    if (canFail(outputs[i] as Output)) refused.set(offset, refused.get(offset) ?? error);
    else log.push(`an output was dropped: ${error.message}`);
  }
  const kept = [...outputs.keys()].filter((i) => !failed.has(i));
  const checked = {
    ...change,
    outputs: kept.map((i) => outputs[i] as Output),
    events: kept.map((i) => events[i] as NewEvent),
    counters: log.length === 0 ? change.counters : { ...change.counters, refused: log.length },
    log: [...change.log, ...log],
  };
  return { checked, refused };
}
