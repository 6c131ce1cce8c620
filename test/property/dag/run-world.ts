// The world of one run in Node: storage on a real SQLite; code, jobs, logs and claims in memory, answering in any order,
// late, twice or never; a clock that is moved by hand; and a process that dies between any two statements, or after a
// turn was stored and before it was carried out. What was committed survives.
import { DatabaseSync } from 'node:sqlite';
import { needsOf, readGraph } from '../../../shared/dag/graph.ts';
import type { DagSpec } from '../../../shared/schemas/dag.ts';
import type { JobStepsRpc, StepJobState } from '../../../worker/contracts/job-steps.rpc.ts';
import { RunCoordinator } from '../../../worker/jobs/dag/run/run-coordinator.ts';
import type { RunPorts } from '../../../worker/jobs/dag/run/run-ports.ts';
import type { StreamEnds } from '../../../worker/jobs/dag/run/run-record.ts';
import { RunStore } from '../../../worker/jobs/dag/run/run.store.ts';
import type { Output } from '../../../worker/contracts/run.rpc.ts';
import type { StepRunnerRpc, UnitResult } from '../../../worker/contracts/step-runner.rpc.ts';
import { sqliteStorage } from '../log/sqlite-storage.ts';

export interface Plan {
  spec: DagSpec;
  streams: StreamEnds[];
  /** How often each unit fails before it succeeds, by `step` or `step/item`. */
  failuresOf(unit: string): number;
  whenOf(step: string): boolean;
  itemsOf(step: string): number;
  /** Shares out of 1: of statements at which the process dies, of turns after which it does, of calls that are lost. */
  deaths: number;
  deathsAfterTurns: number;
  lost: number;
  /** Of calls of code: never answered. */
  swallowed: number;
}

class Death extends Error {}

/** Something under way: whoever asked waits for it. */
interface Pending {
  answer(): void;
  lose(): void;
}

interface Life {
  alive: boolean;
}

const RUN = 'run_1';
export const KEY = 'k';
const MOVES_MAX = 30_000;
const PATIENCE_MS = 24 * 3600_000;

export class RunWorld {
  nowMs = 1_000_000;
  run: RunCoordinator | null = null;
  deaths = 0;
  /** Attempts that code was run for, by `step/item/attempt`. */
  readonly attempts = new Map<string, number>();
  readonly jobs = new Map<string, 'running' | 'ended' | 'cancelled'>();
  readonly held = new Set<string>();
  readonly watching = new Set<string>();
  told = '';
  readonly #plan: Plan;
  readonly #random: () => number;
  readonly #db = new DatabaseSync(':memory:');
  #life: Life = { alive: true };
  #pending: Pending[] = [];
  #alarmMs: number | null = null;
  #quiet = false;

  constructor(plan: Plan, random: () => number) {
    this.#plan = plan;
    this.#random = random;
    this.#reborn();
  }

  // --- Life and death ---------------------------------------------------------------------------------

