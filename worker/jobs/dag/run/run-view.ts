// How a run is shown: its steps with why they wait and what they came to, items, attempts, the critical path. Derived
// from a snapshot, never stored. Pure.
import { isoTime } from '../../../../shared/iso-time.ts';
import { criticalPath, needsOf } from '../../../../shared/dag/graph.ts';
import { runSummary } from '../../../../shared/dag/summary.ts';
import {
  RUN_SHOWN_MAX_CHARS,
  STEP_ATTEMPTS_KEPT,
  STEP_ATTEMPTS_LISTED,
  STEP_LOGS_LISTED_MAX_CHARS,
} from '../../../../shared/limits.ts';
import { setOwn } from '../../../../shared/own.ts';
import { usd } from '../../../../shared/pricing.ts';
import type { Json, List } from '../../../../shared/schemas/common.ts';
import type {
  DagJob,
  DagJobSummary,
  Step,
  StepAttempt,
  StepItem,
  StepState,
  StepStatus,
} from '../../../../shared/schemas/dag.ts';
import type { Output } from '../../../contracts/run.rpc.ts';
import type { RunningCall } from './run-calls.ts';
import {
  type AttemptRecord,
  isSettled,
  type JobProgress,
  type RunRecord,
  type StepRecord,
  type Submitted,
  type UnitRecord,
} from './run-record.ts';

/** A run at one moment: what is stored of it, and what only its object knows. */
export interface RunSnapshot {
  submitted: Submitted;
  record: RunRecord;
  operations: Record<string, number>;
  /** Of steps whose job runs. */
  progress: ReadonlyMap<string, JobProgress>;
  /** Under way now. */
  calls: readonly Pick<RunningCall, 'step' | 'attempts' | 'startedAtMs'>[];
  nowMs: number;
}

type Shown = Pick<StepStatus, 'output' | 'claim'>;

/** How many characters of outputs may still be shown. */
class Room {
  #chars: number;

  constructor(chars: number) {
    this.#chars = chars;
  }

