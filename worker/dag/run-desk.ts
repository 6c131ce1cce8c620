// What a run does: everything that happens to it is a turn. In one transaction the machine takes note of it and says what
// is next, and all that changed is stored; then what was decided is carried out. So a run that dies at any point is taken
// up again from what is stored.
import { backoffMs } from '../../shared/backoff.ts';
import { readGraph } from '../../shared/dag/graph.ts';
import {
  RUN_BEAT_MS,
  RUN_HELD_MAX_CHARS,
  SIGNALS_KEPT_MAX_CHARS,
  STEP_LOST_MAX,
  STEP_LOST_PAUSE_MAX_MS,
  STEP_LOST_PAUSE_MS,
  STEP_UNITS_TOGETHER,
  SUMMARY_MS,
} from '../../shared/limits.ts';
import type { StepState } from '../../shared/schemas/dag.ts';
import type { TaskError } from '../../shared/schemas/job.ts';
import { addInto } from '../mapreduce/job-record.ts';
import { Chores } from './chores.ts';
import { Journal } from './journal.ts';
import { type Command, type Evaluated, Machine } from './machine.ts';
import { Calls, pack, type UnitCall } from './run-calls.ts';
import { tokensOf, tokensWithin } from './run-claims.ts';
import { RunJobs } from './run-jobs.ts';
import type { RunPorts } from './run-ports.ts';
import {
  isSettled,
  newRun,
  newStep,
  type Output,
  type RunRecord,
  type Unit,
} from './run-record.ts';
import type { Head, RunStore, Submitted } from './run-store.ts';
import { summaryView } from './run-view.ts';
import { RunWatches } from './run-watches.ts';
import { inputError } from './step-input.ts';
import type { NeededOutput, StepRunAnswer, StepRunCall, UnitResult } from './step-runner.rpc.ts';

const LOST_PAUSE = { baseMs: STEP_LOST_PAUSE_MS, maxMs: STEP_LOST_PAUSE_MAX_MS };

/** Whoever died may not have told the catalog what it stored last. */
const RETOLD_MS = 3600_000;

type Running = ReturnType<Calls['begin']>[number];

export class RunDesk {
  readonly submitted: Submitted;
  readonly machine: Machine;
  readonly calls = new Calls();
  readonly chores: Chores;
  readonly ports: RunPorts;
  readonly store: RunStore;
  readonly journal: Journal;
  /** JSON of the run's input. */
  readonly input: string;
  readonly #jobs: RunJobs;
  readonly #watches: RunWatches;
  /** Operations counted before this desk was opened, and those that its rows do not count. */
  readonly #operations: Record<string, number>;
  /** Characters of outputs, items and events that lie in memory. */
  #heldChars = 0;
  #toldMs = 0;
  #closed = false;
  #forgotten = false;
  /** Settled when the catalog is not being told anything. */
  telling: Promise<void> = Promise.resolve();

  /** Null: nothing was submitted, or it was forgotten. */
  static load(store: RunStore, ports: RunPorts): RunDesk | null {
    const head = store.head();
    const submitted = store.submitted();
    if (!head || !submitted) return null;
    const record = store.record(head, Object.keys(submitted.spec.steps), newStep);
    const desk = new RunDesk(submitted, record, head.operations, store, ports);
    desk.#takeUp();
    return desk;
  }

  /** Stores the run; `begin` sets it going. */
  static submit(submitted: Submitted, store: RunStore, ports: RunPorts): RunDesk {
    const record = newRun(submitted.spec, ports.nowMs());
    // The submission, and the catalog that is asked for its id.
    const operations = { durableObjectRequest: 2 };
    const { state, createdAtMs, finishedAtMs, error } = record;
    const head: Head = { state, createdAtMs, finishedAtMs, error, operations };
    store.transaction(() => {
      store.saveSubmitted(submitted);
      store.saveHead(head);
      store.addClaims(tokensWithin(JSON.stringify(submitted.spec.input)));
    });
    const desk = new RunDesk(submitted, record, operations, store, ports);
    desk.#turn(() => desk.journal.event('submitted', { name: submitted.spec.name }));
    desk.#holdClaims();
    return desk;
  }