  /** A new process over what is stored; the run is submitted if it is not there. */
  #reborn(): void {
    for (;;) {
      const life = (this.#life = { alive: true });
      this.run = null;
      const storage = sqliteStorage(this.#db, () => this.#mayDie(life, this.#plan.deaths));
      const store = new RunStore({
        sql: storage.sql,
        transactionSync: (work) => {
          const result = storage.transactionSync(work);
          this.#mayDie(life, this.#plan.deathsAfterTurns);
          return result;
        },
      });
      try {
        store.open();
        const ports = this.#ports(life);
        this.run =
          RunCoordinator.load(store, ports) ??
          RunCoordinator.submit(this.#submitted(), store, ports);
        return;
      } catch (error) {
        if (!(error instanceof Death)) throw error;
      }
    }
  }

  #mayDie(life: Life, share: number): void {
    if (!life.alive) throw new Death();
    if (this.#quiet || this.#random() >= share) return;
    life.alive = false;
    this.deaths++;
    throw new Death();
  }

  kill(): void {
    this.#life.alive = false;
    this.#reborn();
  }

  #submitted() {
    const { spec, streams } = this.#plan;
    const graph = readGraph(needsOf(spec.steps));
    if (!graph.ok) throw new Error('the plan has a cycle');
    const program = { key: 'p', hash: 'h' };
    const programs = Object.fromEntries(Object.keys(spec.steps).map((name) => [name, program]));
    const { levels } = graph;
    return { job: RUN, spec, levels, programs, expressions: program, guard: true, streams };
  }

  // --- What is under way --------------------------------------------------------------------------------

  /** Answers when it is its turn; who died meanwhile hears nothing, and what was asked may have its effect. */
  #later<Answer>(life: Life, work: () => Answer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const hangs = !this.#quiet && this.#random() < this.#plan.swallowed;
      if (hangs) return;
      this.#pending.push({
        answer: () => {
          const answer = work();
          if (life.alive) resolve(answer);
        },
        lose: () => {
          if (life.alive) reject(new Error('lost'));
        },
      });
    });
  }

  #ports(life: Life): RunPorts {
    return {
      nowMs: () => this.nowMs,
      random: this.#random,
      runner: this.#runner(life),
      jobs: this.#jobs(life),
      jobId: async (_, step, attempt) => `${step}#${attempt}`,
      watch: (_, { step, partition }) =>
        this.#later(life, () => void this.watching.add(`${step}/${partition}`)),
      unwatch: (_, { step, partition }) =>
        this.#later(life, () => void this.watching.delete(`${step}/${partition}`)),
      hold: (_, tokens) => this.#later(life, () => tokens.forEach((token) => this.held.add(token))),
      release: (_, tokens) =>
        this.#later(life, () => tokens.forEach((token) => this.held.delete(token))),
      tell: ({ state }) =>
        this.#later(life, () => {
          // What the dead said last comes before what others say after them.
          if (life.alive) this.told = state;
        }),
      wake: (atMs) => {
        if (this.#alarmMs === null || atMs < this.#alarmMs) this.#alarmMs = atMs;
      },
      changed: () => undefined,
      later: () => undefined,
      broken: () => {
        life.alive = false;
      },
    };
  }

  #runner(life: Life): StepRunnerRpc {
    return {
      run: (call) =>
        this.#random() < this.#plan.swallowed
          ? new Promise(() => undefined)
          : this.#later(life, () => ({
              results: call.units.map(({ item, attempt }): UnitResult => {
                const unit = item === null ? call.step : `${call.step}/${item}`;
                const made = `${unit}/${attempt}`;
                this.attempts.set(made, (this.attempts.get(made) ?? 0) + 1);
                return this.#mustFail(call.step, item)
                  ? {
                      kind: 'failed',
                      error: { code: 'program_threw', message: 'no' },
                      log: ['tried'],
                    }
                  : { kind: 'done', output: this.#outputOf(unit, attempt), log: [] };
              }),
              operations: { r2Read: 1 },
            })),
      evaluate: ({ names }) =>
        this.#later(life, () => ({
          results: names.map((name) => {
            const [step = '', kind] = name.split('.');
            if (kind === 'when') return { ok: true, json: String(this.#plan.whenOf(step)) };
            if (kind === 'key') return { ok: true, json: JSON.stringify(KEY) };
            const items = Array.from({ length: this.#plan.itemsOf(step) }, (_, i) => i);
            return { ok: true, json: JSON.stringify(items) };
          }),
          operations: {},
        })),
    };
  }

  /** As often as the run has taken note of: what was lost does not count. */
  #mustFail(step: string, item: number | null): boolean {
    const record = this.run?.record.steps[step];
    const unit = item === null ? record : record?.items?.[item]?.unit;
    const name = item === null ? step : `${step}/${item}`;
    return (unit?.failures ?? 0) < this.#plan.failuresOf(name);
  }

  /** Each attempt has another one; every third lies in R2. */
  #outputOf(unit: string, attempt: number): Output {
    if (attempt % 3 !== 0) return { kind: 'json', json: JSON.stringify([unit, attempt]) };
    const claim = { token: `${unit}/${attempt}`, bytes: 1, sha256: '0', contentType: 'x' };
    return { kind: 'claim', claim, json: true };
  }

  #jobs(life: Life): JobStepsRpc {
    const submit = (step: string, attempt: number) => {
      // It has its effect, whatever becomes of the answer.
      const job = `${step}#${attempt}`;
      if (!this.jobs.has(job)) this.jobs.set(job, 'running');
      return this.#later(life, () => ({ kind: 'submitted' as const, job, operations: {} }));
    };
    const collect = (job: string) =>
      this.#later(life, (): StepJobState => {
        const [step = '', attempt] = job.split('#');
        if (this.jobs.get(job) === 'running' && this.#random() < 0.5) {
          return { kind: 'running', reason: 'maps', done: 0, count: 1 };
        }
        this.jobs.set(job, 'ended');
        if (this.#mustFail(step, null)) {
          return { kind: 'failed', error: { code: 'internal', message: 'no' } };
        }
        const outputs = [this.#outputOf(step, Number(attempt))];
        return { kind: 'done', outputs, next: null, log: [], operations: {} };
      });
    return {
      submitVolunteerStep: ({ step, attempt }) => submit(step, attempt),
      collectVolunteerStep: (job) => collect(job),
      submitMapReduceStep: ({ step, attempt }) => submit(step, attempt),
      collectMapReduceStep: (job) => collect(job),
      cancelStepJob: (job) =>
        this.#later(life, () => {
          if (this.jobs.get(job) === 'running') this.jobs.set(job, 'cancelled');
        }),
      deleteStepJob: (job) => this.#later(life, () => void this.jobs.delete(job)),
    };
  }

  // --- Going on -----------------------------------------------------------------------------------------

  /** Until the run is over and nobody waits for anything. `move`: what else happens now and then. */
  async play(move: (world: RunWorld) => void): Promise<void> {
    for (let moves = 0; moves < MOVES_MAX; moves++) {
      await settle();
      if (!this.#life.alive) this.#reborn();
      const { run } = this;
      if (!run) throw new Error('there is no run');
      const isOver = run.record.state !== 'running';
      // Once it is over nobody dies any more: so what is owed can be seen to be done.
      this.#quiet = isOver;
      if (isOver && this.#pending.length === 0 && run.effects.size === 0) return;
      this.#try(() => move(this));
      this.#happen();
    }
    throw new Error(`it does not end: ${JSON.stringify(this.run?.record)}`);
  }

  #happen(): void {
    const { length } = this.#pending;
    if (length === 0 || this.#random() < 0.1) return this.#passTime();
    const [one] = this.#pending.splice(Math.floor(this.#random() * length), 1);
    if (!this.#quiet && this.#random() < this.#plan.lost) one?.lose();
    else one?.answer();
  }

  #passTime(): void {
    const alarmMs = this.#alarmMs;
    if (alarmMs === null) return;
    // A wait that may take a year: somebody will answer it before.
    if (alarmMs - this.nowMs > PATIENCE_MS) return;
    this.nowMs = Math.max(this.nowMs, alarmMs);
    this.#alarmMs = null;
    this.#try(() => this.run?.woken());
  }

  #try(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof Death)) throw error;
    }
  }
}

/** All that promises have set going. */
const settle = () => new Promise((resolve) => setImmediate(resolve));
