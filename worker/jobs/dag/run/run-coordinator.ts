// Coordinates a run: everything that happens to it is a turn. In one transaction the machine takes note of it and says
// what is next, and all that changed is stored; then the commands are carried out. So a run that dies at any point is
// taken up again from what is stored.
import { needsOf, readGraph } from '../../../../shared/dag/graph.ts';
import {
  RUN_BEAT_MS,
  SIGNALS_KEPT_MAX_CHARS,
  STEP_UNITS_TOGETHER,
  SUMMARY_MS,
} from '../../../../shared/limits.ts';
import { Effects } from '../../../platform/effects.ts';
import { addInto } from '../../mapreduce/job-record.ts';
import { type Command, Machine } from './machine.ts';
import { Calls, pack, type UnitCall } from './run-calls.ts';
import { tokensWithin } from './run-claims.ts';
import { RunCode } from './run-code.ts';
import { RunHeld } from './run-held.ts';
import { RunJobs } from './run-jobs.ts';
import type { RunContext } from './run-context.ts';
import type { RunPorts } from './run-ports.ts';
import {
  type Head,
  isSettled,
  newRun,
  newStep,
  type RunRecord,
  type Submitted,
} from './run-record.ts';
import type { RunStore } from './run.store.ts';
import { type RunSnapshot, summaryView } from './run-view.ts';
import { seenSteps } from './seen-steps.ts';
import { RunWatches } from './run-watches.ts';
import { UnitOfWork } from './unit-of-work.ts';
import type { NeededOutput } from '../../../contracts/step-runner.rpc.ts';

/** An instance that died may not have told the catalog what it stored last. */
const RETOLD_MS = 3600_000;

export class RunCoordinator implements RunContext {
  readonly submitted: Submitted;
  readonly machine: Machine;
  readonly effects: Effects;
  readonly ports: RunPorts;
  readonly store: RunStore;
  readonly work: UnitOfWork;
  /** JSON of the run's input. */
  readonly input: string;
  readonly watches: RunWatches;
  readonly #held: RunHeld;
  readonly #code: RunCode;
  readonly #jobs: RunJobs;
  readonly #calls = new Calls();
  readonly #seenSteps = new Map<string, string[]>();
  /** Operations counted before the run was opened, and those that its rows do not count. */
  readonly #operations: Record<string, number>;
  #toldMs = 0;
  #closed = false;
  #deleted = false;
  /** Settled when the catalog is not being told anything. */
  telling: Promise<void> = Promise.resolve();

  /** Null: nothing was submitted, or the run was deleted. */
  static load(store: RunStore, ports: RunPorts): RunCoordinator | null {
    const head = store.head();
    const submitted = store.submitted();
    if (!head || !submitted) return null;
    const record = store.record(head, Object.keys(submitted.spec.steps), newStep);
    const run = new RunCoordinator(submitted, record, head.operations, store, ports);
    run.#takeUp();
    return run;
  }

  /** Stores the run, and sets it going. */
  static submit(submitted: Submitted, store: RunStore, ports: RunPorts): RunCoordinator {
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
    const run = new RunCoordinator(submitted, record, operations, store, ports);
    run.turn(() => run.work.event('submitted', { name: submitted.spec.name }));
    run.#held.settle();
    return run;
  }

