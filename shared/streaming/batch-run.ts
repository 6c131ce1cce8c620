// Runs one window through `process(batch, ctx)`: all of it goes well, or none. The events come as a stream and are
// held one at a time; what is emitted is bounded.
import { BATCH_RUN_MS, OUTPUT_BATCH_MAX_BYTES, PROCESS_QUIET_MS } from '../limits.ts';
import { SideOutput } from '../sandbox/side-output.ts';
import { type ProgramOrigin, TaskFailure } from '../sandbox/task-error.ts';
import { BatchEvents } from './batch-lines.ts';
import { type Caller, HostCalls } from '../sandbox/host-calls.ts';
import {
  apply,
  dictionary,
  isThenable,
  RealPromise,
  realClearTimeout,
  realNow,
  realSetTimeout,
  whenSettled,
} from '../sandbox/intrinsics.ts';
import {
  contextFor,
  errorOf,
  frozen,
  LoadFailure,
  loadFunctions,
  type ProcessorFactory,
} from '../sandbox/load.ts';
import { Outputs } from '../sandbox/outputs.ts';
import type { ProcessHost } from '../sandbox/host.ts';
import type { BatchCall, BatchOutcome } from './process.ts';
import { StepCount } from '../sandbox/step-count.ts';
import { timersUntilMs } from '../sandbox/timers.ts';

export interface BatchBounds {
  runMs: number;
  quietMs: number;
  outputMaxBytes: number;
}

export const BATCH_BOUNDS: BatchBounds = {
  runMs: BATCH_RUN_MS,
  quietMs: PROCESS_QUIET_MS,
  outputMaxBytes: OUTPUT_BATCH_MAX_BYTES,
};

export interface BatchRun {
  factory: ProcessorFactory;
  call: BatchCall;
  /** Event lines, in pieces of any size. */
  lines: AsyncIterable<Uint8Array>;
  host: ProcessHost;
  origin: ProgramOrigin;
  /** Steps between two events, and after the last; null when the program is not guarded. */
  guardSteps: number | null;
  bounds?: BatchBounds;
}

/** `input`: reading it failed, whatever the program made of that. */
export type BatchResult =
  { kind: 'ran'; outcome: BatchOutcome } | { kind: 'input'; message: string };

/** Never rejects. */
export async function runBatch(run: BatchRun): Promise<BatchResult> {
  const { call, origin } = run;
  const { outputMaxBytes } = run.bounds ?? BATCH_BOUNDS;
  const steps = new StepCount(run.guardSteps);
  const side = new SideOutput();
  const events = new BatchEvents(run.lines, call.types, () => steps.begin());
  const calls = new HostCalls(run.host, () => 0, false);
  const caller: Caller = { order: 0, ended: false, heldBytes: 0, payloads: dictionary() };
  const outputs = new Outputs({ maxEvents: Infinity, maxBytes: outputMaxBytes }, () => undefined);
  try {
    const { process } = loadFunctions(run, steps, ['process']);
    const { attempt, version } = call;
    const source = { params: frozen(call.params), attempt, version, calls, side };
    const batch = {
      reason: call.reason,
      events: call.events,
      bytes: call.bytes,
      [Symbol.asyncIterator]: () => events[Symbol.asyncIterator](),
    };
    steps.begin();
    const returned = apply(process, undefined, [batch, contextFor(source, caller, outputs)]);
    outputs.take(await settled(returned as unknown, run, events, calls));
    if (outputs.refused) throw outputs.refused.thrown;
    if (events.state.failure) throw events.state.failure;
    const { text, count } = outputs;
    const outcome = { ok: true, outputs: text, outputCount: count, log: side.lines } as const;
    return { kind: 'ran', outcome };
  } catch (thrown) {
    const { failure } = events.state;
    if (failure) return { kind: 'input', message: failure.message };
    const cause = outputs.refused ? outputs.refused.thrown : thrown;
    const error = cause instanceof LoadFailure ? cause.error : errorOf(cause, origin);
    return { kind: 'ran', outcome: { ok: false, error, log: side.lines } };
  } finally {
    outputs.close('process had ended before this emit');
    calls.end(caller);
    // Not awaited: an input that does not answer must not hold the outcome.
    void events.close();
  }
}

/** What user code returned, in the end. Rejects when it never comes. */
function settled(
  returned: unknown,
  run: BatchRun,
  { state }: BatchEvents,
  { gate }: HostCalls,
): Promise<unknown> {
  const { runMs, quietMs } = run.bounds ?? BATCH_BOUNDS;
  return new RealPromise((resolve, reject) => {
    if (!isThenable(returned)) return resolve(returned);
    const untilMs = realNow() + runMs;
    let timer: unknown = null;
    /** Looks in a row at which only the program itself could have moved it on. */
    let quietLooks = 0;
    const look = () => {
      const moves = state.reading || gate.open > 0 || timersUntilMs() > realNow();
      quietLooks = moves ? 0 : quietLooks + 1;
      const leftMs = untilMs - realNow();
      if (leftMs <= 0) {
        reject(new TaskFailure('deadline', `process took longer than ${runMs} ms`));
      } else if (quietLooks >= QUIET_LOOKS) {
        const message = 'returned a promise that nothing will ever settle';
        reject(new TaskFailure('program_threw', message));
      } else {
        const nextMs = quietMs / QUIET_LOOKS;
        timer = realSetTimeout(look, leftMs < nextMs ? leftMs : nextMs);
      }
    };
    look();
    whenSettled(
      returned,
      (value) => {
        realClearTimeout(timer);
        resolve(value);
      },
      (reason) => {
        realClearTimeout(timer);
        reject(reason as Error);
      },
    );
  });
}

const QUIET_LOOKS = 5;
