// Runs units of one step through `export default (input, ctx)`, side by side. What they return leaves the isolate as
// they end: small JSON in the outcome, everything else through the host.
import {
  OUTPUT_BATCH_MAX_BYTES,
  PROCESS_QUIET_MS,
  STEP_COPIES_MAX_CHARS,
  STEP_INLINE_MAX_BYTES,
  STEP_LOG_LINES_MAX,
  STEP_UNITS_TOGETHER,
} from '../limits.ts';
import { SideOutput } from '../sandbox/side-output.ts';
import { utf8Length } from '../sandbox/strict-json.ts';
import { type ProgramOrigin, TaskFailure } from '../sandbox/task-error.ts';
import type { HostCalls } from '../sandbox/host-calls.ts';
import {
  apply,
  isThenable,
  parse,
  RealPromise,
  RealTextEncoder,
  whenSettled,
} from '../sandbox/intrinsics.ts';
import {
  type CodeResult,
  type ProcessorFactory,
  type UserFunction,
  withFunctions,
} from '../sandbox/load.ts';
import { UserCalls } from '../sandbox/user-calls.ts';
import type { Slot } from '../sandbox/slot.ts';
import type { StepCount } from '../sandbox/step-count.ts';
import type { Work } from '../sandbox/work.ts';
import { guardStepsOf } from './steps-seen.ts';
import { readReturn, type StepReturn } from './step-output.ts';
import type { StepCall, StepHost, StepOutcome, StepResult, StepUnit } from './step.ts';

export interface StepRun {
  factory: ProcessorFactory;
  call: StepCall;
  /** `{"input": …, "steps": {…}}` */
  json: string;
  host: StepHost;
  origin: ProgramOrigin;
  /** Steps of the loop guard that one unit may take; null when the program is not guarded. */
  guardSteps: number | null;
  /** The platform's stream of these bytes. */
  streamOf: (bytes: Uint8Array) => unknown;
  quietMs?: number;
}

/** Rejects only when `json` is none. */
export const runStep = (run: StepRun): Promise<CodeResult<StepOutcome>> =>
  withFunctions({ ...run, guards: 'step' }, ['default'], (functions, steps) =>
    outcomeOf(run, steps, functions.default),
  );

export interface StepContext {
  run: string;
  step: string;
  /** Counts from 1. */
  attempt: number;
  /** Which item of a `forEach`, from 0; null without. */
  item: number | null;
  call: (service: string, key: string) => Promise<unknown>;
  /** The bytes of a claim. */
  payload: (claim: unknown) => Promise<unknown>;
  log: (...values: unknown[]) => void;
}

interface OneUnit {
  unit: StepUnit;
  side: SideOutput;
  kept: Kept | null;
}

type Kept = { json: string } | { stored: number; isJson: boolean };

async function outcomeOf(run: StepRun, steps: StepCount, main: UserFunction): Promise<StepOutcome> {
  const { call, json } = run;
  const work: Work<OneUnit> = {
    name: 'the step',
    count: call.units.length,
    open: (order) => ({
      unit: call.units[order] as StepUnit,
      side: new SideOutput(STEP_LOG_LINES_MAX),
      kept: null,
    }),
    call(slot) {
      const { unit } = slot.own;
      // Parsed anew for each: quicker than a structured clone of what was parsed once.
      const given = parse(json) as Record<string, unknown>;
      guardStepsOf(given, run.call.step);
      if (unit.itemJson !== null) given.item = parse(unit.itemJson) as unknown;
      const { calls } = units.source;
      const returned = apply(main, undefined, [given, contextFor(call, slot, calls)]);
      if (!isThenable(returned)) return keep(run, slot, calls, returned);
      return new RealPromise((resolve, reject) => {
        const goOn = (value: unknown) => {
          try {
            const kept = keep(run, slot, calls, value);
            if (isThenable(kept)) whenSettled(kept, resolve, reject);
            else resolve(kept);
          } catch (error) {
            reject(error as Error);
          }
        };
        whenSettled(returned, goOn, reject);
      });
    },
    take(slot, kept) {
      slot.own.kept = kept as Kept;
    },
  };
  const bounds = {
    inFlight: sideBySideFor(json.length),
    // What has not begun by then has its time in another call.
    startMs: call.timeoutMs,
    timeoutMs: call.timeoutMs,
    quietMs: run.quietMs ?? PROCESS_QUIET_MS,
    outputMaxBytes: OUTPUT_BATCH_MAX_BYTES,
  };
  const setting = { ...run, host: bytesOnly(run.host), call: NOTHING_MORE, bounds };
  const units = new UserCalls<OneUnit>(setting, steps, work);
  await units.run();
  await units.stopEndless();
  const results: StepResult[] = [];
  for (let i = 0; i < units.end; i++) results[i] = resultOf(units.slots[i] as Slot<OneUnit>);
  return { results };
}

