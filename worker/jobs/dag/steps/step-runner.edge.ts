// Runs units of a step, and evaluates expressions, in isolates. What user code does wrong comes as a value. An isolate
// that dies takes all units of its call along, and it is unknown which of them it was: each is run again alone.
import type { StepOutcome, StepResult, StepUnit } from '../../../../shared/dag/step.ts';
import {
  PROCESS_GRACE_MS,
  PROCESS_TIMEOUT_MS,
  STEP_INLINE_MAX_BYTES,
  STEP_LOG_LINES_MAX,
  STEP_OUTPUT_MAX_BYTES,
} from '../../../../shared/limits.ts';
import type { Claim } from '../../../../shared/schemas/claim.ts';
import type { TaskError } from '../../../../shared/schemas/job.ts';
import { openHeldClaim } from '../../../claim-check/claims.edge.ts';
import { meterBucket } from '../../../platform/bindings.edge.ts';
import type { Env } from '../../../platform/env.ts';
import { ProblemError } from '../../../platform/problem.ts';
import { IsolateCrashError, notBelieved } from '../../../isolates/isolate-run.ts';
import { isCanceled, ProgramUnreachableError } from '../../../isolates/isolate.edge.ts';
import { callIsolate } from '../../../isolates/process-isolate.edge.ts';
import { stepHost } from './step-host.edge.ts';
import { inputError, StepInput } from './step-input.ts';
import type {
  EvaluateAnswer,
  EvaluateCall,
  ProgramRef,
  StepRunAnswer,
  StepRunCall,
  UnitResult,
} from '../../../contracts/step-runner.rpc.ts';

/** Rejects when it is no unit's fault: see StepRunnerRpc. */
export async function runUnits(
  env: Env,
  call: StepRunCall,
  now: () => number,
): Promise<StepRunAnswer> {
  const metered = meteredOf(env);
  const runner = new UnitRunner(metered.env, call, now);
  const results = await runner.run(call.units);
  const operations = { ...metered.counts, ...registered(runner.stored) };
  return { results, operations };
}

class UnitRunner {
  readonly #env: Env;
  readonly #call: StepRunCall;
  readonly #now: () => number;
  readonly #input: StepInput;
  /** Claims that were made. */
  stored = 0;

  constructor(env: Env, call: StepRunCall, now: () => number) {
    this.#env = env;
    this.#call = call;
    this.#now = now;
    this.#input = inputOf(env, call);
  }

