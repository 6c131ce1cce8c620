// The isolates of processors and of steps of DAG jobs. Batches of one program may run in it side by side, each with its
// own module variables. Its realm is cut down to the language and a few pure functions. Unlike mappers, processors have
// the real clock, real random numbers and timers. The runner gives the timers, so that it knows a promise that nothing
// moves (timers.ts).
import {
  BATCH_CPU_MS,
  LOOP_GUARD_STEPS,
  PROCESS_CPU_MS,
  PROCESS_GUARD_STEPS,
  STEP_CPU_MS,
} from '../../shared/limits.ts';
import type {
  ExpressionCall,
  ExpressionOutcome,
  StepCall,
  StepHost,
  StepOutcome,
} from '../../shared/dag/step.ts';
import { guardCounted } from '../../shared/sandbox/guard.ts';
import type { ProcessHost } from '../../shared/sandbox/host.ts';
import { ALLOWED_GLOBALS } from '../../shared/sandbox/realm.ts';
import { PROGRAM_FILE } from '../../shared/sandbox/task-error.ts';
import type { BatchResult } from '../../shared/streaming/batch-run.ts';
import type { FireResult } from '../../shared/streaming/fire-run.ts';
import type { FoldResult } from '../../shared/streaming/fold-run.ts';
import type { BatchCall, FireCall, FoldCall, ProcessCall } from '../../shared/streaming/process.ts';
import type { CodeResult } from '../../shared/sandbox/load.ts';
import type { ProcessResult } from '../../shared/streaming/process-run.ts';
import { RUNTIME_SOURCE } from '../../shared/runtimes/streaming.generated.ts';
import type { Env } from '../platform/env.ts';
import { withDeadline } from './deadline.ts';
import { type Harness, type IsolateKind, openIsolate, type ProgramCode } from './isolate.edge.ts';
import { cutRealm } from './isolate-realm.ts';
import { meaningOf, ProgramLoadError } from './isolate-run.ts';

/** What the isolate's entrypoint offers; see MAIN below. The host crosses as an object of functions. */
export interface ProcessIsolate {
  process(call: ProcessCall, host: ProcessHost): Promise<ProcessResult>;
  batch(
    call: BatchCall,
    lines: ReadableStream<Uint8Array>,
    host: ProcessHost,
  ): Promise<BatchResult>;
  fold(call: FoldCall, host: ProcessHost): Promise<FoldResult>;
  fire(call: FireCall, host: ProcessHost): Promise<FireResult>;
  step(call: StepCall, json: StepJson, host: StepHost): Promise<CodeResult<StepOutcome>>;
  expressions(call: ExpressionCall, json: StepJson): Promise<ExpressionOutcome>;
}

/** `{"input": …, "steps": {…}}`; what is large comes as a stream, which ends with a newline. */
export type StepJson = string | ReadableStream<Uint8Array>;

/** `crypto` for ids, hashes and signatures; `performance` is coarse in isolates. Neither reaches the outside. */
const PROCESSOR_GLOBALS = [...ALLOWED_GLOBALS, 'crypto', 'performance'];

/**
 * Runs inside the isolate. Prototypes take no new properties: with an Object.prototype.then or an
 * Array.prototype[0] a program could hang or falsify what the runner hands back.
 */
const MAIN = `
import { WorkerEntrypoint } from 'cloudflare:workers';
import './runtime.js';
import factory from './${PROGRAM_FILE}';
const { runProcess, runBatch, runFold, runFire, runStep, runExpressions, timers } = globalThis.manyhandsProcessing;
const { Response } = globalThis;
const streamOf = (bytes) => new Response(bytes).body;
// A stream that ends without its last newline was cut off: the host knows why.
const wholeText = async (json) => {
  if (typeof json === 'string') return json;
  const text = await new Response(json).text();
  return text[text.length - 1] === '\\n' ? text : null;
};
${cutRealm(PROCESSOR_GLOBALS)}
Object.assign(globalThis, timers);
for (const { prototype } of [Object, Array, Promise, Function, Error]) Object.preventExtensions(prototype);
const setting = SETTING;
const CUT_OFF = { ok: false, error: { code: 'input_missing', message: 'the input was cut off' } };
export default class extends WorkerEntrypoint {
  process(call, host) {
    return runProcess({ ...setting, factory, call, host });
  }
  batch(call, lines, host) {
    return runBatch({ ...setting, factory, call, lines, host });
  }
  fold(call, host) {
    return runFold({ ...setting, factory, call, host });
  }
  fire(call, host) {
    return runFire({ ...setting, factory, call, host });
  }
  async step(call, input, host) {
    const json = await wholeText(input);
    // Awaited: a promise that is returned has its own then called, which the program may have replaced.
    return json === null ? CUT_OFF : await runStep({ ...setting, factory, call, json, host, streamOf });
  }
  async expressions(call, input) {
    const json = await wholeText(input);
    return json === null ? { results: [] } : runExpressions({ ...setting, factory, call, json });
  }
}
`;

const HARNESS: Harness = {
  main: MAIN,
  runtime: RUNTIME_SOURCE,
  globalName: 'manyhandsProcessing',
  guard: guardCounted,
};

/** Calls of the host: the platform's most. */
const subRequests = 10_000;

/** `process` also folds and fires: what a program's keys and its windows run is one isolate. */
const KINDS = {
  process: { cpuMs: PROCESS_CPU_MS, guardSteps: PROCESS_GUARD_STEPS },
  batch: { cpuMs: BATCH_CPU_MS, guardSteps: LOOP_GUARD_STEPS },
  step: { cpuMs: STEP_CPU_MS, guardSteps: LOOP_GUARD_STEPS },
} as const satisfies Record<string, Pick<IsolateKind, 'cpuMs' | 'guardSteps'>>;

/** One call into the isolate of a program. */
export interface IsolateCall<Answer, Result> {
  kind: keyof typeof KINDS;
  /** It has to answer within. */
  ms: number;
  call(isolate: ProcessIsolate): Promise<Answer>;
  /** Comes from where the program runs: throws what does not add up. */
  read(answer: Answer): Result;
}

/**
 * Throws ProgramUnreachableError; ProgramLoadError; IsolateCrashError when the program killed its isolate, answered
 * nothing in time or nonsense; and other errors for what is not the program's fault.
 */
export async function callIsolate<Answer, Result>(
  env: Pick<Env, 'LOADER' | 'BUCKET'>,
  code: ProgramCode,
  { kind: name, ms, call, read }: IsolateCall<Answer, Result>,
): Promise<Result> {
  const kind = { harness: HARNESS, name, subRequests, ...KINDS[name] };
  const { isolate, unreachable } = await openIsolate<ProcessIsolate>(env, code, kind);
  try {
    return read(await withDeadline(call(isolate), ms));
  } catch (error) {
    throw unreachable() ?? meaningOf(error);
  }
}

/** Throws ProgramLoadError. */
export function outcomeOf<Outcome>(result: CodeResult<Outcome>): Outcome {
  if (!result.ok) throw new ProgramLoadError(result.error);
  return result.outcome;
}
