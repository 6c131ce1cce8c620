// The machine of a DAG run: which step may run, what its result means, when the run is over. Pure: the
// RunObject stores its record, carries out its commands and tells it what happened; time and chance are arguments.
//
// Rules. A step is looked at when all that it needs is settled. If one of those failed or was cancelled, it is
// cancelled; if one was skipped, it is skipped too, unless it says `afterSkipped: "run"`. Then its expressions are
// evaluated, then it runs. A step that fails for good stops what needs it, and nothing else: other branches go on.
// The run is over when every step is settled.
import { backoffMs } from '../../../../shared/backoff.ts';
import { FOR_EACH_ITEMS_MAX, SIGNALS_KEPT, STEP_LOST_MAX } from '../../../../shared/limits.ts';
import { getOwn, setOwn } from '../../../../shared/own.ts';
import type { DagSpec, Step } from '../../../../shared/schemas/dag.ts';
import type { TaskError } from '../../../../shared/schemas/job.ts';
import type { RetrySpec } from '../../../../shared/schemas/processor.ts';
import type { Output, Unit } from '../../../contracts/run.rpc.ts';
import {
  isSettled,
  newUnit,
  type RunRecord,
  type StepRecord,
  type UnitRecord,
} from './run-record.ts';

/** What the machine wants done. */
export type Command =
  /** The step's `when`, `forEach` and `key`: answered by `evaluated` or `notEvaluated`. */
  | { kind: 'evaluate'; step: string }
  /** Answered by `succeeded` or `failed`, with the same attempt. */
  | { kind: 'run'; unit: Unit; attempt: number }
  /** A job for the whole step, the same one for the same attempt: answered by `submitted`, then as above. */
  | { kind: 'submit'; step: string; attempt: number }
  /** A wait for events has begun: answered by `arrived`. */
  | { kind: 'watch'; step: string; key: string }
  | { kind: 'unwatch'; step: string }
  | { kind: 'cancelJob'; step: string; job: string };

export interface Evaluated {
  /** Null: there is no `when`. */
  when: boolean | null;
  /** JSON of each item; null: there is no `forEach`. */
  items: string[] | null;
  /** Null: it waits for no key. */
  key: string | null;
}

export class Machine {
  readonly record: RunRecord;
  readonly #spec: DagSpec;
  readonly #random: () => number;
  readonly #dependents: Map<string, string[]>;
  /** Needs that are not settled, by step. */
  readonly #open = new Map<string, number>();
  #unsettled = 0;
  /** Steps that may have something to begin. */
  readonly #lively = new Set<string>();
  /** Of steps with `forEach`: what their items come to. */
  readonly #progress = new Map<string, Progress>();
  /** Commands of things that are over: jobs to cancel, streams not to watch any more. */
  #endings: Command[] = [];
  /** Steps whose record changed since somebody asked. */
  #changed = new Set<string>();

  constructor(
    spec: DagSpec,
    dependents: Map<string, string[]>,
    record: RunRecord,
    random: () => number,
  ) {
    this.#spec = spec;
    this.#dependents = dependents;
    this.record = record;
    this.#random = random;
    this.#index();
  }

  /** Makes what is derived from the record anew. */
  #index(): void {
    this.#lively.clear();
    this.#progress.clear();
    this.#unsettled = 0;
    for (const [name, step] of Object.entries(this.#spec.steps)) {
      const record = this.#of(name);
      const open = step.needs.filter((need) => !isSettled(this.#of(need))).length;
      this.#open.set(name, open);
      if (isSettled(record)) continue;
      this.#unsettled++;
      if (record.items) this.#progress.set(name, progressOf(record.items));
      if (open === 0) this.#lively.add(name);
    }
  }

  #of(name: string): StepRecord {
    const record = this.record.steps[name];
    if (!record) throw new Error(`no step ${name}`);
    return record;
  }

  #stepOf(name: string): Step {
    return this.#spec.steps[name] as Step;
  }