  private constructor(
    submitted: Submitted,
    record: RunRecord,
    operations: Record<string, number>,
    store: RunStore,
    ports: RunPorts,
  ) {
    const { steps } = submitted.spec;
    const graph = readGraph(
      Object.fromEntries(Object.entries(steps).map(([name, { needs }]) => [name, needs])),
    );
    if (!graph.ok) throw new Error(`the run ${submitted.job} has no order`);
    this.submitted = submitted;
    this.store = store;
    this.ports = ports;
    this.#operations = { ...operations };
    this.machine = new Machine(submitted.spec, graph.dependents, record, () => ports.random());
    this.journal = new Journal(store, record, ports.nowMs());
    this.input = JSON.stringify(submitted.spec.input);
    const { nowMs, random, later } = ports;
    this.chores = new Chores({ nowMs, random, later, ended: () => this.#schedule() });
    this.#jobs = new RunJobs(this);
    this.#watches = new RunWatches(this);
    this.#heldChars = heldCharsOf(record);
  }

  get run(): string {
    return this.submitted.job;
  }

  get record(): RunRecord {
    return this.machine.record;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get forgotten(): boolean {
    return this.#forgotten;
  }

  get operations(): Record<string, number> {
    const operations = { ...this.#operations };
    addInto(operations, this.store.operations);
    return operations;
  }

  count(operations: Record<string, number>): void {
    addInto(this.#operations, operations);
  }

  /** After a restart: attempts that ran are lost, and whatever others were to be told is told again. */
  #takeUp(): void {
    const { record, journal } = this;
    for (const [name, step] of Object.entries(record.steps)) {
      for (const [item, { unit }] of step.items?.entries() ?? []) {
        if (unit.state === 'running') journal.touch({ step: name, item });
      }
    }
    this.turn((nowMs) => {
      this.machine.restart(nowMs);
      this.#jobs.takeUp();
      this.#watches.takeUp();
      this.#holdClaims();
      const endedMs = record.finishedAtMs ?? nowMs;
      if (nowMs - endedMs < RETOLD_MS) this.#tell(nowMs);
    });
  }

  // --- Turns ----------------------------------------------------------------------------------------

  /** Throws when it could not be stored: then this desk is closed, and what is stored stands. */
  turn<Result>(work: (nowMs: number) => Result): Result {
    if (this.#closed) throw new Error(`the run ${this.run} was closed`);
    return this.#turn(work);
  }

  #turn<Result>(work: (nowMs: number) => Result): Result {
    const { machine, store, journal, ports } = this;
    const nowMs = ports.nowMs();
    let commands: Command[] = [];
    let ended = false;
    let progressed = false;
    let result: Result;
    try {
      result = store.transaction(() => {
        const answer = work(nowMs);
        commands = machine.next(nowMs, this.calls.free, STEP_UNITS_TOGETHER);
        journal.started(commands.flatMap((command) => (command.kind === 'run' ? [command] : [])));
        this.#watches.noteIn(commands);
        this.#jobs.noteIn(commands);
        const changed = machine.takeChanged();
        progressed = changed.length > 0;
        ended = journal.write(machine.record, changed, this.operations, nowMs);
        return answer;
      });
    } catch (error) {
      this.close();
      ports.broken(error);
      throw error;
    }
    for (const command of commands) this.#carryOut(command, nowMs);
    this.calls.add(this.#packed(commands));
    if (ended && machine.record.state === 'cancelled') this.calls.abandon();
    if (ended) this.#tell(nowMs);
    else if (progressed && !this.chores.has('tell')) {
      this.#tell(Math.max(nowMs, this.#toldMs + SUMMARY_MS));
    }
    this.#schedule();
    ports.changed();
    return result;
  }

  #packed(commands: readonly Command[]): UnitCall[] {
    const runs = commands.flatMap((command) => (command.kind === 'run' ? [command] : []));
    if (runs.length === 0) return [];
    return pack(runs, ({ step, item }) =>
      item === null ? 0 : (this.record.steps[step]?.items?.[item]?.json.length ?? 0),
    );
  }

  #carryOut(command: Command, nowMs: number): void {
    switch (command.kind) {
      case 'run':
        return;
      case 'evaluate':
        return this.chores.add(`evaluate ${command.step}`, nowMs, (failures) =>
          this.#evaluate(command.step, failures),
        );
      case 'submit':
        return this.#jobs.submit(command.step, command.attempt, nowMs);
      case 'cancelJob':
        return this.#jobs.cancel(command.job, nowMs);
      case 'watch':
        return this.#watches.watch(command.step, nowMs);
      case 'unwatch':
        return this.#watches.unwatch(command.step, nowMs);
    }
  }

  /** Begins what may begin, and sees to it that somebody comes back in time. */
  #schedule(): void {
    if (this.#closed) return;
    const { calls, chores, machine, ports, record } = this;
    const nowMs = ports.nowMs();
    chores.begin(nowMs);
    for (const call of calls.begin(nowMs, (step) => this.#timeoutMs(step))) {
      ports.later(this.#run(call));
    }
    const times = [machine.wakeAtMs(nowMs), calls.nextMs(), chores.nextMs()];
    const inFlight = !calls.idle || chores.size > 0;
    if (inFlight) times.push(nowMs + RUN_BEAT_MS);
    const due = times.filter((atMs) => atMs !== null);
    if (due.length > 0) ports.wake(Math.max(nowMs, Math.min(...due)));
    else if (record.state !== 'running') ports.wake(Infinity);
  }

  /** Time has passed. */
  woken(): void {
    if (this.#closed) return;
    this.turn((nowMs) => {
      for (const call of this.calls.takeOverdue(nowMs)) {
        this.#lost(call, 'it did not answer in time', nowMs);
      }
    });
  }

  /** What comes from now on finds nobody. */
  close(): void {
    this.#closed = true;
    this.calls.abandon();
    this.chores.clear();
  }

  /** The run is deleted. */
  forget(): void {
    this.#forgotten = true;
    this.close();
  }

  // --- Expressions ------------------------------------------------------------------------------------

  async #evaluate(step: string, failures: number): Promise<null> {
    const { spec, expressions: program, guard } = this.submitted;
    const definition = spec.steps[step];
    if (!definition || !program) throw new Error(`no expressions of ${step}`);
    const kinds = (['when', 'forEach', 'key'] as const).filter(
      (kind) => kind in definition && definition[kind as 'when'] !== undefined,
    );
    const needs = this.needsOf(step);
    const tooMuch = inputError(this.input, needs);
    if (tooMuch) {
      this.#notEvaluated(step, tooMuch);
      return null;
    }
    let answer;
    try {
      const names = kinds.map((kind) => `${step}.${kind}`);
      answer = await this.ports.runner.evaluate({
        program,
        guard,
        input: this.input,
        needs,
        names,
      });
    } catch (error) {
      if (failures + 1 < STEP_LOST_MAX) throw error;
      this.#notEvaluated(step, { code: 'internal', message: messageOf(error) });
      return null;
    }
    if (this.#closed) return null;
    this.turn((nowMs) => {
      this.count({ workerRequest: 1, ...answer.operations });
      const read = evaluatedOf(kinds, answer.results);
      if (!read.ok) return this.machine.notEvaluated(step, read.error, nowMs);
      const { items } = read.evaluated;
      const chars = items?.reduce((sum, { length }) => sum + length, 0) ?? 0;
      if (!this.#fits(chars)) return this.machine.notEvaluated(step, tooMuchHeld(), nowMs);
      this.machine.evaluated(step, read.evaluated, nowMs);
      if (items && this.record.steps[step]?.items) this.journal.newItems(step);
    });
    return null;
  }

  #notEvaluated(step: string, error: TaskError): void {
    if (!this.#closed) this.turn((nowMs) => this.machine.notEvaluated(step, error, nowMs));
  }

  // --- Code at the edge -------------------------------------------------------------------------------

  #timeoutMs(step: string): number {
    const definition = this.submitted.spec.steps[step];
    return definition && 'timeoutMs' in definition ? definition.timeoutMs : 0;
  }

  async #run(call: Running): Promise<void> {
    let answer: StepRunAnswer | null = null;
    let why = 'it answered something else';
    // Whoever begins calls is in the middle of a turn.
    await Promise.resolve();
    if (this.#closed) return;
    const request = this.#request(call);
    try {
      if ('code' in request) answer = allFailed(call, request);
      else answer = await this.ports.runner.run(request);
      if (answer.results.length !== call.attempts.length) answer = null;
    } catch (error) {
      why = messageOf(error);
      console.error(`attempts at ${this.run}/${call.step} were lost`, error);
    }
    if (this.#closed || !this.calls.ended(call)) return;
    try {
      this.turn((nowMs) => {
        this.count({ workerRequest: 1 });
        if (answer) this.#answered(call, answer, nowMs);
        else this.#lost(call, why, nowMs);
      });
    } catch (error) {
      console.error(`what ${this.run}/${call.step} came to was not stored`, error);
    }
  }

  #request({ step, attempts }: UnitCall): StepRunCall | TaskError {
    const { spec, programs, guard, job: run } = this.submitted;
    const definition = spec.steps[step];
    const program = programs[step];
    if (definition?.run !== 'edge' || !program) throw new Error(`${run}/${step} has no program`);
    const needs = this.needsOf(step);
    const tooMuch = inputError(this.input, needs);
    if (tooMuch) return tooMuch;
    const items = this.record.steps[step]?.items;
    const { services, timeoutMs } = definition;
    const units = attempts.map(({ unit: { item }, attempt }) => ({
      item,
      itemJson: item === null ? null : (items?.[item]?.json ?? null),
      attempt,
    }));
    return { run, step, program, guard, services, input: this.input, needs, units, timeoutMs };
  }

  /** The outputs that a step gets to see. */
  needsOf(step: string): NeededOutput[] {
    const { steps } = this.record;
    return (this.submitted.spec.steps[step]?.needs ?? []).map((need) => {
      const record = steps[need];
      if (record?.state !== 'done') return { step: need, output: null };
      const items = record.items?.flatMap(({ unit }) => (unit.output ? [unit.output] : []));
      return { step: need, output: items ?? record.output };
    });
  }

  #answered(call: Running, { results, operations }: StepRunAnswer, nowMs: number): void {
    this.count(operations);
    for (const [i, { unit, attempt }] of call.attempts.entries()) {
      const result = results[i] as UnitResult;
      const { log } = result;
      const came =
        result.kind === 'done' && !this.#fits(charsOf(result.output))
          ? { kind: 'failed' as const, error: tooMuchHeld() }
          : result;
      const counts =
        came.kind === 'done'
          ? this.#succeeded(unit, attempt, came.output, nowMs)
          : this.#failed(unit, attempt, came.error, nowMs);
      if (!counts) continue;
      const error = came.kind === 'failed' ? came.error : null;
      const { startedAtMs } = call;
      const { item } = unit;
      const ended = { item, attempt, startedAtMs, finishedAtMs: nowMs, error, log };
      this.journal.attempt(unit.step, ended);
    }
  }

  /** An attempt that does not count leaves its claim to nobody: it is collected. */
  #succeeded(unit: Unit, attempt: number, output: Output, nowMs: number): boolean {
    if (!this.machine.succeeded(unit, attempt, output, nowMs)) return false;
    this.holdOutputs([output]);
    this.journal.touch(unit);
    if (unit.item !== null) this.journal.itemDone(unit.step, unit.item);
    return true;
  }

  #failed(unit: Unit, attempt: number, error: TaskError, nowMs: number): boolean {
    if (!this.machine.failed(unit, attempt, error, nowMs)) return false;
    this.journal.touch(unit);
    this.journal.failed(unit, attempt, error, this.#stateOf(unit) === 'ready');
    return true;
  }

  #lost({ attempts, startedAtMs }: Running, why: string, nowMs: number): void {
    for (const { unit, attempt } of attempts) {
      const { step, item } = unit;
      const losses = this.#unitOf(unit)?.lost ?? 0;
      const pauseMs = backoffMs(LOST_PAUSE, losses, this.ports.random());
      if (!this.machine.lost(unit, attempt, nowMs, pauseMs, why)) continue;
      const error: TaskError = { code: 'returned', message: `nobody knows its end: ${why}` };
      this.journal.touch(unit);
      this.journal.failed(unit, attempt, error, this.#stateOf(unit) === 'ready');
      const ended = { item, attempt, startedAtMs, finishedAtMs: nowMs, error, log: [] };
      this.journal.attempt(step, ended);
    }
  }

  #unitOf({ step, item }: Unit) {
    const record = this.record.steps[step];
    return item === null ? record : record?.items?.[item]?.unit;
  }

  #stateOf(unit: Unit): StepState | undefined {
    return this.#unitOf(unit)?.state;
  }

  // --- What lies in memory, and claims ----------------------------------------------------------------

  #fits(chars: number): boolean {
    return this.#heldChars + chars <= RUN_HELD_MAX_CHARS;
  }

  fitAll(outputs: readonly Output[]): TaskError | null {
    const chars = outputs.reduce((sum, output) => sum + charsOf(output), 0);
    return this.#fits(chars) ? null : tooMuchHeld();
  }

  /** Within a turn: outputs that count. */
  holdOutputs(outputs: readonly Output[]): void {
    for (const output of outputs) this.#heldChars += charsOf(output);
    this.hold(tokensOf(outputs));
  }

  /** Within a turn. */
  hold(tokens: readonly string[]): void {
    if (tokens.length === 0) return;
    this.store.addClaims(tokens);
    this.#holdClaims();
  }

  #holdClaims(): void {
    if (this.store.claims('owed').length === 0) return;
    this.chores.add('claims', this.ports.nowMs(), async () => {
      for (const { n, tokens } of this.store.claims('owed')) {
        await this.ports.hold(this.run, tokens);
        this.count({ durableObjectRequest: tokens.length, rowWritten: 2 * tokens.length });
        if (this.#closed) return null;
        this.store.transaction(() => this.store.claimsHeld(n));
      }
      return null;
    });
  }

  // --- What others ask --------------------------------------------------------------------------------

  signal(name: string, json: string): ReturnType<Machine['signal']> {
    const { signals } = this.record;
    const chars = Object.values(signals).flat().join('').length;
    return this.turn(() => {
      if (chars + json.length > SIGNALS_KEPT_MAX_CHARS || !this.#fits(json.length)) {
        return this.record.state === 'running' ? 'full' : 'over';
      }
      const taken = this.machine.signal(name, json);
      if (taken === 'taken') {
        this.journal.event('signal', { name });
        this.journal.signalCame();
      }
      return taken;
    });
  }

  /** False: the step does not watch (any more). */
  arrived(step: string, events: readonly { type: string; json: string }[]): boolean {
    const record = this.record.steps[step];
    if (!record || record.state !== 'running' || isSettled(record)) return false;
    if (events.length === 0) return true;
    this.turn((nowMs) => {
      const fresh = events.filter(({ type }) => !Object.hasOwn(record.events, type));
      const chars = fresh.reduce((sum, { json }) => sum + json.length, 0);
      if (!this.#fits(2 * chars)) {
        return this.machine.failed({ step, item: null }, record.attempt, tooMuchHeld(), nowMs);
      }
      this.#heldChars += 2 * chars;
      this.machine.arrived(step, fresh);
      this.hold(fresh.flatMap(({ json }) => tokensWithin(json)));
      return true;
    });
    return this.record.steps[step]?.state === 'running';
  }

  get watches(): RunWatches {
    return this.#watches;
  }

  get stepJobs(): RunJobs {
    return this.#jobs;
  }

  jobEnded(job: string): void {
    this.#jobs.hurry(job);
    this.#schedule();
  }

  /** False: it is over already. */
  cancel(): boolean {
    return this.turn((nowMs) => this.machine.cancel(nowMs));
  }

  /** False: nothing of it failed or was cancelled. */
  retry(): boolean {
    return this.turn(() => {
      const retried = this.machine.retry();
      if (retried) this.journal.event('retried');
      return retried;
    });
  }

  // --- Telling the catalog ----------------------------------------------------------------------------

  #tell(atMs: number): void {
    this.chores.add('tell', atMs, async () => {
      await this.tell();
      return null;
    });
  }

