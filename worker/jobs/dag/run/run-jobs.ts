// The MapReduce jobs that do the work of volunteer and mapreduce steps: submitted once an attempt, asked after until they
// end, cancelled when the run needs them no more. The store knows all of them, so that none is left behind.
import { messageOf } from '../../../../shared/message-of.ts';
import {
  STEP_JOB_POLL_MAX_MS,
  STEP_JOB_POLL_MIN_MS,
  STEP_LOST_MAX,
} from '../../../../shared/limits.ts';
import type { TaskError } from '../../../../shared/schemas/job.ts';
import type { StepJobState, StepJobSubmitted } from '../../../contracts/job-steps.rpc.ts';
import type { Output } from '../../../contracts/run.rpc.ts';
import type { Command } from './machine.ts';
import type { RunContext } from './run-context.ts';
import type { RunHeld } from './run-held.ts';
import type { JobProgress } from './run-record.ts';
import { inputError } from '../steps/step-input.ts';

export class RunJobs {
  readonly #context: RunContext;
  readonly #held: RunHeld;
  readonly #stepOf = new Map<string, string>();
  readonly #progress = new Map<string, JobProgress>();
  /** When the newest attempt of a step began. */
  readonly #startedMs = new Map<string, number>();

  constructor(context: RunContext, held: RunHeld) {
    this.#context = context;
    this.#held = held;
  }

  /** By step. */
  get progress(): ReadonlyMap<string, JobProgress> {
    return this.#progress;
  }

  /** Jobs that go on are followed, others are cancelled. */
  takeUp(): void {
    const { store, record, ports } = this.#context;
    for (const { job, step, open } of store.jobs()) {
      this.#stepOf.set(job, step);
      if (!open) continue;
      const known = record.steps[step];
      if (known?.state === 'running' && known.job === job) this.#follow(step, job);
      else this.cancel(job, ports.nowMs());
    }
    for (const { step, attempt } of store.submitting()) {
      // The newest is submitted again.
      if (!this.#isNewest(step, attempt)) this.submit(step, attempt, ports.nowMs());
    }
  }

  /** Within a turn: what is about to be submitted is stored, so that no job is left behind whose id got lost. */
  noteIn(commands: readonly Command[]): void {
    for (const command of commands) {
      if (command.kind !== 'submit') continue;
      this.#context.store.saveSubmitting(command.step, command.attempt);
    }
  }

  submit(step: string, attempt: number, nowMs: number): void {
    this.#startedMs.set(step, nowMs);
    this.#context.effects.add(`submit ${step} ${attempt}`, nowMs, (failures) =>
      this.#submit(step, attempt, failures),
    );
  }

  async #submit(step: string, attempt: number, failures: number): Promise<null> {
    const context = this.#context;
    if (!this.#isNewest(step, attempt)) return this.#retract(step, attempt);
    if (context.record.steps[step]?.job !== null) return null;
    const needs = context.needsOf(step);
    const tooMuch = inputError(context.input, needs);
    let answer: StepJobSubmitted;
    try {
      if (tooMuch) answer = { kind: 'failed', error: tooMuch, operations: {} };
      else answer = await this.#ask(step, attempt);
    } catch (error) {
      if (failures + 1 < STEP_LOST_MAX) throw error;
      const message = messageOf(error);
      answer = { kind: 'failed', error: { code: 'internal', message }, operations: {} };
    }
    if (context.closed) {
      // The run was deleted meanwhile, and knew nothing of it.
      if (context.deleted && answer.kind === 'submitted') {
        await context.ports.jobs.deleteStepJob(answer.job);
      }
      return null;
    }
    context.turn((nowMs) => {
      context.count({ workerRequest: 1 });
      context.count(answer.operations);
      context.store.deleteSubmitting(step, attempt);
      if (answer.kind === 'failed') return this.#fail(step, attempt, answer.error, [], nowMs);
      this.#stepOf.set(answer.job, step);
      context.store.saveJob({ job: answer.job, step, open: true });
      context.machine.submitted(step, attempt, answer.job);
    });
    if (answer.kind === 'submitted' && this.#isOf(step, answer.job)) this.#follow(step, answer.job);
    return null;
  }

  /** The step no longer needs this job, and may never have learned of it: it is cancelled by its derived id. */
  async #retract(step: string, attempt: number): Promise<null> {
    const { ports, id, store } = this.#context;
    await ports.jobs.cancelStepJob(await ports.jobId(id, step, attempt));
    if (!this.#context.closed) store.transaction(() => store.deleteSubmitting(step, attempt));
    return null;
  }

  #ask(step: string, attempt: number): Promise<StepJobSubmitted> {
    const { submitted, id: run, input, record, ports } = this.#context;
    const definition = submitted.spec.steps[step];
    const call = { run, runName: submitted.spec.name, step, attempt };
    if (definition?.run === 'mapreduce') {
      return ports.jobs.submitMapReduceStep({ ...call, spec: definition });
    }
    if (definition?.run !== 'volunteer') throw new Error(`${run}/${step} has no job`);
    const items = record.steps[step]?.items?.map(({ json }) => json) ?? null;
    const needs = this.#context.needsOf(step);
    return ports.jobs.submitVolunteerStep({ ...call, spec: definition, input, needs, items });
  }