  #unitOf({ step, item }: Unit): UnitRecord | null {
    const record = this.record.steps[step];
    if (!record) return null;
    return item === null ? record : (record.items?.[item]?.unit ?? null);
  }

  /** The steps whose record changed since this was asked last. */
  takeChanged(): string[] {
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  // --- What is to be done ----------------------------------------------------------------------------

  /**
   * Begins what may begin now, at most `capacity` calls of at most `together` units of one step. To be asked after every
   * change.
   */
  next(nowMs: number, capacity: number, together = 1): Command[] {
    const commands = this.#endings;
    this.#endings = [];
    if (this.record.state !== 'running') return commands;
    let left = capacity;
    for (const name of this.#lively) {
      const before = commands.length;
      this.#advance(name, nowMs, left * together, commands);
      let runs = 0;
      for (let i = before; i < commands.length; i++) if (commands[i]?.kind === 'run') runs++;
      left -= Math.ceil(runs / together);
    }
    this.#endIfSettled(nowMs);
    // What was settled on the way may have ended things.
    commands.push(...this.#endings.splice(0));
    return commands;
  }

  #advance(name: string, nowMs: number, capacity: number, commands: Command[]): void {
    const step = this.#stepOf(name);
    const record = this.#of(name);
    if (isSettled(record)) return void this.#lively.delete(name);
    if (record.state === 'waiting' && !this.#admit(name, step, record, nowMs)) return;
    if (!record.evaluated) {
      if (hasExpressions(step)) {
        commands.push({ kind: 'evaluate', step: name });
        // Asked once; after a restart again.
        this.#lively.delete(name);
        return;
      }
      record.evaluated = true;
    }
    switch (step.run) {
      case 'edge':
        return record.items
          ? this.#beginItems(name, step.concurrency, nowMs, capacity, commands)
          : this.#beginUnit({ step: name, item: null }, record, nowMs, capacity, commands);
      case 'volunteer':
      case 'mapreduce':
        return this.#beginJob(name, step.timeoutMs, record, nowMs, commands);
      case 'wait':
        return this.#beginWait(name, step, record, nowMs, commands);
      case 'sleep':
        this.#start(name, record, nowMs);
        record.untilMs ??= nowMs + step.ms;
        if (record.untilMs <= nowMs) this.#done(name, record, NOTHING, nowMs);
    }
  }

  /** True: it may begin. */
  #admit(name: string, step: Step, record: StepRecord, nowMs: number): boolean {
    const stopped = step.needs.find((need) =>
      ['failed', 'cancelled'].includes(this.#of(need).state),
    );
    if (stopped !== undefined) {
      const why = this.#of(stopped).state === 'failed' ? 'failed' : 'was cancelled';
      this.#settle(name, record, 'cancelled', nowMs, `it needs ${stopped}, which ${why}`);
      return false;
    }
    const skipped = step.needs.find((need) => this.#of(need).state === 'skipped');
    if (skipped !== undefined && step.afterSkipped === 'skip') {
      this.#settle(name, record, 'skipped', nowMs, `it needs ${skipped}, which was skipped`);
      return false;
    }
    record.state = 'ready';
    this.#changed.add(name);
    return true;
  }

  #beginUnit(
    unit: Unit,
    record: UnitRecord,
    nowMs: number,
    capacity: number,
    commands: Command[],
  ): void {
    if (record.state !== 'ready' || record.notBeforeMs > nowMs || capacity <= 0) return;
    record.state = 'running';
    record.attempt++;
    record.startedAtMs ??= nowMs;
    this.#changed.add(unit.step);
    if (unit.item === null) this.#lively.delete(unit.step);
    commands.push({ kind: 'run', unit, attempt: record.attempt });
  }

  #beginItems(
    name: string,
    concurrency: number,
    nowMs: number,
    capacity: number,
    commands: Command[],
  ): void {
    const record = this.#of(name);
    const items = record.items ?? [];
    this.#start(name, record, nowMs);
    const progress = this.#progress.get(name) ?? progressOf(items);
    const { queue } = progress;
    const later: number[] = [];
    let left = Math.min(capacity, concurrency - progress.running);
    let at = 0;
    // When an item has failed for good, those that run come to their end, and no other one begins.
    for (; at < queue.length && left > 0 && progress.failed === 0; at++) {
      const item = queue[at] as number;
      const { unit } = items[item] as { unit: UnitRecord };
      if (unit.notBeforeMs > nowMs) {
        later.push(item);
        continue;
      }
      this.#beginUnit({ step: name, item }, unit, nowMs, 1, commands);
      progress.running++;
      left--;
    }
    progress.queue = [...later, ...queue.slice(at)];
    this.#endItems(name, record, nowMs);
  }

  #endItems(name: string, record: StepRecord, nowMs: number): void {
    const items = record.items ?? [];
    const progress = this.#progress.get(name);
    if (!progress || progress.running > 0) return;
    if (progress.failed > 0) {
      const failed = items.findIndex(({ unit }) => unit.state === 'failed');
      const error = items[failed]?.unit.error as TaskError;
      record.error = { ...error, message: `item ${failed}: ${error.message}` };
      for (const { unit } of items) if (unit.state === 'ready') unit.state = 'cancelled';
      this.#settle(name, record, 'failed', nowMs, '');
    } else if (progress.done === items.length) {
      // Its output is the list of its items' outputs, which is not stored twice.
      this.#settle(name, record, 'done', nowMs, '');
    }
  }

  #beginJob(
    name: string,
    timeoutMs: number,
    record: StepRecord,
    nowMs: number,
    commands: Command[],
  ): void {
    if (record.items?.length === 0) return this.#settle(name, record, 'done', nowMs, '');
    if (record.state === 'ready') {
      if (record.notBeforeMs > nowMs) return;
      this.#start(name, record, nowMs);
      record.attempt++;
      record.untilMs = nowMs + timeoutMs;
    }
    if (record.untilMs !== null && record.untilMs <= nowMs) {
      this.#stop(name, record);
      const error = { code: 'deadline', message: `took longer than ${timeoutMs} ms` } as const;
      return void this.failed({ step: name, item: null }, record.attempt, error, nowMs);
    }
    if (record.job !== null) return;
    commands.push({ kind: 'submit', step: name, attempt: record.attempt });
    this.#lively.delete(name);
  }

  #beginWait(
    name: string,
    step: Extract<Step, { run: 'wait' }>,
    record: StepRecord,
    nowMs: number,
    commands: Command[],
  ): void {
    const fresh = record.state === 'ready';
    this.#start(name, record, nowMs);
    record.untilMs ??= nowMs + step.timeoutMs;
    if (step.signal !== undefined) {
      const json = getOwn(this.record.signals, step.signal)?.shift();
      if (json !== undefined) return this.#done(name, record, { kind: 'json', json }, nowMs);
    } else if (this.#hasAll(step, record)) {
      return this.#done(name, record, joined(record.events), nowMs);
    }
    if (record.untilMs <= nowMs) {
      const what = step.signal === undefined ? 'events' : `the signal ${step.signal}`;
      const message = `waited ${step.timeoutMs} ms for ${what}`;
      record.error = { code: 'deadline', message };
      if (record.key !== null) this.#endings.push({ kind: 'unwatch', step: name });
      return this.#settle(name, record, 'failed', nowMs, '');
    }
    if (fresh && record.key !== null) commands.push({ kind: 'watch', step: name, key: record.key });
  }

  #hasAll({ types }: Extract<Step, { run: 'wait' }>, { events }: StepRecord): boolean {
    return types !== undefined && types.every((type) => Object.hasOwn(events, type));
  }

  #start(name: string, record: StepRecord, nowMs: number): void {
    if (record.state !== 'ready') return;
    record.state = 'running';
    record.startedAtMs ??= nowMs;
    this.#changed.add(name);
  }

  /** When `next` is to be asked although nothing has happened. Null: not by the clock. */
  wakeAtMs(nowMs: number): number | null {
    if (this.record.state !== 'running') return null;
    let atMs: number | null = null;
    const at = (ms: number | null) => {
      if (ms !== null && (atMs === null || ms < atMs)) atMs = ms;
    };
    for (const name of this.#lively) {
      const record = this.#of(name);
      at(record.untilMs);
      if (record.state === 'ready' && record.notBeforeMs > nowMs) at(record.notBeforeMs);
      for (const item of this.#progress.get(name)?.queue ?? []) {
        const { notBeforeMs } = (record.items?.[item] as { unit: UnitRecord }).unit;
        if (notBeforeMs > nowMs) at(notBeforeMs);
      }
    }
    return atMs;
  }

  // --- What happened -----------------------------------------------------------------------------------

  evaluated(name: string, { when, items, key }: Evaluated, nowMs: number): void {
    const record = this.#of(name);
    if (record.state !== 'ready' || record.evaluated) return;
    if (when === false) {
      return this.#settle(name, record, 'skipped', nowMs, 'its condition is false');
    }
    if (items && items.length > FOR_EACH_ITEMS_MAX) {
      const message = `forEach gave ${items.length} items; it may give ${FOR_EACH_ITEMS_MAX}`;
      return this.notEvaluated(name, { code: 'bad_value', message }, nowMs);
    }
    record.evaluated = true;
    record.key = key;
    if (items) {
      record.items = items.map((json) => ({ json, unit: { ...newUnit(), state: 'ready' } }));
      this.#progress.set(name, progressOf(record.items));
    }
    this.#changed.add(name);
    this.#lively.add(name);
  }

  /** An expression threw. That is not tried again: it would come to the same. */
  notEvaluated(name: string, error: TaskError, nowMs: number): void {
    const record = this.#of(name);
    if (record.state !== 'ready' || record.evaluated) return;
    record.error = error;
    this.#settle(name, record, 'failed', nowMs, '');
  }

  submitted(name: string, attempt: number, job: string): void {
    const record = this.#of(name);
    if (record.state !== 'running' || record.attempt !== attempt) {
      // It was cancelled meanwhile.
      this.#endings.push({ kind: 'cancelJob', step: name, job });
      return;
    }
    record.job = job;
    this.#changed.add(name);
    this.#lively.add(name);
  }

  /** @returns false when `attempt` is stale: its output is ignored. */
  succeeded(unit: Unit, attempt: number, output: Output, nowMs: number): boolean {
    const record = this.#unitOf(unit);
    if (!record || record.state !== 'running' || record.attempt !== attempt) return false;
    const step = this.#of(unit.step);
    if (unit.item === null) {
      this.#done(unit.step, step, output, nowMs);
      return true;
    }
    record.state = 'done';
    record.output = output;
    record.error = null;
    record.finishedAtMs = nowMs;
    this.#left(unit.step, 'done');
    this.#endItems(unit.step, step, nowMs);
    return true;
  }

  /** False: as above. */
  failed(unit: Unit, attempt: number, error: TaskError, nowMs: number): boolean {
    return this.#failed(unit, attempt, error, nowMs, true);
  }

  /**
   * The end of this attempt is unknown: another one is made after `pauseMs`, which does not count as a failure.
   * `why`: should it have been the last.
   */
  lost(unit: Unit, attempt: number, nowMs: number, pauseMs = 0, why = ''): boolean {
    const message = `${STEP_LOST_MAX} attempts were lost${why && `; the last one: ${why}`}`;
    const counted = this.#failed(unit, attempt, { code: 'returned', message }, nowMs, false);
    const record = this.#unitOf(unit);
    if (counted && record?.state === 'ready') record.notBeforeMs = nowMs + pauseMs;
    return counted;
  }

  /** The job of a step has come to its end: an output, or one for each item. False: as above. */
  jobDone(name: string, attempt: number, outputs: readonly Output[], nowMs: number): boolean {
    const record = this.#of(name);
    if (record.state !== 'running' || record.attempt !== attempt) return false;
    if (record.items === null) {
      return this.succeeded({ step: name, item: null }, attempt, outputs[0] ?? NOTHING, nowMs);
    }
    for (const [item, { unit }] of record.items.entries()) {
      const { startedAtMs } = record;
      const output = outputs[item] ?? NOTHING;
      Object.assign(unit, { state: 'done', attempt, startedAtMs, finishedAtMs: nowMs, output });
    }
    record.error = null;
    this.#settle(name, record, 'done', nowMs, '');
    return true;
  }

  #failed(unit: Unit, attempt: number, error: TaskError, nowMs: number, counts: boolean): boolean {
    const record = this.#unitOf(unit);
    if (!record || record.state !== 'running' || record.attempt !== attempt) return false;
    const name = unit.step;
    const step = this.#of(name);
    const retry = retryOf(this.#stepOf(name));
    if (counts) record.failures++;
    else record.lost++;
    const again = counts ? record.failures < retry.maxAttempts : record.lost < STEP_LOST_MAX;
    if (counts || !again) record.error = error;
    if (again) {
      record.state = 'ready';
      record.notBeforeMs = counts
        ? nowMs + backoffMs(retry, record.failures, this.#random())
        : nowMs;
    }
    if (unit.item !== null) {
      if (!again) Object.assign(record, { state: 'failed', finishedAtMs: nowMs });
      this.#left(name, again ? unit.item : 'failed');
      this.#endItems(name, step, nowMs);
    } else if (again) {
      step.job = null;
      step.untilMs = null;
      this.#lively.add(name);
    } else this.#settle(name, step, 'failed', nowMs, '');
    this.#changed.add(name);
    return true;
  }

  /** An item runs no more: it has come to an end, or is to be begun again. */
  #left(name: string, how: 'done' | 'failed' | number): void {
    const progress = this.#progress.get(name);
    if (progress) {
      progress.running--;
      if (typeof how === 'number') progress.queue.push(how);
      else progress[how]++;
    }
    this.#changed.add(name);
    this.#lively.add(name);
  }

  /** 'unknown': no step waits for signals of this name. */
  signal(name: string, json: string): 'taken' | 'over' | 'full' | 'unknown' {
    if (this.record.state !== 'running') return 'over';
    const isWaitedFor = Object.values(this.#spec.steps).some(
      (step) => step.run === 'wait' && step.signal === name,
    );
    if (!isWaitedFor) return 'unknown';
    const waiting = getOwn(this.record.signals, name) ?? [];
    if (waiting.length >= SIGNALS_KEPT) return 'full';
    setOwn(this.record.signals, name, [...waiting, json]);
    return 'taken';
  }

  /** The first event of each type counts. */
  arrived(name: string, events: readonly { type: string; json: string }[]): void {
    const record = this.#of(name);
    const step = this.#stepOf(name);
    if (isSettled(record) || step.run !== 'wait') return;
    for (const { type, json } of events) {
      if (!step.types?.includes(type) || Object.hasOwn(record.events, type)) continue;
      setOwn(record.events, type, json);
      this.#changed.add(name);
    }
  }

  /** False: the run is over. */
  cancel(nowMs: number): boolean {
    if (this.record.state !== 'running') return false;
    for (const [name, record] of Object.entries(this.record.steps)) {
      if (isSettled(record)) continue;
      this.#stop(name, record);
      for (const { unit } of record.items ?? []) {
        if (!isSettled(unit)) Object.assign(unit, { state: 'cancelled', finishedAtMs: nowMs });
      }
      this.#settle(name, record, 'cancelled', nowMs, 'the run was cancelled');
    }
    this.#end('cancelled', nowMs);
    return true;
  }

  #stop(name: string, record: StepRecord): void {
    if (record.job !== null) {
      this.#endings.push({ kind: 'cancelJob', step: name, job: record.job });
    }
    if (record.key !== null) this.#endings.push({ kind: 'unwatch', step: name });
  }

  /** What failed or was cancelled is begun anew; what was finished stays. False: nothing of the kind. */
  retry(): boolean {
    const { record } = this;
    if (record.state !== 'failed' && record.state !== 'cancelled') return false;
    for (const [name, step] of Object.entries(record.steps)) {
      if (step.state !== 'failed' && step.state !== 'cancelled') continue;
      begunAnew(step, 'waiting');
      Object.assign(step, { reason: '', job: null, untilMs: null });
      if (step.items === null) step.evaluated = false;
      for (const { unit } of step.items ?? []) if (unit.state !== 'done') begunAnew(unit, 'ready');
      this.#changed.add(name);
    }
    record.state = 'running';
    record.error = null;
    record.finishedAtMs = null;
    this.#index();
    return true;
  }

  /** After a restart the end of running attempts is unknown; expressions, jobs and watches are asked for again. */
  restart(nowMs: number): void {
    if (this.record.state !== 'running') return;
    for (const [name, record] of Object.entries(this.record.steps)) {
      if (record.state !== 'running') continue;
      const { run } = this.#stepOf(name);
      if (run === 'edge' && record.items === null) {
        this.lost({ step: name, item: null }, record.attempt, nowMs);
      }
      if (run === 'edge') {
        for (const [item, { unit }] of (record.items ?? []).entries()) {
          if (unit.state === 'running') this.lost({ step: name, item }, unit.attempt, nowMs);
        }
      }
      if (run === 'wait' && record.key !== null) {
        this.#endings.push({ kind: 'watch', step: name, key: record.key });
      }
    }
    this.#index();
  }

  // --- Settling ---------------------------------------------------------------------------------------

  #done(name: string, record: StepRecord, output: Output, nowMs: number): void {
    record.output = output;
    record.error = null;
    if (record.key !== null) this.#endings.push({ kind: 'unwatch', step: name });
    this.#settle(name, record, 'done', nowMs, '');
  }

  #settle(
    name: string,
    record: StepRecord,
    state: 'done' | 'failed' | 'skipped' | 'cancelled',
    nowMs: number,
    reason: string,
  ): void {
    record.state = state;
    record.reason = reason;
    record.finishedAtMs = nowMs;
    record.untilMs = null;
    this.#changed.add(name);
    this.#lively.delete(name);
    this.#progress.delete(name);
    this.#unsettled--;
    for (const dependent of this.#dependents.get(name) ?? []) {
      const open = (this.#open.get(dependent) ?? 1) - 1;
      this.#open.set(dependent, open);
      // Sets are walked in order of insertion: what is added while `next` walks comes in the same walk.
      if (open === 0) this.#lively.add(dependent);
    }
  }

  #endIfSettled(nowMs: number): void {
    if (this.record.state !== 'running' || this.#unsettled > 0) return;
    const steps = Object.entries(this.record.steps);
    const [name, failed] = steps.find(([, { state }]) => state === 'failed') ?? [];
    if (!failed) return this.#end('done', nowMs);
    const { message = 'failed', ...error } = failed.error ?? { code: 'internal' as const };
    this.record.error = { ...error, message: `${name}: ${message}` };
    this.#end('failed', nowMs);
  }

  #end(state: 'done' | 'failed' | 'cancelled', nowMs: number): void {
    this.record.state = state;
    this.record.finishedAtMs = nowMs;
  }
}