  takes(chars: number): boolean {
    if (chars > this.#chars) return false;
    this.#chars -= chars;
    return true;
  }
}

export function runView(run: RunSnapshot): DagJob {
  const { submitted, record, nowMs } = run;
  const { levels, spec } = submitted;
  const room = new Room(RUN_SHOWN_MAX_CHARS);
  const steps: DagJob['steps'] = {};
  for (const [level, names] of levels.entries()) {
    for (const name of names) setOwn(steps, name, statusOf(run, name, level, room));
  }
  const { path } = criticalPath(needsOf(spec.steps), levels, (name) => {
    const { startedAtMs, finishedAtMs } = record.steps[name] as StepRecord;
    return startedAtMs === null ? 0 : (finishedAtMs ?? nowMs) - startedAtMs;
  });
  const signals = Object.entries(record.signals).flatMap(([name, waiting]) =>
    waiting.map(() => name),
  );
  return { ...headOf(run), spec, levels, steps, signals, criticalPath: path };
}

export const summaryView = (run: RunSnapshot): DagJobSummary =>
  runSummary(headOf(run), run.record.steps);

/** Null: there is no such step. */
export function stepView(run: RunSnapshot, name: string): StepStatus | null {
  if (!Object.hasOwn(run.record.steps, name)) return null;
  const level = run.submitted.levels.findIndex((names) => names.includes(name));
  return statusOf(run, name, level, new Room(RUN_SHOWN_MAX_CHARS));
}

function headOf(run: RunSnapshot) {
  const { submitted, record, operations } = run;
  const started = Object.values(record.steps).flatMap(({ startedAtMs }) => startedAtMs ?? []);
  return {
    id: submitted.job,
    kind: 'dag' as const,
    name: submitted.spec.name,
    state: record.state,
    reason: reasonOfRun(run),
    createdAt: isoTime(record.createdAtMs),
    startedAt: started.length === 0 ? null : isoTime(started.reduce((a, b) => Math.min(a, b))),
    finishedAt: isoOrNull(record.finishedAtMs),
    cost: { operations, usd: usd(operations) },
    error: record.error,
  };
}

/** Of a run that only waits: for what. */
function reasonOfRun(run: RunSnapshot): string {
  const { record, submitted } = run;
  if (record.error) return record.error.message;
  if (record.state !== 'running') return '';
  let reason = '';
  for (const [name, step] of Object.entries(record.steps)) {
    if (step.state !== 'running' && step.state !== 'ready') continue;
    const own = reasonOf(run, name, submitted.spec.steps[name] as Step, step);
    if (own === '') return '';
    reason ||= `${name}: ${own}`;
  }
  return reason;
}

function reasonOf(run: RunSnapshot, name: string, definition: Step, step: StepRecord): string {
  const nowMs = run.nowMs;
  switch (step.state) {
    case 'waiting': {
      const open = definition.needs.filter(
        (need) => !isSettled(run.record.steps[need] as StepRecord),
      );
      return open.length === 0 ? '' : `waits for ${some(open)}`;
    }
    case 'ready':
      return pauseOf(step, nowMs) || (step.evaluated ? 'waits for its turn' : '');
    case 'running':
      if (definition.run === 'sleep') return `sleeps until ${isoTime(step.untilMs ?? nowMs)}`;
      if (definition.run === 'wait') return waitReason(definition, step);
      return step.job === null ? '' : (run.progress.get(name)?.reason ?? '');
    default:
      return step.reason;
  }
}

function waitReason(definition: Extract<Step, { run: 'wait' }>, { key, events }: StepRecord) {
  if (definition.signal !== undefined) return `waits for the signal ${definition.signal}`;
  const missing = definition.types?.filter((type) => !Object.hasOwn(events, type)) ?? [];
  return `waits for ${missing.join(', ')} with the key ${JSON.stringify(key)} in ${definition.stream}`;
}

/** A longer list of names says no more. */
const NAMES_MAX = 5;

function some(names: readonly string[]): string {
  const more = names.length - NAMES_MAX;
  const listed = names.slice(0, NAMES_MAX).join(', ');
  return more > 0 ? `${listed} and ${more} more` : listed;
}

const pauseOf = ({ notBeforeMs, attempt }: UnitRecord, nowMs: number): string =>
  notBeforeMs > nowMs ? `attempt ${attempt + 1} is made at ${isoTime(notBeforeMs)}` : '';

function statusOf(run: RunSnapshot, name: string, level: number, room: Room): StepStatus {
  const step = run.record.steps[name] as StepRecord;
  const definition = run.submitted.spec.steps[name] as Step;
  const { state, attempt, startedAtMs, finishedAtMs, error, items, job } = step;
  return {
    state,
    reason: reasonOf(run, name, definition, step),
    attempts: items ? items.reduce((sum, { unit }) => sum + unit.attempt, 0) : attempt,
    startedAt: isoOrNull(startedAtMs),
    finishedAt: isoOrNull(finishedAtMs),
    ...(items ? listOf(step, room) : outputOf(step.output, room)),
    error,
    level,
    ...(items && { items: itemCounts(run, name, step) }),
    ...(job !== null && { job }),
  };
}

function itemCounts(run: RunSnapshot, name: string, step: StepRecord) {
  const counts = { count: step.items?.length ?? 0, done: 0, failed: 0, running: 0 };
  for (const { unit } of step.items ?? []) {
    const { state } = unit;
    if (state === 'done' || state === 'failed' || state === 'running') counts[state]++;
  }
  // A job does all of them: it knows how many are done.
  const progress = step.state === 'running' && step.job !== null && run.progress.get(name);
  if (progress) {
    counts.done = Math.min(progress.done, counts.count);
    counts.running = counts.count - counts.done;
  }
  return counts;
}

function outputOf(output: Output | null, room: Room): Shown {
  if (output === null) return {};
  if (output.kind === 'claim') return { claim: output.claim };
  return room.takes(output.json.length) ? { output: JSON.parse(output.json) as Json } : {};
}

/** The list of the items' outputs, when all of it can be shown. */
function listOf({ state, items }: StepRecord, room: Room): Shown {
  if (state !== 'done') return {};
  const texts: string[] = [];
  for (const { unit } of items ?? []) {
    if (unit.output?.kind !== 'json') return {};
    texts.push(unit.output.json);
  }
  const json = `[${texts.join(',')}]`;
  return room.takes(json.length) ? { output: JSON.parse(json) as Json } : {};
}

// --- Items and attempts ---------------------------------------------------------------------------------

/** Null: there is no such step. */
export function itemsView(
  run: RunSnapshot,
  name: string,
  cursor: string | undefined,
  limit: number,
): List<StepItem> | null {
  if (!Object.hasOwn(run.record.steps, name)) return null;
  const step = run.record.steps[name] as StepRecord;
  const all = step.items ?? [];
  const from = Number(cursor ?? 0);
  const nowMs = run.nowMs;
  const room = new Room(RUN_SHOWN_MAX_CHARS);
  const items = all.slice(from, from + limit).map(({ unit }, i): StepItem => {
    const { attempt, startedAtMs, finishedAtMs, error } = unit;
    return {
      item: from + i,
      state: itemState(step, unit),
      reason: unit.state === 'ready' ? pauseOf(unit, nowMs) : '',
      attempts: attempt,
      startedAt: isoOrNull(startedAtMs),
      finishedAt: isoOrNull(finishedAtMs),
      ...outputOf(unit.output, room),
      error,
    };
  });
  const next = from + limit < all.length ? String(from + limit) : null;
  return { items, next };
}

/** One job does all items of a volunteer step: they are where it is. */
function itemState(step: StepRecord, unit: UnitRecord): StepState {
  return step.job !== null && unit.state === 'ready' ? step.state : unit.state;
}

/** The newest ones, oldest first. Null: there is no such step, or no such item of it. */
export function attemptsView(
  run: RunSnapshot,
  newestFirst: Iterable<AttemptRecord>,
  name: string,
  item: number | null,
): StepAttempt[] | null {
  if (!Object.hasOwn(run.record.steps, name)) return null;
  const step = run.record.steps[name] as StepRecord;
  if (item !== null && !step.items?.[item]) return null;
  const most = item === null && step.items ? STEP_ATTEMPTS_LISTED : STEP_ATTEMPTS_KEPT;
  const listed: StepAttempt[] = [];
  const known = new Set<string>();
  let chars = 0;
  for (const record of newestFirst) {
    if (listed.length >= most || chars > STEP_LOGS_LISTED_MAX_CHARS) break;
    if (item !== null && record.item !== item) continue;
    for (const line of record.log) chars += line.length;
    const { startedAtMs, finishedAtMs, ...rest } = record;
    known.add(`${record.item}/${record.attempt}`);
    listed.push({ ...rest, startedAt: isoTime(startedAtMs), finishedAt: isoTime(finishedAtMs) });
  }
  const units = step.items
    ? [...step.items.entries()].filter(([n]) => item === null || n === item)
    : ([[null, { unit: step }]] as const);
  for (const [n, { unit }] of units) {
    if (listed.length >= most && item === null && step.items) break;
    const now = newestOf(run, name, n, unit);
    if (now && !known.has(`${n}/${now.attempt}`)) listed.push(now);
  }
  return listed.sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1)).slice(-most);
}

/** The newest attempt, which was not worth a row of its own. */
function newestOf(
  run: RunSnapshot,
  step: string,
  item: number | null,
  unit: UnitRecord,
): StepAttempt | null {
  const { attempt, state, startedAtMs, finishedAtMs } = unit;
  if (attempt === 0 || startedAtMs === null || state === 'ready') return null;
  const call = run.calls.find(
    (one) => one.step === step && one.attempts.some((other) => other.unit.item === item),
  );
  return {
    item,
    attempt,
    startedAt: isoTime(call?.startedAtMs ?? startedAtMs),
    finishedAt: isoOrNull(finishedAtMs),
    error: unit.error,
    log: [],
  };
}

const isoOrNull = (ms: number | null): string | null => (ms === null ? null : isoTime(ms));
