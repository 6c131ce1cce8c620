// Runs windows when a wake-up comes: lease, run the function over the ranges or submit the job, keep what was
// decided, append it, report; then the next window, for a while. Everything it touches comes as an argument.
import { CONSUME_FOR_MS, WINDOW_BEAT_MS } from '../../../shared/limits.ts';
import { messageOf } from '../../../shared/message-of.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { Appended } from '../../../shared/schemas/stream.ts';
import type { BatchOutcome } from '../../../shared/streaming/process.ts';
import { streamOf } from '../../platform/byte-stream.ts';
import { ProblemError } from '../../platform/problem.ts';
import { type NewEvent, parseEventLines } from '../../log/events.ts';
import type { PartitionRef } from '../../contracts/names.ts';
import type {
  Emit,
  BatchEffects,
  BatchReport,
  BatchRpc,
  BatchWork,
  BatchRange,
} from '../../contracts/batch.rpc.ts';

type WorkOf<Kind extends BatchWork['kind']> = Extract<BatchWork, { kind: Kind }>;

export interface BatchPorts {
  windows: Pick<BatchRpc, 'begin' | 'alive' | 'prepare' | 'report'>;
  /** Event lines, each with its newline. Throws `gone`, with the header `first-offset`, where retention was faster. */
  lines(ref: PartitionRef, from: number, to: number): AsyncGenerator<Uint8Array>;
  run(
    program: WorkOf<'function'>['program'],
    batch: WorkOf<'function'>['batch'],
    lines: ReadableStream<Uint8Array>,
  ): Promise<BatchOutcome>;
  append(
    output: string,
    events: NewEvent[],
    producer: { id: string; sequences: number[]; eventIds: string[] },
  ): Promise<Appended>;
  /** The job's id. */
  submit(work: Pick<WorkOf<'job'>, 'spec' | 'idempotencyKey' | 'retryJob'>): Promise<string>;
  /** What killed the isolate; null for everything that is not the code's fault. */
  crashOf(error: unknown): TaskError | null;
  nowMs(): number;
  /** Calls `work` again and again until the answer is called. */
  every(ms: number, work: () => void): () => void;
}

/** Throws only when the windows themselves cannot be reached: then the lease runs out. */
export async function runWindows(ports: BatchPorts, window: number): Promise<void> {
  const { windows } = ports;
  const untilMs = ports.nowMs() + CONSUME_FOR_MS;
  let work = await windows.begin(window);
  while (work) {
    const { window: number, lease } = work;
    const report = await reportOf(ports, work);
    if (!report) return;
    work = await windows.report(number, lease, report, ports.nowMs() < untilMs);
  }
}

/** Null: another Worker has the lease by now. */
async function reportOf(ports: BatchPorts, work: BatchWork): Promise<BatchReport | null> {
  const stopBeats = ports.every(WINDOW_BEAT_MS, () => {
    ports.windows
      .alive(work.window, work.lease)
      .catch((error: unknown) => console.error('a window’s lease was not renewed', error));
  });
  try {
    switch (work.kind) {
      case 'function':
        return await runFunction(ports, work);
      case 'effects':
        return await append(ports, work, work.emit, work.effects);
      case 'job':
        return await submit(ports, work);
    }
  } catch (error) {
    return { kind: 'blocked', reason: messageOf(error) };
  } finally {
    stopBeats();
  }
}

async function runFunction(
  ports: BatchPorts,
  work: WorkOf<'function'>,
): Promise<BatchReport | null> {
  const source = new WindowLines(ports, work.ranges);
  const lines = streamOf(source.read());
  let outcome: BatchOutcome;
  try {
    outcome = await ports.run(work.program, work.batch, lines);
  } catch (error) {
    if (source.expired) return source.expired;
    const crash = ports.crashOf(error);
    if (!crash) throw error;
    return { kind: 'failed', error: crash, final: false, log: [] };
  }
  if (source.expired) return source.expired;
  const { log } = outcome;
  if (!outcome.ok) return { kind: 'failed', error: outcome.error, final: false, log };
  const effects = { outputs: outcome.outputs, log };
  if (outcome.outputs === '') return append(ports, work, work.emit, effects);
  const problem = outputProblem(outcome.outputs, work.emit);
  if (problem) return { kind: 'failed', error: problem, final: false, log };
  if (!(await ports.windows.prepare(work.window, work.lease, effects))) return null;
  return append(ports, work, work.emit, effects);
}