/** What calls of processors carry besides; steps get none of it. */
const NOTHING_MORE = { params: null, attempt: 1, version: 1 };

export function sideBySideFor(inputChars: number): number {
  const copies = (STEP_COPIES_MAX_CHARS / (inputChars + 1)) | 0;
  return copies < 1 ? 1 : copies > STEP_UNITS_TOGETHER ? STEP_UNITS_TOGETHER : copies;
}

const contextFor = (
  { run, step }: StepCall,
  slot: Slot<OneUnit>,
  calls: HostCalls,
): StepContext => ({
  run,
  step,
  attempt: slot.own.unit.attempt,
  item: slot.own.unit.item,
  call: (service, key) => calls.call(slot, service, key),
  payload: (claim) => calls.payload(slot, hasToken(claim) ? { claim } : claim),
  log: slot.own.side.log,
});

/** An event is taken as well: a step that waited for one gives it to others. */
const hasToken = (claim: unknown): boolean =>
  typeof claim === 'object' &&
  claim !== null &&
  typeof (claim as { token?: unknown }).token === 'string';

/** Whatever the claim's content type says: it is known which outputs are JSON, and they come as such. */
const bytesOnly = (host: StepHost): StepHost => ({
  call: (service, key) => host.call(service, key),
  store: (body, bytes, contentType) => host.store(body, bytes, contentType),
  payload: (token) =>
    new RealPromise((resolve, reject) => {
      const plain = (answer: unknown) => {
        const { ok, value, message } = answer as {
          ok: boolean;
          value: { bytes: Uint8Array };
          message: string;
        };
        const contentType = 'application/octet-stream';
        if (ok) resolve({ ok, value: { bytes: value.bytes, contentType } });
        else resolve({ ok, message });
      };
      whenSettled(host.payload(token), plain, reject);
    }),
});

/** Reads what came back, and hands on what is large; a promise when that has to be waited for. */
function keep(run: StepRun, slot: Slot<OneUnit>, calls: HostCalls, value: unknown): unknown {
  // Its time was over: its result is ignored.
  if (slot.ended) return null;
  const returned = readReturn(value, run.call.step);
  if (returned.kind === 'json' && !isLarge(returned.json)) return { json: returned.json };
  const size = returned.kind === 'json' ? utf8Length(returned.json) : returned.bytes.byteLength;
  const stored = calls.within(slot, size, () => {
    const { bytes, contentType } = bytesOf(returned);
    return run.host.store(run.streamOf(bytes), bytes.byteLength, contentType);
  });
  return new RealPromise((resolve, reject) => {
    const isJson = returned.kind === 'json';
    const done = (number: unknown) => resolve({ stored: number as number, isJson });
    whenSettled(stored, done, (reason) => {
      const { message } = reason as Error;
      reject(new TaskFailure('internal', `the output could not be stored: ${message}`));
    });
  });
}

const isLarge = (json: string): boolean =>
  json.length > STEP_INLINE_MAX_BYTES ||
  (json.length * 3 > STEP_INLINE_MAX_BYTES && utf8Length(json) > STEP_INLINE_MAX_BYTES);

/** Written as bytes only when it is its turn: a text may wait meanwhile. */
function bytesOf(returned: StepReturn): { bytes: Uint8Array; contentType: string } {
  if (returned.kind === 'bytes') return returned;
  const bytes = new RealTextEncoder().encode(returned.json);
  return { bytes, contentType: 'application/json' };
}

function resultOf({ error, own: { kept, side } }: Slot<OneUnit>): StepResult {
  const log = side.lines;
  if (error) return { kind: 'failed', error, log };
  if (!kept) throw new TaskFailure('internal', 'a unit ended without a result');
  if ('json' in kept) return { kind: 'json', json: kept.json, log };
  return { kind: 'stored', stored: kept.stored, json: kept.isJson, log };
}