  async tell(): Promise<void> {
    this.#toldMs = this.ports.nowMs();
    this.count({ durableObjectRequest: 1, rowWritten: 1 });
    const told = this.ports.tell(summaryView(this));
    this.telling = told.catch(() => undefined);
    await told;
  }
}

function heldCharsOf(record: RunRecord): number {
  let chars = 0;
  for (const { output, items, events } of Object.values(record.steps)) {
    if (output) chars += charsOf(output);
    for (const json of Object.values(events)) chars += json.length;
    for (const { json, unit } of items ?? []) {
      chars += json.length + (unit.output ? charsOf(unit.output) : 0);
    }
  }
  return chars;
}

const charsOf = (output: Output) => (output.kind === 'json' ? output.json.length : 0);

const tooMuchHeld = (): TaskError => ({
  code: 'memory',
  message: `the small outputs and items of a run have at most ${RUN_HELD_MAX_CHARS} characters together; larger outputs, and bytes, are kept outside`,
});

function allFailed({ attempts }: UnitCall, error: TaskError): StepRunAnswer {
  return { results: attempts.map(() => ({ kind: 'failed', error, log: [] })), operations: {} };
}

type Read = { ok: true; evaluated: Evaluated } | { ok: false; error: TaskError };
type Results = ({ ok: true; json: string } | { ok: false; error: TaskError })[];

/** A condition that is false settles it: what the others come to is not asked then. */
function evaluatedOf(kinds: readonly ('when' | 'forEach' | 'key')[], results: Results): Read {
  const evaluated: Evaluated = { when: null, items: null, key: null };
  for (const [i, kind] of kinds.entries()) {
    const result = results[i];
    if (!result) throw new Error('an expression was not answered');
    if (!result.ok) return { ok: false, error: result.error };
    const value = JSON.parse(result.json) as unknown;
    if (kind === 'when') evaluated.when = value === true;
    if (evaluated.when === false) break;
    if (kind === 'forEach')
      evaluated.items = (value as unknown[]).map((one) => JSON.stringify(one));
    if (kind === 'key') evaluated.key = value as string;
  }
  return { ok: true, evaluated };
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