interface Progress {
  /** Items that wait to be begun, in order; those that wait for a time are among them. */
  queue: number[];
  running: number;
  done: number;
  failed: number;
}

function progressOf(items: readonly { unit: UnitRecord }[]): Progress {
  const progress: Progress = { queue: [], running: 0, done: 0, failed: 0 };
  for (const [item, { unit }] of items.entries()) {
    if (unit.state === 'ready') progress.queue.push(item);
    else if (unit.state !== 'waiting' && unit.state !== 'skipped' && unit.state !== 'cancelled') {
      progress[unit.state]++;
    }
  }
  return progress;
}

const NOTHING: Output = { kind: 'json', json: 'null' };
const ONCE: RetrySpec = { maxAttempts: 1, baseMs: 0, maxMs: 0 };

const retryOf = (step: Step): RetrySpec => ('retry' in step ? step.retry : ONCE);

const hasExpressions = (step: Step): boolean =>
  step.when !== undefined ||
  ('forEach' in step && step.forEach !== undefined) ||
  ('key' in step && step.key !== undefined);

const joined = (events: Record<string, string>): Output => {
  const fields = Object.entries(events).map(([type, json]) => `${JSON.stringify(type)}:${json}`);
  return { kind: 'json', json: `{${fields.join(',')}}` };
};

function begunAnew(unit: UnitRecord, state: 'waiting' | 'ready'): void {
  Object.assign(unit, {
    state,
    failures: 0,
    lost: 0,
    notBeforeMs: 0,
    startedAtMs: null,
    finishedAtMs: null,
    error: null,
  });
}
