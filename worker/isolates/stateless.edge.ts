// Runs a processor's code over events: a batch of them one by one, or a window as a whole. What user code does
// wrong comes as a value; what is thrown here is either a crash, when it is unknown which event killed the
// isolate, or infrastructure.
import { BATCH_RUN_MS, PROCESS_GRACE_MS } from '../../shared/limits.ts';
import type { BatchOutcome, ProcessOutcome } from '../../shared/streaming/process.ts';
import type { Env } from '../platform/env.ts';
import type { ConsumerConfig } from '../contracts/consumer.rpc.ts';
import {
  countNewlines,
  InputFailedError,
  IsolateCrashError,
  notBelieved,
  offsetOf,
  PROCESS_MS,
  ProgramLoadError,
} from './isolate-run.ts';
import { processHost } from './process-host.edge.ts';
import type { ProgramCode } from './isolate.edge.ts';
import { callIsolate, outcomeOf } from './process-isolate.edge.ts';

export { IsolateCrashError, ProgramLoadError };

/** Throws IsolateCrashError, and other errors for what is not the events' fault. */
export async function runStateless(
  env: Env,
  config: ConsumerConfig,
  { text, attempt }: { text: string; attempt: number },
): Promise<ProcessOutcome> {
  const { types, params, version } = config;
  const call = { text, types, params, attempt, version };
  const host = processHost(env, config.services);
  return callIsolate(env, config, {
    kind: 'process',
    ms: PROCESS_MS,
    call: (isolate) => isolate.process(call, host),
    read: (result) => checked(outcomeOf(result), text),
  });
}

export type BatchConfig = ProgramCode &
  Pick<ConsumerConfig, 'types' | 'services' | 'params' | 'version'>;

/** Runs a window's function. Throws like `runStateless`. */
export async function runBatchFunction(
  env: Env,
  config: BatchConfig,
  window: { reason: string; events: number; bytes: number; attempt: number },
  lines: ReadableStream<Uint8Array>,
): Promise<BatchOutcome> {
  const { types, params, version } = config;
  const host = processHost(env, config.services);
  return callIsolate(env, config, {
    kind: 'batch',
    ms: BATCH_RUN_MS + PROCESS_GRACE_MS,
    call: (isolate) => isolate.batch({ ...window, types, params, version }, lines, host),
    read(result) {
      if (result.kind === 'input') throw new InputFailedError(result.message);
      return result.outcome;
    },
  });
}

function checked(outcome: ProcessOutcome, text: string): ProcessOutcome {
  const { outputs, outputOffsets, processed, passedOver, failures, stoppedAt, log } = outcome;
  const count = text === '' ? 0 : countNewlines(text) + 1;
  // Consecutive lines of the log.
  const first = offsetOf(text);
  const run = stoppedAt === null ? count : stoppedAt - first;
  const isRun = (offset: number) =>
    Number.isInteger(offset) && offset >= first && offset < first + run;
  const holds =
    run >= Math.min(1, count) &&
    run <= count &&
    typeof outputs === 'string' &&
    countNewlines(outputs) === outputOffsets.length &&
    outputOffsets.every((offset, i) => isRun(offset) && offset >= (outputOffsets[i - 1] ?? 0)) &&
    failures.every(({ offset }) => isRun(offset)) &&
    new Set(failures.map(({ offset }) => offset)).size === failures.length &&
    processed + passedOver + failures.length === run &&
    log.every((line) => typeof line === 'string');
  if (holds) return outcome;
  throw notBelieved();
}
