// The isolates of processors and of steps of DAG jobs: Worker Loader, one for each program, without network or bindings.
// Batches of one program may run in it side by side, each with its own module variables. Its realm is cut down to the
// language and a few pure functions; unlike mappers, processors have the real clock and real random numbers. There are no
// timers: waiting is the consumer's business (retry, back-off), and so a promise that nothing moves is known to
// be lost.
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
import { MODULE_HEAD } from '../../shared/sandbox/program-text.ts';
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
import { COMPATIBILITY_DATE, cutRealm, originOf } from './isolate-realm.ts';
import { sha256Hex } from '../platform/sha256.ts';

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

/** `process` also folds and fires: what a program's keys and its windows run is one isolate. */
export type IsolateKind = 'process' | 'batch' | 'step';

/** CPU time of one call, and in local mode what the loop guard allows for one event or step, or between two of a window. */
const KINDS = {
  process: { cpuMs: PROCESS_CPU_MS, guardSteps: PROCESS_GUARD_STEPS },
  batch: { cpuMs: BATCH_CPU_MS, guardSteps: LOOP_GUARD_STEPS },
  step: { cpuMs: STEP_CPU_MS, guardSteps: LOOP_GUARD_STEPS },
} as const satisfies Record<IsolateKind, { cpuMs: number; guardSteps: number }>;

/** Calls of the host count as subrequests; the platform's most. */
const SUBREQUESTS = 10_000;

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
const { runProcess, runBatch, runFold, runFire, runStep, runExpressions } = globalThis.manyhandsProcessing;
const { Response } = globalThis;
const streamOf = (bytes) => new Response(bytes).body;
// A stream that ends without its last newline was cut off: the host knows why.
const wholeText = async (json) => {
  if (typeof json === 'string') return json;
  const text = await new Response(json).text();
  return text[text.length - 1] === '\\n' ? text : null;
};
${cutRealm(PROCESSOR_GLOBALS)}
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

export interface ProcessorCode {
  programKey: string;
  programHash: string;
  /** Local mode: no CPU limit is enforced there, so loops are counted. */
  guard: boolean;
}

/** The text of a program could not be had: nothing is known of the program itself. */
export class ProgramUnreachableError extends Error {}

let runtimeHash: string | null = null;

/** The isolate of a program. Calls of it may reject with `unreachable()`'s error when that is not null. */
export async function processIsolate(
  env: Pick<Env, 'LOADER' | 'BUCKET'>,
  { programKey, programHash, guard }: ProcessorCode,
  kind: IsolateKind,
): Promise<{ isolate: ProcessIsolate; unreachable: () => ProgramUnreachableError | null }> {
  runtimeHash ??= (await sha256Hex(RUNTIME_SOURCE + MAIN)).slice(0, 16);
  const { cpuMs, guardSteps } = KINDS[kind];
  const guardLabel = guard ? `guard-${guardSteps}` : 'free';
  const name = `${programHash}/${runtimeHash}/${kind}-${cpuMs}/${guardLabel}`;
  const id = `${name}/${spoilt.get(name) ?? 0}`;
  let failure: ProgramUnreachableError | null = null;
  const stub = env.LOADER.get(id, async () => {
    const text = await programText(env.BUCKET, programKey).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      throw (failure = new ProgramUnreachableError(`the program cannot be read: ${reason}`));
    });
    const guarded = guard ? guardCounted(text) : text;
    const setting = { origin: originOf(text, guarded), guardSteps: guard ? guardSteps : null };
    return {
      compatibilityDate: COMPATIBILITY_DATE,
      mainModule: 'main.js',
      modules: {
        'main.js': MAIN.replace('SETTING', JSON.stringify(setting)),
        'runtime.js': `${RUNTIME_SOURCE}\nglobalThis.manyhandsProcessing = manyhandsProcessing;`,
        [PROGRAM_FILE]: `${MODULE_HEAD}${guarded}`,
      },
      env: {},
      globalOutbound: null,
      limits: { cpuMs, subRequests: SUBREQUESTS },
    };
  });
  const isolate = watched(stub.getEntrypoint() as unknown as ProcessIsolate, name);
  return { isolate, unreachable: () => failure };
}

/**
 * How many isolates of a program can never be called again: if whoever loads one dies meanwhile, the platform cancels
 * whatever is called in it, for good. Then the program is loaded under another name.
 */
const spoilt = new Map<string, number>();
const SPOILT_KEPT = 1_000;

/** What the platform says when it ends a call. */
export const CANCELED = /execution context .*canceled/i;

function watched(isolate: ProcessIsolate, name: string): ProcessIsolate {
  const loaded = spoilt.get(name) ?? 0;
  const look = (error: unknown) => {
    if (!(error instanceof Error) || !CANCELED.test(error.message)) return;
    if (spoilt.size >= SPOILT_KEPT) spoilt.clear();
    // Several calls may find out at once.
    if ((spoilt.get(name) ?? 0) === loaded) spoilt.set(name, loaded + 1);
  };
  type Call = (...args: unknown[]) => Promise<unknown>;
  return new Proxy(isolate, {
    get:
      (target, method) =>
      (...args: unknown[]) => {
        const answer = (Reflect.get(target, method) as Call)(...args);
        answer.catch(look);
        return answer;
      },
  });
}

async function programText(bucket: R2Bucket, key: string): Promise<string> {
  const object = await bucket.get(key);
  if (!object) throw new Error(`there is no ${key}`);
  return object.text();
}