/** The window's events, range after range; remembers what retention took. */
class WindowLines {
  readonly #ports: BatchPorts;
  readonly #ranges: BatchRange[];
  expired: Extract<BatchReport, { kind: 'expired' }> | null = null;

  constructor(ports: BatchPorts, ranges: BatchRange[]) {
    this.#ports = ports;
    this.#ranges = ranges;
  }

  async *read(): AsyncGenerator<Uint8Array> {
    for (const { stream, streamUid, partition, from, to } of this.#ranges) {
      try {
        yield* this.#ports.lines({ stream, uid: streamUid, partition }, from, to);
      } catch (error) {
        if (error instanceof ProblemError && error.code === 'gone') {
          const first = Number(error.headers['first-offset']);
          this.expired = { kind: 'expired', streamUid, partition, first };
        }
        throw error;
      }
    }
  }
}

function outputProblem(outputs: string, { output }: Emit): TaskError | null {
  if (output === null) {
    const message = 'the code emitted an event, but the processor has no `output` stream';
    return { code: 'bad_value', message };
  }
  try {
    parseEventLines(outputs, Infinity);
    return null;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    return { code: 'bad_value', message: `an emitted event is not valid: ${error.message}` };
  }
}

async function append(
  ports: BatchPorts,
  { window }: BatchWork,
  emit: Emit,
  { outputs, log }: BatchEffects,
): Promise<BatchReport> {
  const done = { kind: 'done' as const, log, operations: { workerRequest: 1 } };
  if (outputs === '' || emit.output === null) return { ...done, emitted: 0, duplicates: 0 };
  const events = parseEventLines(outputs, Infinity);
  for (const event of events) event.source = emit.source;
  const producer = {
    id: emit.producer,
    sequences: events.map((_, i) => emit.firstSequence + i),
    // Made of the place, so that an event without a key goes to the same partition at every append.
    eventIds: events.map((_, i) => `${emit.idPrefix}-${window}-${i}`),
  };
  try {
    const appended = await ports.append(emit.output, events, producer);
    return { ...done, emitted: appended.accepted, duplicates: appended.duplicates };
  } catch (error) {
    if (!isRefusal(error, events)) throw error;
    const message = `an emitted event was refused: ${error.message}`;
    return { kind: 'failed', error: { code: 'bad_value', message }, final: true, log };
  }
}

/** Nothing would change if it were tried again. */
function isRefusal(error: unknown, events: NewEvent[]): error is ProblemError {
  if (!(error instanceof ProblemError)) return false;
  if (error.code === 'gone' || error.code === 'invalid_request' || error.code === 'too_large') {
    return true;
  }
  // A claim that does not exist, or the stream itself: the stream is waited for.
  return error.code === 'not_found' && events.some(({ claim }) => claim !== null);
}

const WAITED_FOR: ReadonlySet<ProblemError['code']> = new Set([
  'unavailable',
  'internal',
  'rate_limited',
]);

async function submit(ports: BatchPorts, work: WorkOf<'job'>): Promise<BatchReport> {
  try {
    return { kind: 'submitted', job: await ports.submit(work) };
  } catch (error) {
    if (!(error instanceof ProblemError) || WAITED_FOR.has(error.code)) throw error;
    const code = error.code === 'gone' ? 'input_missing' : 'bad_program';
    const failure = { code, message: `the job was refused: ${error.message}` } as const;
    return { kind: 'failed', error: failure, final: true, log: [] };
  }
}
