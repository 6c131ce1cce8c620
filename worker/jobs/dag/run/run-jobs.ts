// The MapReduce jobs that do the work of volunteer and mapreduce steps: submitted once an attempt, asked after until they
// end, cancelled when nobody wants them any more. Which there are is stored, so that none is left behind.
import {
  STEP_JOB_POLL_MAX_MS,
  STEP_JOB_POLL_MIN_MS,
  STEP_LOST_MAX,
} from '../../../../shared/limits.ts';
import type { TaskError } from '../../../../shared/schemas/job.ts';
import type { StepJobState, StepJobSubmitted } from '../../../contracts/job-steps.rpc.ts';
import type { Command } from './machine.ts';
import type { RunDesk } from './run-coordinator.ts';
import type { Output } from '../../../contracts/run.rpc.ts';
import { inputError } from '../steps/step-input.ts';

/** How far the job of a step is. */
export interface JobProgress {
  reason: string;
  done: number;
  count: number;
}

export class RunJobs {
  readonly #desk: RunDesk;
  readonly #stepOf = new Map<string, string>();
  readonly #progress = new Map<string, JobProgress>();
  /** When the newest attempt of a step began. */
  readonly #startedMs = new Map<string, number>();

  constructor(desk: RunDesk) {
    this.#desk = desk;
  }

  progressOf(step: string): JobProgress | null {
    return this.#progress.get(step) ?? null;
  }

