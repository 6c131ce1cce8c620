// Code of a run at the edge: expressions are evaluated and units are run in calls of the StepRunner, and what comes back
// is taken note of. What comes too late, or after the run was read anew, is ignored.
import { messageOf } from '../../../../shared/message-of.ts';
import { backoffMs } from '../../../../shared/backoff.ts';
import type { ExpressionOutcome } from '../../../../shared/dag/step.ts';
import {
  STEP_LOST_MAX,
  STEP_LOST_PAUSE_MAX_MS,
  STEP_LOST_PAUSE_MS,
} from '../../../../shared/limits.ts';
import type { StepState } from '../../../../shared/schemas/dag.ts';
import type { TaskError } from '../../../../shared/schemas/job.ts';
import type { Evaluated } from './machine.ts';
import type { Calls, RunningCall, UnitCall } from './run-calls.ts';
import type { RunContext } from './run-context.ts';
import type { RunHeld } from './run-held.ts';
import type { Output, Unit } from '../../../contracts/run.rpc.ts';
import { inputError } from '../steps/step-input.ts';
import type { StepRunAnswer, StepRunCall, UnitResult } from '../../../contracts/step-runner.rpc.ts';

const LOST_PAUSE = { baseMs: STEP_LOST_PAUSE_MS, maxMs: STEP_LOST_PAUSE_MAX_MS };

const KINDS = ['when', 'forEach', 'key'] as const;
type Kind = (typeof KINDS)[number];

export class RunCode {
  readonly #context: RunContext;
  readonly #held: RunHeld;
  readonly #calls: Calls;

  constructor(context: RunContext, held: RunHeld, calls: Calls) {
    this.#context = context;
    this.#held = held;
    this.#calls = calls;
  }

  // --- Expressions ----------------------------------------------------------------------------------

