// Isolates of MapReduce programs. Their clock stands still and their random numbers are seeded, as in a volunteer's
// sandbox: two honest attempts give the same digest. Only plain values, bytes and streams cross.
import { EDGE_CPU_MS, LOOP_GUARD_STEPS } from '../../shared/limits.ts';
import { guardProgram } from '../../shared/sandbox/guard.ts';
import { ALLOWED_GLOBALS } from '../../shared/sandbox/realm.ts';
import { RUNTIME_SOURCE } from '../../shared/runtimes/mapreduce.generated.ts';
import type { Json } from '../../shared/schemas/common.ts';
import type { MapFailure, MapOutcome, MapPlan, MapTask } from '../../shared/mapreduce/task.ts';
import type { ReduceOutcome } from '../../shared/mapreduce/reduce-run.ts';
import { PROGRAM_FILE } from '../../shared/sandbox/task-error.ts';
import { type IsolateKind, openIsolate, type ProgramCode } from './isolate.edge.ts';
import { cutRealm } from './isolate-realm.ts';
import type { Env } from '../platform/env.ts';

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
const { origin } = SETTING;
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

const MAP: IsolateKind = {
  harness: {
    main: MAIN,
    runtime: RUNTIME_SOURCE,
    globalName: 'manyhandsRuntime',
    guard: guardProgram,
  },
  name: 'map',
  cpuMs: EDGE_CPU_MS,
  subRequests: 0,
  guardSteps: LOOP_GUARD_STEPS,
};

/** In an object: a stub must not be taken for a promise. */
export const programIsolate = (
  env: Pick<Env, 'LOADER' | 'BUCKET'>,
  program: ProgramCode,
): Promise<{ isolate: ProgramIsolate }> => openIsolate<ProgramIsolate>(env, program, MAP);
