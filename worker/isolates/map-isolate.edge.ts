// User code at the edge: Worker Loader isolates without network, one for each program. The id is a hash of
// all the code in it, since the platform takes the same id for the same code; what a task needs comes with
// the call. Only plain values, bytes and streams cross.
import { EDGE_CPU_MS, LOOP_GUARD_STEPS } from '../../shared/limits.ts';
import { guardProgram } from '../../shared/sandbox/guard.ts';
import { MODULE_HEAD } from '../../shared/sandbox/program-text.ts';
import { ALLOWED_GLOBALS } from '../../shared/sandbox/realm.ts';
import { RUNTIME_SOURCE } from '../../shared/runtimes/mapreduce.generated.ts';
import type { Json } from '../../shared/schemas/common.ts';
import type { MapFailure, MapOutcome, MapPlan, MapTask } from '../../shared/mapreduce/task.ts';
import type { ReduceOutcome } from '../../shared/mapreduce/reduce-run.ts';
import { PROGRAM_FILE } from '../../shared/sandbox/task-error.ts';
import { COMPATIBILITY_DATE, cutRealm, originOf } from './isolate-realm.ts';
import { sha256Hex } from '../platform/sha256.ts';

/** What the isolate's entrypoint offers; see MAIN below. */
export interface ProgramIsolate {
  map(
    plan: MapPlan,
    task: MapTask,
    input: ReadableStream<Uint8Array> | null,
    inputBytes: number,
  ): Promise<
    | { result: Omit<MapOutcome, 'spill'>; spill: ReadableStream<Uint8Array>; spillBytes: number }
    | { result: MapFailure }
  >;
  /** Framed records in, NDJSON out; `outcome` settles when the output has ended. */
  reduce(
    call: { programHash: string; partition: number; params: Json; nowMs: number },
    input: ReadableStream<Uint8Array>,
    output: WritableStream<Uint8Array>,
  ): Promise<ReduceOutcome>;
}

/** Runs inside the isolate. The realm is cut down, and its clock fixed, before the program is called. */
const MAIN = `
import { WorkerEntrypoint } from 'cloudflare:workers';
import './runtime.js';
import factory from './${PROGRAM_FILE}';
const { runMap, runReduce } = globalThis.manyhandsRuntime;
const { Response, TextEncoder } = globalThis;
${cutRealm(ALLOWED_GLOBALS)}
globalThis.performance = { now: () => 0, timeOrigin: 0 };
const origin = ORIGIN;
// Runs share the realm's clock and random numbers: one at a time, also where user code awaits.
let turn = Promise.resolve();
const inTurn = (run) => {
  const result = turn.then(run);
  turn = result.catch(() => {});
  return result;
};
export default class extends WorkerEntrypoint {
  async map(plan, task, input, inputBytes) {
    let bytes = null;
    if (input) {
      bytes = new Uint8Array(inputBytes);
      let at = 0;
      for await (const chunk of input) {
        bytes.set(chunk, at);
        at += chunk.length;
      }
      if (at !== inputBytes) throw new Error('the input ended after ' + at + ' of ' + inputBytes + ' bytes');
    }
    const run = () => runMap({ factory, plan, task, input: bytes, origin, realm: globalThis });
    const { spill, ...result } = await inTurn(run);
    if (!result.ok) return { result };
    return { result, spill: new Response(spill).body, spillBytes: spill.length };
  }
  async reduce(call, input, output) {
    const writer = output.getWriter();
    const encoder = new TextEncoder();
    const write = (text) => writer.write(encoder.encode(text));
    const run = () => runReduce({ ...call, factory, origin, realm: globalThis, input, write });
    const outcome = await inTurn(run);
    // Closed in either case: an abort would not reach the other side, whose reader would wait for ever.
    await writer.close();
    return outcome;
  }
}
`;

const GUARD_STEPS_LABEL = `guard-${LOOP_GUARD_STEPS}`;
let runtimeHash: string | null = null;

export interface ProgramCode {
  text: string;
  hash: string;
  /** Local mode: no CPU limit is enforced there, so loops are counted. */
  guard: boolean;
}

/** The isolate of a program; `loadText` is called only when it is not loaded yet. */
export async function programIsolate(
  loader: WorkerLoader,
  program: { hash: string; guard: boolean },
  loadText: () => Promise<string>,
): Promise<ProgramIsolate> {
  runtimeHash ??= (await sha256Hex(RUNTIME_SOURCE + MAIN)).slice(0, 16);
  const id = `${program.hash}/${runtimeHash}/${program.guard ? GUARD_STEPS_LABEL : 'free'}`;
  const stub = loader.get(id, async () => {
    const text = await loadText();
    const guarded = program.guard ? guardProgram(text, LOOP_GUARD_STEPS) : text;
    return {
      compatibilityDate: COMPATIBILITY_DATE,
      mainModule: 'main.js',
      modules: {
        'main.js': MAIN.replace('ORIGIN', JSON.stringify(originOf(text, guarded))),
        'runtime.js': `${RUNTIME_SOURCE}\nglobalThis.manyhandsRuntime = manyhandsRuntime;`,
        [PROGRAM_FILE]: `${MODULE_HEAD}${guarded}`,
      },
      env: {},
      globalOutbound: null,
      limits: { cpuMs: EDGE_CPU_MS, subRequests: 0 },
    };
  });
  return stub.getEntrypoint() as unknown as ProgramIsolate;
}