  /** Jobs that go on are followed, others are cancelled. */
  takeUp(): void {
    const { store, record, ports } = this.#desk;
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
      this.#desk.store.saveSubmitting(command.step, command.attempt);
    }
  }

  submit(step: string, attempt: number, nowMs: number): void {
    this.#startedMs.set(step, nowMs);
    this.#desk.chores.add(`submit ${step} ${attempt}`, nowMs, (failures) =>
      this.#submit(step, attempt, failures),
    );
  }

  async #submit(step: string, attempt: number, failures: number): Promise<null> {
    const desk = this.#desk;
    if (!this.#isNewest(step, attempt)) return this.#retract(step, attempt);
    if (desk.record.steps[step]?.job !== null) return null;
    const needs = desk.needsOf(step);
    const tooMuch = inputError(desk.input, needs);
    let answer: StepJobSubmitted;
    try {
      if (tooMuch) answer = { kind: 'failed', error: tooMuch, operations: {} };
      else answer = await this.#ask(step, attempt);
    } catch (error) {
      if (failures + 1 < STEP_LOST_MAX) throw error;
      const message = error instanceof Error ? error.message : String(error);
      answer = { kind: 'failed', error: { code: 'internal', message }, operations: {} };
    }
    if (desk.closed) {
      // The run was deleted meanwhile, and knew nothing of it.
      if (desk.forgotten && answer.kind === 'submitted') {
        await desk.ports.jobs.forgetStepJob(answer.job);
      }
      return null;
    }
    desk.turn((nowMs) => {
      desk.count({ workerRequest: 1 });
      desk.count(answer.operations);
      desk.store.deleteSubmitting(step, attempt);
      if (answer.kind === 'failed') return this.#fail(step, attempt, answer.error, [], nowMs);
      this.#stepOf.set(answer.job, step);
      desk.store.saveJob({ job: answer.job, step, open: true });
      desk.machine.submitted(step, attempt, answer.job);
    });
    if (answer.kind === 'submitted' && this.#isOf(step, answer.job)) this.#follow(step, answer.job);
    return null;
  }

  /** Nobody wants it any more, and nobody knows whether there is one. */
  async #retract(step: string, attempt: number): Promise<null> {
    const { ports, run, store } = this.#desk;
    await ports.jobs.cancelStepJob(await ports.jobId(run, step, attempt));
    if (!this.#desk.closed) store.transaction(() => store.deleteSubmitting(step, attempt));
    return null;
  }

  #ask(step: string, attempt: number): Promise<StepJobSubmitted> {
    const { submitted, run, input, record, ports } = this.#desk;
    const definition = submitted.spec.steps[step];
    const call = { run, runName: submitted.spec.name, step, attempt };
    if (definition?.run === 'mapreduce') {
      return ports.jobs.submitMapReduceStep({ ...call, spec: definition });
    }
    if (definition?.run !== 'volunteer') throw new Error(`${run}/${step} has no job`);
    const items = record.steps[step]?.items?.map(({ json }) => json) ?? null;
    const needs = this.#desk.needsOf(step);
    return ports.jobs.submitVolunteerStep({ ...call, spec: definition, input, needs, items });
  }

  #isNewest(step: string, attempt: number): boolean {
    const record = this.#desk.record.steps[step];
    return record?.state === 'running' && record.attempt === attempt;
  }

  #isOf(step: string, job: string): boolean {
    const { closed, record } = this.#desk;
    return !closed && record.steps[step]?.state === 'running' && record.steps[step].job === job;
  }

  #follow(step: string, job: string): void {
    const { chores, ports } = this.#desk;
    let pollMs = STEP_JOB_POLL_MIN_MS;
    chores.add(`collect ${step}`, ports.nowMs() + pollMs, async () => {
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
    const { ports, submitted } = this.#desk;
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
      const tooMuch = this.#desk.held.problemWith(outputs);
      if (tooMuch) return { kind: 'failed', error: tooMuch };
    }
    return { kind: 'done', outputs, next: null, log, operations };
  }

  #ended(step: string, job: string, came: Exclude<StepJobState, { kind: 'running' }>): void {
    const desk = this.#desk;
    const attempt = desk.record.steps[step]?.attempt ?? 0;
    desk.turn((nowMs) => {
      desk.count({ workerRequest: 1 });
      desk.store.saveJob({ job, step, open: false });
      if (came.kind === 'failed') return this.#fail(step, attempt, came.error, [], nowMs);
      const { outputs, log, operations } = came;
      desk.count(operations);
      const tooMuch = desk.held.problemWith(outputs);
      if (tooMuch) return this.#fail(step, attempt, tooMuch, log, nowMs);
      if (!desk.machine.jobDone(step, attempt, outputs, nowMs)) return;
      desk.held.keepOutputs(outputs);
      this.#note(step, attempt, null, log, nowMs);
    });
    this.#progress.delete(step);
  }

  #fail(step: string, attempt: number, error: TaskError, log: string[], nowMs: number): void {
    const { machine, journal, record } = this.#desk;
    const unit = { step, item: null };
    if (!machine.failed(unit, attempt, error, nowMs)) return;
    journal.failed(unit, attempt, error, record.steps[step]?.state === 'ready');
    this.#note(step, attempt, error, log, nowMs);
  }

  #note(
    step: string,
    attempt: number,
    error: TaskError | null,
    log: string[],
    nowMs: number,
  ): void {
    const { journal, record } = this.#desk;
    const startedAtMs = this.#startedMs.get(step) ?? record.steps[step]?.startedAtMs ?? nowMs;
    const ended = { item: null, attempt, startedAtMs, finishedAtMs: nowMs, error, log };
    journal.attempt(step, ended);
  }

  cancel(job: string, nowMs: number): void {
    const desk = this.#desk;
    const step = this.#stepOf.get(job) ?? '';
    desk.chores.add(`cancel ${job}`, nowMs, async () => {
      await desk.ports.jobs.cancelStepJob(job);
      if (!desk.closed)
        desk.store.transaction(() => desk.store.saveJob({ job, step, open: false }));
      return null;
    });
  }

  /** It has ended: look at once. */
  hurry(job: string): void {
    const step = this.#stepOf.get(job);
    if (step !== undefined) this.#desk.chores.hurry(`collect ${step}`, this.#desk.ports.nowMs());
  }
}
