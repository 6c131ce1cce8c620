// From a compiled program to its `process`, with fresh module variables, and what user code gets besides its event.
import type { SideOutput } from '../mapreduce/side-output.ts';
import { type ProgramOrigin, TaskFailure, taskErrorOf } from '../mapreduce/task-error.ts';
import type { Json } from '../schemas/common.ts';
import type { TaskError } from '../schemas/job.ts';
import { freeze, isArray, keys } from './intrinsics.ts';
import type { Caller, HostCalls } from './host-calls.ts';
import type { Outputs } from './outputs.ts';
import type { StepCount } from './step-count.ts';

/** The value of a compiled processor's text. A guarded one takes the function that counts its steps. */
export type ProcessorFactory = (step: (by: number) => void) => { process?: unknown };

export type Process = (input: unknown, ctx: ProcessContext) => unknown;

export interface ProcessContext {
  emit: (event: unknown) => void;
  call: (service: string, key: string) => Promise<unknown>;
  payload: (event: unknown) => Promise<unknown>;
  log: (...values: unknown[]) => void;
  params: Json;
  attempt: number;
  version: number;
}

/** The program's top level threw, or it exports no function `process`. */
export class LoadFailure extends Error {
  readonly error: TaskError;
  constructor(error: TaskError) {
    super(error.message);
    this.error = error;
  }
}

/** Throws LoadFailure. */
export function loadProcess(
  factory: ProcessorFactory,
  steps: StepCount,
  origin: ProgramOrigin,
): Process {
  steps.begin();
  let process: unknown;
  try {
    ({ process } = factory(steps.step));
  } catch (thrown) {
    throw new LoadFailure(errorOf(thrown, origin, 'bad_program'));
  }
  if (typeof process !== 'function') {
    throw new LoadFailure({ code: 'bad_program', message: '`process` is not a function' });
  }
  return process as Process;
}

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
