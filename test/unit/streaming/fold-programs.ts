// Runs folds and what fires as an isolate does, for tests in Node.
import { NEW_FUNCTION_ORIGIN } from '../../../shared/sandbox/program-text.ts';
import type { Json } from '../../../shared/schemas/common.ts';
import { type FireResult, runFire } from '../../../shared/streaming/fire-run.ts';
import { type FoldResult, runFold } from '../../../shared/streaming/fold-run.ts';
import type { FireOutcome, FoldCall, FoldOutcome } from '../../../shared/streaming/process.ts';
import { PROCESS_BOUNDS, type ProcessBounds } from '../../../shared/sandbox/work.ts';
import { factoryOf, hostOf, linesOf, NOBODY, type RunOptions } from './programs.ts';

type Options = Omit<RunOptions, 'types'> & { bounds?: Partial<ProcessBounds> };
export type FoldOptions = Options & Partial<Pick<FoldCall, 'calls' | 'keepGoing' | 'shownKeys'>>;

/** By key; a list of states is merged into one. */
export type States = Record<string, Json | { several: Json[] }>;

/** What is folded: an event as the log keeps it, but for what does not matter, under a key that it may not have. */
export type KeyedEvent = { key: string } & Record<string, unknown>;

const commonOf = (code: string, { host, guardSteps, bounds }: Options) => ({
  factory: factoryOf(code, guardSteps !== undefined, { kind: 'window' }),
  host: hostOf({ ...NOBODY, ...host }),
  origin: NEW_FUNCTION_ORIGIN,
  guardSteps: guardSteps ?? null,
  bounds: { ...PROCESS_BOUNDS, ...bounds },
});

const callOf = ({ params, attempt }: Options) => ({
  params: params ?? {},
  attempt: attempt ?? 1,
  version: 3,
});

export function foldResult(
  code: string,
  events: KeyedEvent[],
  states: States = {},
  options: FoldOptions = {},
): Promise<FoldResult> {
  const call: FoldCall = {
    ...callOf(options),
    calls: options.calls ?? 'process',
    text: linesOf(events.map(({ key: _, ...event }) => event)),
    keys: events.map(({ key }) => key),
    shownKeys: options.shownKeys ?? null,
    states: Object.entries(states).map(([key, state]) => [key, textsOf(state)]),
    keepGoing: options.keepGoing ?? true,
  };
  return runFold({ ...commonOf(code, options), call });
}

export async function fold(...given: Parameters<typeof foldResult>): Promise<FoldOutcome> {
  const result = await foldResult(...given);
  if (!result.ok) throw new Error(result.error.message);
  return result.outcome;
}

function textsOf(state: States[string]): string[] {
  const several = typeof state === 'object' && state !== null && 'several' in state;
  const list = several ? (state.several as Json[]) : [state];
  return list.map((one) => JSON.stringify(one));
}

/** What a fold has changed, by key. */
export const statesOf = ({ changed }: FoldOutcome): Record<string, Json> =>
  Object.fromEntries(
    changed.map(({ key, state }) => [key, state === null ? null : (JSON.parse(state) as Json)]),
  );

export function fireResult(
  code: string,
  values: { key: string; value: Json }[],
  options: Options = {},
): Promise<FireResult> {
  const units = values.map(({ key, value }) => ({ key, json: JSON.stringify(value) }));
  return runFire({ ...commonOf(code, options), call: { ...callOf(options), units } });
}

export async function fire(...given: Parameters<typeof fireResult>): Promise<FireOutcome> {
  const result = await fireResult(...given);
  if (!result.ok) throw new Error(result.error.message);
  return result.outcome;
}