  async run(units: readonly StepUnit[]): Promise<UnitResult[]> {
    const { input, needs } = this.#call;
    const tooMuch = inputError(input, needs);
    if (tooMuch) return units.map(() => failed(tooMuch));
    const results: UnitResult[] = [];
    while (results.length < units.length) {
      const left = units.slice(results.length);
      try {
        results.push(...(await this.#together(left)));
      } catch (error) {
        if (!(error instanceof IsolateCrashError)) throw error;
        if (left.length === 1) results.push(failed(error.error));
        else for (const unit of left) results.push(...(await this.run([unit])));
      }
    }
    return results;
  }

  /** The results of the first of them, at least of one. Throws IsolateCrashError, and failures of infrastructure. */
  async #together(units: StepUnit[]): Promise<UnitResult[]> {
    const { run, step, program, guard, services, timeoutMs } = this.#call;
    const { host, stored } = stepHost(this.#env, services, units.length, this.#now);
    try {
      return await callIsolate(this.#env, codeOf(program, guard), {
        kind: 'step',
        // Units begin within the first `timeoutMs`.
        ms: 2 * timeoutMs + PROCESS_GRACE_MS,
        call: (isolate) => isolate.step({ run, step, units, timeoutMs }, this.#input.open(), host),
        read: (result) => {
          if (this.#input.failure) throw this.#input.failure;
          if (!result.ok) return units.map(() => failed(result.error));
          return resultsOf(result.outcome, units, stored);
        },
      });
    } catch (error) {
      const known = callError(error, this.#input);
      return units.map(() => failed(known));
    } finally {
      this.stored += stored.length;
    }
  }
}

/** The expressions of a step. Rejects as above. */
export async function evaluateExpressions(env: Env, call: EvaluateCall): Promise<EvaluateAnswer> {
  const { program, guard, needs, names } = call;
  const { env: metered, counts } = meteredOf(env);
  const allFailed = (error: TaskError): EvaluateAnswer => ({
    results: names.map(() => ({ ok: false, error })),
    operations: { ...counts },
  });
  const tooMuch = inputError(call.input, needs);
  if (tooMuch) return allFailed(tooMuch);
  const input = inputOf(metered, call);
  try {
    const results = await callIsolate(metered, codeOf(program, guard), {
      kind: 'process',
      ms: PROCESS_TIMEOUT_MS + PROCESS_GRACE_MS,
      call: (isolate) => isolate.expressions({ names }, input.open()),
      read({ results: answered }) {
        if (input.failure) throw input.failure;
        const holds =
          answered.length === names.length &&
          answered.every((result) => !result.ok || isJson(result.json));
        if (!holds) throw notBelieved();
        return answered;
      },
    });
    return { results, operations: { ...counts } };
  } catch (error) {
    try {
      return allFailed(callError(error, input));
    } catch (crash) {
      if (crash instanceof IsolateCrashError) return allFailed(crash.error);
      throw crash;
    }
  }
}

/** What failed for all of a call alike. Throws IsolateCrashError when some unit's code did it, and what is not the step's fault. */
function callError(thrown: unknown, { failure }: StepInput): TaskError {
  if (thrown instanceof ProgramUnreachableError || !(thrown instanceof Error)) throw thrown;
  if (failure) {
    if (!(failure instanceof ProblemError)) throw failure;
    const message = `an output that it needs cannot be read: ${failure.message}`;
    return { code: 'input_missing', message };
  }
  const { message } = thrown;
  // The platform ended the call, not the code: the invocation that loaded the isolate died. So it is no crash of the code.
  if (isCanceled(thrown)) throw new Error(message);
  // The compiler took it, and V8 did not.
  if (/SyntaxError/.test(message)) return { code: 'bad_program', message };
  throw thrown;
}

function resultsOf(
  { results }: StepOutcome,
  units: readonly StepUnit[],
  stored: readonly Claim[],
): UnitResult[] {
  if (results.length < 1 || results.length > units.length) throw notBelieved();
  const taken = new Set<number>();
  return results.map((result) => {
    if (!isLog(result.log)) throw notBelieved();
    const claim = result.kind === 'stored' ? stored[result.stored] : undefined;
    if (result.kind === 'stored') {
      const isOwn = claim !== undefined && !taken.has(result.stored);
      if (!isOwn || (result.json && claim.bytes > STEP_OUTPUT_MAX_BYTES)) throw notBelieved();
      taken.add(result.stored);
    }
    return resultOf(result, claim);
  });
}

function resultOf(result: StepResult, claim: Claim | undefined): UnitResult {
  const { log } = result;
  if (result.kind === 'failed') return { kind: 'failed', error: result.error, log };
  if (result.kind === 'stored' && claim) {
    return { kind: 'done', output: { kind: 'claim', claim, json: result.json }, log };
  }
  if (result.kind !== 'json' || !isJson(result.json, STEP_INLINE_MAX_BYTES)) throw notBelieved();
  return { kind: 'done', output: { kind: 'json', json: result.json }, log };
}

const isLog = (log: unknown): boolean =>
  Array.isArray(log) &&
  log.length <= STEP_LOG_LINES_MAX &&
  log.every((line) => typeof line === 'string');

/** It will stand within other JSON. */
function isJson(text: unknown, maxChars = Infinity): boolean {
  if (typeof text !== 'string' || text.length > maxChars) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const failed = (error: TaskError): UnitResult => ({ kind: 'failed', error, log: [] });

const codeOf = ({ key, hash }: ProgramRef, guard: boolean) => ({
  programKey: key,
  programHash: hash,
  guard,
});

const inputOf = (env: Env, { input, needs }: Pick<StepRunCall, 'input' | 'needs'>): StepInput =>
  new StepInput(input, needs, (claim) => openHeldClaim(env, claim));

export function meteredOf(env: Env) {
  const counts = { r2Read: 0, r2Write: 0 };
  return { env: { ...env, BUCKET: meterBucket(env.BUCKET, counts) }, counts };
}

/** A row and its place in the index. */
export const registered = (claims: number): Record<string, number> =>
  claims > 0 ? { durableObjectRequest: claims, rowWritten: 2 * claims } : {};
