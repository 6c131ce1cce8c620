// From a compiled program to its `process`, with fresh module variables, and what user code gets besides its event.
import type { SideOutput } from './side-output.ts';
import { type ProgramOrigin, TaskFailure, taskErrorOf } from './task-error.ts';
import type { Json } from '../schemas/common.ts';
import type { TaskError } from '../schemas/job.ts';
import { dictionary, freeze, isArray, keys } from './intrinsics.ts';
import type { Caller, HostCalls } from './host-calls.ts';
import type { Outputs } from './outputs.ts';
import { StepCount } from './step-count.ts';

/** The value of a compiled processor's text. A guarded one takes the function that counts its steps. */
export type ProcessorFactory = (step: (by: number) => void) => Exports;
interface Exports {
  /** Steps of DAG jobs. */
  default?: unknown;
  process?: unknown;
  add?: unknown;
  merge?: unknown;
}

export type UserFunction = (...given: unknown[]) => unknown;

export interface ProcessContext {
  emit: (event: unknown) => void;
  call: (service: string, key: string) => Promise<unknown>;
  payload: (event: unknown) => Promise<unknown>;
  log: (...values: unknown[]) => void;
  params: Json;
  attempt: number;
  version: number;
  /** Keyed code. */
  key?: string;
  /** Stateful: the state that this event leaves is forgotten when it was not written for so long. */
  expire?: (ms: unknown) => void;
}

/** The program's top level threw, or it does not export what is to be called. */
export class LoadFailure extends Error {
  readonly error: TaskError;
  constructor(error: TaskError) {
    super(error.message);
    this.error = error;
  }
}

/** The functions that a program exports, of those that are asked for. Throws LoadFailure. */
export function loadFunctions<Name extends keyof Exports>(
  { factory, origin }: { factory: ProcessorFactory; origin: ProgramOrigin },
  steps: StepCount,
  names: readonly Name[],
): Record<Name, UserFunction> {
  steps.begin();
  const functions = dictionary<UserFunction>();
  try {
    const exported = factory(steps.step);
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as Name;
      const value = exported[name];
      if (typeof value !== 'function') {
        throw new TaskFailure('bad_program', `\`${name}\` is not a function`);
      }
      functions[name] = value as UserFunction;
    }
  } catch (thrown) {
    throw new LoadFailure(errorOf(thrown, origin, 'bad_program'));
  }
  return functions as Record<Name, UserFunction>;
}

/** Runs with the functions of a program. A program that does not load fails no event: none has to do with it. */
export async function withFunctions<Name extends keyof Exports, Outcome>(
  program: {
    factory: ProcessorFactory;
    origin: ProgramOrigin;
    guardSteps: number | null;
    /** What the loop guard's budget is for: "event" unless said. */
    guards?: string;
  },
  names: readonly Name[],
  run: (functions: Record<Name, UserFunction>, steps: StepCount) => Promise<Outcome>,
): Promise<CodeResult<Outcome>> {
  const steps = new StepCount(program.guardSteps, program.guards);
  try {
    const functions = loadFunctions(program, steps, names);
    return { ok: true, outcome: await run(functions, steps) };
  } catch (failure) {
    if (failure instanceof LoadFailure) return { ok: false, error: failure.error };
    throw failure;
  }
}

export type CodeResult<Outcome> = { ok: true; outcome: Outcome } | { ok: false; error: TaskError };

export interface ContextSource {
  /** Frozen: all events of a batch see the same. */
  params: Json;
  attempt: number;
  version: number;
  calls: HostCalls;
  side: SideOutput;
}

export const contextFor = (
  { params, attempt, version, calls, side }: ContextSource,
  caller: Caller,
  outputs: Outputs,
): ProcessContext => ({
  emit: outputs.emit,
  call: (service, key) => calls.call(caller, service, key),
  payload: (event) => calls.payload(caller, event),
  log: side.log,
  params,
  attempt,
  version,
});

/** Freezes JSON all the way down. */
export function frozen(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value;
  if (isArray(value)) {
    for (let i = 0; i < value.length; i++) frozen(value[i] as Json);
  } else {
    const names = keys(value);
    for (let i = 0; i < names.length; i++) frozen(value[names[i] as string] as Json);
  }
  return freeze(value) as Json;
}

/** The TaskError of whatever was thrown; never throws, also in a realm that the program has spoilt. */
export function errorOf(
  thrown: unknown,
  origin: ProgramOrigin,
  fallback: 'program_threw' | 'bad_program' = 'program_threw',
): TaskError {
  try {
    return taskErrorOf(thrown, origin, fallback);
  } catch {
    const code = thrown instanceof TaskFailure ? thrown.code : fallback;
    return { code, message: 'threw, in a realm whose built-ins the program has replaced' };
  }
}