  async evaluate(step: string, failures: number): Promise<null> {
    const { spec, expressions: program, guard } = this.#context.submitted;
    const definition = spec.steps[step];
    if (!definition || !program) throw new Error(`no expressions of ${step}`);
    const kinds = KINDS.filter(
      (kind) => kind in definition && definition[kind as 'when'] !== undefined,
    );
    const needs = this.#context.needsOf(step);
    const tooMuch = inputError(this.#context.input, needs);
    if (tooMuch) {
      this.#notEvaluated(step, tooMuch);
      return null;
    }
    let answer;
    try {
      const names = kinds.map((kind) => `${step}.${kind}`);
      answer = await this.#context.ports.runner.evaluate({
        program,
        guard,
        input: this.#context.input,
        needs,
        names,
      });
    } catch (error) {
      if (failures + 1 < STEP_LOST_MAX) throw error;
      this.#notEvaluated(step, { code: 'internal', message: messageOf(error) });
      return null;
    }
    if (this.#context.closed) return null;
    this.#context.turn((nowMs) => {
      this.#context.count({ workerRequest: 1, ...answer.operations });
      const read = evaluatedOf(kinds, answer.results);
      if (!read.ok) return this.#context.machine.notEvaluated(step, read.error, nowMs);
      const { items } = read.evaluated;
      const chars = items?.reduce((sum, { length }) => sum + length, 0) ?? 0;
      const tooMany = this.#held.problemOf(chars);
      if (tooMany) return this.#context.machine.notEvaluated(step, tooMany, nowMs);
      this.#context.machine.evaluated(step, read.evaluated, nowMs);
      if (!items || !this.#context.record.steps[step]?.items) return;
      this.#held.keep(chars);
      this.#context.work.newItems(step);
    });
    return null;
  }

  #notEvaluated(step: string, error: TaskError): void {
    if (!this.#context.closed)
      this.#context.turn((nowMs) => this.#context.machine.notEvaluated(step, error, nowMs));
  }

  // --- Code at the edge -------------------------------------------------------------------------------

  timeoutMs(step: string): number {
    const definition = this.#context.submitted.spec.steps[step];
    return definition && 'timeoutMs' in definition ? definition.timeoutMs : 0;
  }

  async run(call: RunningCall): Promise<void> {
    let answer: StepRunAnswer | null = null;
    let why = 'it answered something else';
    // The caller is in the middle of a turn.
    await Promise.resolve();
    if (this.#context.closed) return;
    const request = this.#request(call);
    try {
      if ('code' in request) answer = allFailed(call, request);
      else answer = await this.#context.ports.runner.run(request, () => call.stopped);
      if (answer.results.length !== call.attempts.length) answer = null;
    } catch (error) {
      why = messageOf(error);
    }
    if (this.#context.closed || !this.#calls.ended(call)) return;
    if (!answer) console.error(`attempts at ${this.#context.id}/${call.step} were lost: ${why}`);
    try {
      this.#context.turn((nowMs) => {
        this.#context.count({ workerRequest: 1 });
        if (answer) this.#answered(call, answer, nowMs);
        else this.lost(call, why, nowMs);
      });
    } catch (error) {
      console.error(`what ${this.#context.id}/${call.step} came to was not stored`, error);
    }
  }

  #request({ step, attempts }: UnitCall): StepRunCall | TaskError {
    const { spec, programs, guard, job: run } = this.#context.submitted;
    const definition = spec.steps[step];
    const program = programs[step];
    if (definition?.run !== 'edge' || !program) throw new Error(`${run}/${step} has no program`);
    const needs = this.#context.needsOf(step);
    const tooMuch = inputError(this.#context.input, needs);
    if (tooMuch) return tooMuch;
    const items = this.#context.record.steps[step]?.items;
    const { services, timeoutMs } = definition;
    const units = attempts.map(({ unit: { item }, attempt }) => ({
      item,
      itemJson: item === null ? null : (items?.[item]?.json ?? null),
      attempt,
    }));
    return {
      run,
      step,
      program,
      guard,
      services,
      input: this.#context.input,
      needs,
      units,
      timeoutMs,
    };
  }

  #answered(call: RunningCall, { results, operations }: StepRunAnswer, nowMs: number): void {
    this.#context.count(operations);
    for (const [i, { unit, attempt }] of call.attempts.entries()) {
      const result = results[i] as UnitResult;
      const { log } = result;
      const tooMuch = result.kind === 'done' && this.#held.problemWith([result.output]);
      const came = tooMuch ? { kind: 'failed' as const, error: tooMuch } : result;
      const counts =
        came.kind === 'done'
          ? this.#succeeded(unit, attempt, came.output, nowMs)
          : this.#failed(unit, attempt, came.error, nowMs);
      if (!counts) continue;
      const error = came.kind === 'failed' ? came.error : null;
      const { startedAtMs } = call;
      const { item } = unit;
      const ended = { item, attempt, startedAtMs, finishedAtMs: nowMs, error, log };
      this.#context.work.attempt(unit.step, ended);
    }
  }

  /** The claim of an attempt that does not count is held by no run: the claims collect it. */
  #succeeded(unit: Unit, attempt: number, output: Output, nowMs: number): boolean {
    if (!this.#context.machine.succeeded(unit, attempt, output, nowMs)) return false;
    this.#held.keepOutputs([output]);
    this.#context.work.touch(unit);
    if (unit.item !== null) this.#context.work.itemDone(unit.step, unit.item);
    return true;
  }

  #failed(unit: Unit, attempt: number, error: TaskError, nowMs: number): boolean {
    if (!this.#context.machine.failed(unit, attempt, error, nowMs)) return false;
    this.#context.work.touch(unit);
    this.#context.work.failed(unit, attempt, error, this.#stateOf(unit) === 'ready');
    return true;
  }

  /** Within a turn: the run does not know what became of them. */
  lost({ attempts, startedAtMs }: RunningCall, why: string, nowMs: number): void {
    for (const { unit, attempt } of attempts) {
      const { step, item } = unit;
      const losses = this.#unitOf(unit)?.lost ?? 0;
      const pauseMs = backoffMs(LOST_PAUSE, losses, this.#context.ports.random());
      if (!this.#context.machine.lost(unit, attempt, nowMs, pauseMs, why)) continue;
      const error: TaskError = { code: 'returned', message: `its end is unknown: ${why}` };
      this.#context.work.touch(unit);
      this.#context.work.failed(unit, attempt, error, this.#stateOf(unit) === 'ready');
      const ended = { item, attempt, startedAtMs, finishedAtMs: nowMs, error, log: [] };
      this.#context.work.attempt(step, ended);
    }
  }

  #unitOf({ step, item }: Unit) {
    const record = this.#context.record.steps[step];
    return item === null ? record : record?.items?.[item]?.unit;
  }

  #stateOf(unit: Unit): StepState | undefined {
    return this.#unitOf(unit)?.state;
  }
}

function allFailed({ attempts }: UnitCall, error: TaskError): StepRunAnswer {
  return { results: attempts.map(() => ({ kind: 'failed', error, log: [] })), operations: {} };
}

type Read = { ok: true; evaluated: Evaluated } | { ok: false; error: TaskError };

/** A condition that is false settles it: what the others come to is not asked then. */
function evaluatedOf(kinds: readonly Kind[], results: ExpressionOutcome['results']): Read {
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