  private constructor(
    submitted: Submitted,
    record: RunRecord,
    operations: Record<string, number>,
    store: RunStore,
    ports: RunPorts,
  ) {
    const { steps } = submitted.spec;
    const graph = readGraph(needsOf(steps));
    if (!graph.ok) throw new Error(`the run ${submitted.job} has no order`);
    this.submitted = submitted;
    this.store = store;
    this.ports = ports;
    this.#operations = { ...operations };
    this.machine = new Machine(submitted.spec, graph.dependents, record, () => ports.random());
    this.work = new UnitOfWork(store, record, ports.nowMs());
    this.input = JSON.stringify(submitted.spec.input);
    const { nowMs, random, later } = ports;
    this.effects = new Effects({ nowMs, random, later, ended: () => this.#schedule() });
    this.#held = new RunHeld(this);
    this.watches = new RunWatches(this);
    this.#jobs = new RunJobs(this, this.#held);
    this.#code = new RunCode(this, this.#held, this.#calls);
  }

  get id(): string {
    return this.submitted.job;
  }

  get record(): RunRecord {
    return this.machine.record;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get deleted(): boolean {
    return this.#deleted;
  }

  get operations(): Record<string, number> {
    const operations = { ...this.#operations };
    addInto(operations, this.store.operations);
    return operations;
  }

  count(operations: Record<string, number>): void {
    addInto(this.#operations, operations);
  }

  /** After a restart: attempts that ran are lost, and what others were to be told is told again. */
  #takeUp(): void {
    const { record, work } = this;
    for (const [name, step] of Object.entries(record.steps)) {
      for (const [item, { unit }] of step.items?.entries() ?? []) {
        if (unit.state === 'running') work.touch({ step: name, item });
      }
    }
    this.turn((nowMs) => {
      this.machine.restart(nowMs);
      this.#jobs.takeUp();
      this.watches.takeUp();
      this.#held.settle();
      const endedMs = record.finishedAtMs ?? nowMs;
      if (nowMs - endedMs < RETOLD_MS) this.#tell(nowMs);
    });
  }

  // --- Turns ----------------------------------------------------------------------------------------

  turn<Result>(change: (nowMs: number) => Result): Result {
    if (this.#closed) throw new Error(`the run ${this.id} was closed`);
    const { machine, store, work, ports } = this;
    const nowMs = ports.nowMs();
    let commands: Command[] = [];
    let ended = false;
    let progressed = false;
    let result: Result;
    try {
      result = store.transaction(() => {
        const answer = change(nowMs);
        commands = machine.next(nowMs, this.#calls.free, STEP_UNITS_TOGETHER);
        work.started(commands.flatMap((command) => (command.kind === 'run' ? [command] : [])));
        this.watches.noteIn(commands);
        this.#jobs.noteIn(commands);
        const changed = machine.takeChanged();
        progressed = changed.length > 0;
        ended = work.write(machine.record, changed, this.operations, nowMs);
        return answer;
      });
    } catch (error) {
      this.close();
      ports.broken(error);
      throw error;
    }
    for (const command of commands) this.#carryOut(command, nowMs);
    this.#calls.add(this.#packed(commands));
    if (ended && machine.record.state === 'cancelled') this.#calls.abandon();
    if (ended) this.#tell(nowMs);
    else if (progressed && !this.effects.has('tell')) {
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
        return this.effects.add(`evaluate ${command.step}`, nowMs, (failures) =>
          this.#code.evaluate(command.step, failures),
        );
      case 'submit':
        return this.#jobs.submit(command.step, command.attempt, nowMs);
      case 'cancelJob':
        return this.#jobs.cancel(command.job, nowMs);
      case 'watch':
      case 'unwatch':
        return this.watches.settle(command.step, nowMs);
    }
  }

  /** Begins what may begin, and arms the next wake-up. */
  #schedule(): void {
    if (this.#closed) return;
    const calls = this.#calls;
    const { effects, machine, ports, record } = this;
    const nowMs = ports.nowMs();
    effects.begin(nowMs);
    for (const call of calls.begin(nowMs, (step) => this.#code.timeoutMs(step))) {
      ports.later(this.#code.run(call));
    }
    const times = [machine.wakeAtMs(nowMs), calls.nextMs(), effects.nextMs()];
    const inFlight = !calls.idle || effects.size > 0;
    if (inFlight) times.push(nowMs + RUN_BEAT_MS);
    const due = times.filter((atMs) => atMs !== null);
    if (due.length > 0) ports.wake(Math.max(nowMs, Math.min(...due)));
    else if (record.state !== 'running') ports.wake(Infinity);
  }

  /** Time has passed. */
  woken(): void {
    if (this.#closed) return;
    this.turn((nowMs) => {
      for (const call of this.#calls.takeOverdue(nowMs)) {
        this.#code.lost(call, 'it did not answer in time', nowMs);
      }
    });
  }

  /** Late answers are ignored after this. */
  close(): void {
    this.#closed = true;
    this.#calls.abandon();
    this.effects.clear();
  }

  /** The run is deleted. */
  delete(): void {
    this.#deleted = true;
    this.close();
  }

  needsOf(step: string): NeededOutput[] {
    const { steps } = this.record;
    let seen = this.#seenSteps.get(step);
    if (!seen) this.#seenSteps.set(step, (seen = seenSteps(step, this.submitted.spec.steps)));
    return seen.map((need) => {
      const record = steps[need];
      if (record?.state !== 'done') return { step: need, output: null };
      const items = record.items?.flatMap(({ unit }) => (unit.output ? [unit.output] : []));
      return { step: need, output: items ?? record.output };
    });
  }

  // --- What others ask --------------------------------------------------------------------------------

  signal(name: string, json: string): ReturnType<Machine['signal']> {
    const { signals } = this.record;
    const chars = Object.values(signals).flat().join('').length;
    return this.turn(() => {
      if (chars + json.length > SIGNALS_KEPT_MAX_CHARS || this.#held.problemOf(json.length)) {
        return this.record.state === 'running' ? 'full' : 'over';
      }
      const taken = this.machine.signal(name, json);
      if (taken === 'taken') {
        this.work.event('signal', { name });
        this.work.signalCame();
        this.#held.keep(json.length, tokensWithin(json));
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
      // They are kept as they come, and once more in the step's output.
      const tooMuch = this.#held.problemOf(2 * chars);
      if (tooMuch) {
        this.machine.failed({ step, item: null }, record.attempt, tooMuch, nowMs);
        return this.watches.settle(step, nowMs);
      }
      this.machine.arrived(step, fresh);
      this.#held.keep(
        2 * chars,
        fresh.flatMap(({ json }) => tokensWithin(json)),
      );
    });
    return this.record.steps[step]?.state === 'running';
  }

  /** The run as it is now, to be shown. */
  snapshot(): RunSnapshot {
    const { submitted, record, operations, ports } = this;
    const { progress } = this.#jobs;
    const calls = this.#calls.running;
    return { submitted, record, operations, progress, calls, nowMs: ports.nowMs() };
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
      if (retried) this.work.event('retried');
      return retried;
    });
  }

  // --- Telling the catalog ----------------------------------------------------------------------------

  #tell(atMs: number): void {
    this.effects.add('tell', atMs, async () => {
      await this.tell();
      return null;
    });
  }

  async tell(): Promise<void> {
    this.#toldMs = this.ports.nowMs();
    this.count({ durableObjectRequest: 1, rowWritten: 1 });
    const told = this.ports.tell(summaryView(this.snapshot()));
    this.telling = told.catch(() => undefined);
    await told;
  }
}
