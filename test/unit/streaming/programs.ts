// Compiles and evaluates processors as an isolate does, for tests in Node; and events as the log keeps them.
import { guardCounted } from '../../../shared/sandbox/guard.ts';
import type { HostAnswer, ProcessHost } from '../../../shared/sandbox/host.ts';
import { NEW_FUNCTION_ORIGIN } from '../../../shared/sandbox/program-text.ts';
import { PROGRAM_FILE } from '../../../shared/sandbox/task-error.ts';
import { type BatchBounds, BATCH_BOUNDS, runBatch } from '../../../shared/streaming/batch-run.ts';
import type { ProcessorFactory } from '../../../shared/sandbox/load.ts';
import type { BatchOutcome, ProcessOutcome } from '../../../shared/streaming/process.ts';
import { type ProcessResult, runProcess } from '../../../shared/streaming/process-run.ts';
import { PROCESS_BOUNDS, type ProcessBounds } from '../../../shared/sandbox/work.ts';
import { compileProcessor, type ProgramUse } from '../../../shared/streaming/program.ts';
import type { Json } from '../../../shared/schemas/common.ts';

/** A host whose failures are exceptions. */
export interface PlainHost {
  call(service: string, key: string): Promise<Json>;
  payload(token: string): Promise<{ bytes: Uint8Array; contentType: string }>;
}

export interface RunOptions {
  types?: string[];
  params?: Json;
  attempt?: number;
  host?: Partial<PlainHost>;
  /** Turns the loop guard on. */
  guardSteps?: number;
}

export function factoryOf(code: string, guard: boolean, use?: ProgramUse): ProcessorFactory {
  const compiled = compileProcessor(code, use);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
  const { text } = compiled.program;
  const make = Reflect.construct(Function, [
    `return ${guard ? guardCounted(text) : text}\n//# sourceURL=${PROGRAM_FILE}`,
  ]) as () => ProcessorFactory;
  return make();
}

const answered = <Value>(value: Promise<Value>): Promise<HostAnswer<Value>> =>
  value.then(
    (value) => ({ ok: true, value }),
    (error: Error) => ({ ok: false, message: error.message }),
  );

export const hostOf = ({ call, payload }: PlainHost): ProcessHost => ({
  call: (service, key) => answered(call(service, key)),
  payload: (token) => answered(payload(token)),
});

export const NOBODY: PlainHost = {
  call: (service) => Promise.reject(new Error(`nobody answers ${service}`)),
  payload: (token) => Promise.reject(new Error(`there is no claim ${token}`)),
};

const commonOf = (code: string, { host, guardSteps, params, attempt, types }: RunOptions) => ({
  factory: factoryOf(code, guardSteps !== undefined),
  host: hostOf({ ...NOBODY, ...host }),
  origin: NEW_FUNCTION_ORIGIN,
  guardSteps: guardSteps ?? null,
  params: params ?? {},
  attempt: attempt ?? 1,
  version: 3,
  types: types ?? null,
});

/** Runs a batch, whatever comes of it. */
export function runResult(
  code: string,
  events: object[],
  options: RunOptions & { bounds?: Partial<ProcessBounds> } = {},
): Promise<ProcessResult> {
  const { factory, host, origin, guardSteps, ...call } = commonOf(code, options);
  const bounds = { ...PROCESS_BOUNDS, ...options.bounds };
  const text = linesOf(events);
  return runProcess({ factory, host, origin, guardSteps, bounds, call: { ...call, text } });
}

export async function run(
  ...[code, events, options]: Parameters<typeof runResult>
): Promise<ProcessOutcome> {
  const result = await runResult(code, events, options);
  if (!result.ok) throw new Error(result.error.message);
  return result.outcome;
}

export async function runWindow(
  code: string,
  lines: AsyncIterable<Uint8Array>,
  options: RunOptions & { bounds?: Partial<BatchBounds>; events?: number } = {},
): Promise<BatchOutcome> {
  const { factory, host, origin, guardSteps, ...call } = commonOf(code, options);
  const bounds = { ...BATCH_BOUNDS, ...options.bounds };
  const window = { ...call, reason: 'events', events: options.events ?? 0, bytes: 0 };
  const run = { factory, host, origin, guardSteps, bounds, call: window, lines };
  const result = await runBatch(run);
  if (result.kind === 'input') throw new Error(result.message);
  return result.outcome;
}

/** Events of one partition, from offset 10 on. */
export const linesOf = (events: object[]): string =>
  events
    .map((event, i) => {
      const place = { partition: 1, offset: 10 + i, id: `e${i}`, type: 'T', key: null };
      return JSON.stringify({ ...place, time: '2026-01-01T00:00:00.000Z', ...event });
    })
    .join('\n');

export const numbers = (count: number): { payload: number }[] =>
  Array.from({ length: count }, (_, payload) => ({ payload }));

export const outputsOf = ({ outputs }: { outputs: string }): Record<string, Json>[] =>
  outputs
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, Json>);