  #isNewest(step: string, attempt: number): boolean {
    const record = this.#context.record.steps[step];
    return record?.state === 'running' && record.attempt === attempt;
  }

  #isOf(step: string, job: string): boolean {
    const { closed, record } = this.#context;
    return !closed && record.steps[step]?.state === 'running' && record.steps[step].job === job;
  }

  #follow(step: string, job: string): void {
    const { effects, ports } = this.#context;
    let pollMs = STEP_JOB_POLL_MIN_MS;
    effects.add(`collect ${step}`, ports.nowMs() + pollMs, async () => {
      if (!this.#isOf(step, job)) return null;
      const came = await this.#collect(step, job);
      if (!this.#isOf(step, job)) return null;
      if (came.kind === 'running') {
        const { reason, done, count } = came;
        this.#progress.set(step, { reason, done, count });
        pollMs = Math.min(pollMs * 1.5, STEP_JOB_POLL_MAX_MS);
        return pollMs;
      }
      this.#ended(step, job, came);
      return null;
    });
  }

  async #collect(step: string, job: string): Promise<StepJobState> {
    const { ports, submitted } = this.#context;
    if (submitted.spec.steps[step]?.run === 'mapreduce')
      return ports.jobs.collectMapReduceStep(job);
    const outputs: Output[] = [];
    const log: string[] = [];
    const operations: Record<string, number> = {};
    for (let from: number | null = 0; from !== null;) {
      const state = await ports.jobs.collectVolunteerStep(job, from);
      if (state.kind !== 'done') return state;
      outputs.push(...state.outputs);
      log.push(...state.log);
      for (const [kind, count] of Object.entries(state.operations)) {
        operations[kind] = (operations[kind] ?? 0) + count;
      }
      from = state.next;
      const tooMuch = this.#held.problemWith(outputs);
      if (tooMuch) return { kind: 'failed', error: tooMuch };
    }
    return { kind: 'done', outputs, next: null, log, operations };
  }

  #ended(step: string, job: string, came: Exclude<StepJobState, { kind: 'running' }>): void {
    const context = this.#context;
    const attempt = context.record.steps[step]?.attempt ?? 0;
    context.turn((nowMs) => {
      context.count({ workerRequest: 1 });
      context.store.saveJob({ job, step, open: false });
      if (came.kind === 'failed') return this.#fail(step, attempt, came.error, [], nowMs);
      const { outputs, log, operations } = came;
      context.count(operations);
      const tooMuch = this.#held.problemWith(outputs);
      if (tooMuch) return this.#fail(step, attempt, tooMuch, log, nowMs);
      if (!context.machine.jobDone(step, attempt, outputs, nowMs)) return;
      this.#held.keepOutputs(outputs);
      this.#note(step, attempt, null, log, nowMs);
    });
    this.#progress.delete(step);
  }

  #fail(step: string, attempt: number, error: TaskError, log: string[], nowMs: number): void {
    const { machine, work, record } = this.#context;
    const unit = { step, item: null };
    if (!machine.failed(unit, attempt, error, nowMs)) return;
    work.failed(unit, attempt, error, record.steps[step]?.state === 'ready');
    this.#note(step, attempt, error, log, nowMs);
  }

  #note(
    step: string,
    attempt: number,
    error: TaskError | null,
    log: string[],
    nowMs: number,
  ): void {
    const { work, record } = this.#context;
    const startedAtMs = this.#startedMs.get(step) ?? record.steps[step]?.startedAtMs ?? nowMs;
    const ended = { item: null, attempt, startedAtMs, finishedAtMs: nowMs, error, log };
    work.attempt(step, ended);
  }

  cancel(job: string, nowMs: number): void {
    const context = this.#context;
    const step = this.#stepOf.get(job) ?? '';
    context.effects.add(`cancel ${job}`, nowMs, async () => {
      await context.ports.jobs.cancelStepJob(job);
      if (!context.closed)
        context.store.transaction(() => context.store.saveJob({ job, step, open: false }));
      return null;
    });
  }

  /** It has ended: look at once. */
  hurry(job: string): void {
    const step = this.#stepOf.get(job);
    if (step !== undefined)
      this.#context.effects.hurry(`collect ${step}`, this.#context.ports.nowMs());
  }
}
