// Runs one map attempt: records in, a spill out. The same code in a volunteer's sandbox and in an isolate
// at the edge, so that two honest attempts give the same bytes. User code gets plain values and closures;
// whatever it throws becomes a TaskError with its place in the program.
import { BAD_RECORDS_LISTED_PER_TASK, PROGRESS_MS } from '../limits.ts';
import type { Json } from '../schemas/common.ts';
import type { BadRecord, TaskError } from '../schemas/job.ts';
import { accessLog, type AccessLogLine } from './access-log.ts';
import { isBuiltin } from './builtins.ts';
import { installDeterminism, seededRandom } from '../sandbox/determinism.ts';
import { openRecords, type RecordSource } from './records.ts';
import { isThenable, realNow } from '../sandbox/intrinsics.ts';
import { settle } from '../sandbox/settle.ts';
import { SideOutput } from '../sandbox/side-output.ts';
import { SpillTooLargeError, SpillWriter } from './spill.ts';
import { keyText, valueText } from '../sandbox/strict-json.ts';
import { type Combine, Table } from './table.ts';
import type { MapPlan, MapResult, MapTask, SpillTrailer, StepPlan } from './task.ts';
import { type ProgramOrigin, TaskFailure, taskErrorOf } from '../sandbox/task-error.ts';

export interface ProgramExports {
  map: (record: unknown, emit: (key: unknown, value: unknown) => void, ctx: Context) => unknown;
  /** A function, or a built-in's name. */
  combine?: unknown;
  reduce?: unknown;
  /** Of a step of a DAG, instead of `map`; `given` is JSON of what it gets to see, but for its item. */
  default?: unknown;
  given?: unknown;
}

/** The value of a compiled program's text: each call gives fresh module variables. */
export type ProgramFactory = () => ProgramExports;

/** What user code gets besides its record. */
export interface Context {
  params: Json;
  split: { task: number; start: number; end: number };
  random: () => number;
  log: (...values: unknown[]) => void;
  counter: (name: string, by?: number) => void;
  /** Null when it is no line of an access log in the common or combined format. */
  accessLog: (line: unknown) => AccessLogLine | null;
}

export interface MapRun {
  factory: ProgramFactory;
  plan: MapPlan;
  task: MapTask;
  /** The split's exact bytes; null for integers. */
  input: Uint8Array | null;
  /** Where stacks find the program's first line in this realm. */
  origin: ProgramOrigin;
  /** The global object that user code sees: its Date and Math.random are fixed and seeded. */
  realm: object;
  /** Called now and then with 0 to 1 while the records are read. */
  onProgress?: (fraction: number) => void;
}

/**
 * Makes the `map` of a program that is a step's function (`plan.step`). The entry of the bundle hands it in, so that the
 * engine knows no DAG.
 */
export type StepMap = (
  program: ProgramExports,
  step: StepPlan,
  alive: () => void,
) => ProgramExports['map'];

/** Never rejects. */
export async function runMap(run: MapRun, stepMap?: StepMap): Promise<MapResult> {
  const side = new SideOutput();
  const { plan, task, input, origin } = run;
  try {
    const program = loadProgram(run, stepMap);
    const table = new Table(combineOf(program), plan.partitions);
    const counts = await mapRecords(run, program, side, (key, value) => table.emit(key, value));
    const writer = new SpillWriter(plan.partitions);
    const recordsOut = table.writeTo(writer);
    const trailer: SpillTrailer = {
      recordsIn: counts.recordsIn,
      bytesIn: input?.length ?? 0,
      emitted: table.emitted,
      recordsOut,
      badRecords: counts.badRecords,
      badRecordsListed: counts.badRecordsListed,
      userCounters: side.counters,
    };
    const { spill, digest } = writer.finish(trailer);
    return { ok: true, spill, digest, trailer, log: side.lines };
  } catch (thrown) {
    const error = { ...runErrorOf(thrown, origin), task: task.task };
    return { ok: false, error, log: side.lines };
  }
}

/** Seeds the realm and evaluates the program's top level. */
export function loadProgram(
  {
    factory,
    plan,
    task,
    realm,
    onProgress,
  }: Pick<MapRun, 'factory' | 'plan' | 'task' | 'realm' | 'onProgress'>,
  stepMap?: StepMap,
): ProgramExports {
  const random = seededRandom(`${plan.programHash}/realm/${task.task}`);
  installDeterminism(realm as Parameters<typeof installDeterminism>[0], random, plan.nowMs);
  try {
    const program = factory();
    if (plan.step && stepMap) return { map: stepMap(program, plan.step, () => onProgress?.(0)) };
    if (typeof program.map !== 'function') {
      throw new TaskFailure('bad_program', '`map` is not a function');
    }
    return program;
  } catch (thrown) {
    if (thrown instanceof TaskFailure) throw thrown;
    throw new LoadFailure(thrown);
  }
}

/** Wraps what the program's top level threw, to tell it from what `map` throws. */
class LoadFailure extends Error {
  constructor(cause: unknown) {
    super('the program does not load', { cause });
  }
}

export function combineOf(program: ProgramExports): Combine {
  const { combine } = program;
  if (combine === undefined || combine === 'collect') return { kind: 'none' };
  if (isBuiltin(combine) && combine !== 'collect') return { kind: 'builtin', name: combine };
  if (typeof combine === 'function') {
    return { kind: 'code', combine: combine as (key: string, values: Json[]) => unknown };
  }
  throw new TaskFailure('bad_program', '`combine` is neither a function nor a built-in');
}

interface MapCounts {
  recordsIn: number;
  badRecords: number;
  badRecordsListed: BadRecord[];
  /** There were more records than `recordsMax`. */
  truncated: boolean;
}

/** What a record's failure says besides the error: where the record lies. */
class RecordFailure {
  readonly cause: unknown;
  readonly offset: number;
  constructor(cause: unknown, offset: number) {
    this.cause = cause;
    this.offset = offset;
  }
}

/** Feeds records to `map`. Throws what ends the attempt. */
export async function mapRecords(
  run: MapRun,
  program: ProgramExports,
  side: SideOutput,
  emitTo: (key: unknown, value: unknown) => void,
  recordsMax = Infinity,
): Promise<MapCounts> {
  const { plan, task } = run;
  const records = openRecords(plan, task.split, run.input);
  const ctx = contextOf(run, side);
  const bad = new BadRecords(plan.skipBadRecords, task.task);
  const { map } = program;
  // What a record emits counts only if the whole record went well: where bad ones may be skipped, emits wait.
  const pending: [string, Json][] | null = plan.skipBadRecords > 0 ? [] : null;
  let refused: unknown = null;
  const emit = (key: unknown, value: unknown): void => {
    try {
      if (pending) pending.push(snapshot(key, value));
      else emitTo(key, value);
    } catch (error) {
      // The program must not be able to swallow it.
      refused ??= error;
      throw error;
    }
  };
  const beat = new Beat(run.onProgress);
  let recordsIn = 0;
  while (records.next()) {
    if (recordsIn + bad.count >= recordsMax) return { ...bad.counts, recordsIn, truncated: true };
    beat.tick(records);
    if (records.bad !== null) {
      const failure = new TaskFailure('bad_record', records.bad);
      if (records.final) throw new RecordFailure(failure, records.offset());
      bad.add(records, failure, records.bad);
      continue;
    }
    try {
      const returned = map(records.value, emit, ctx);
      if (isThenable(returned)) await (plan.step ? returned : settle(returned));
      if (refused !== null) throw refused;
      if (pending) for (const [key, value] of pending.splice(0)) emitTo(key, value);
      recordsIn++;
    } catch (thrown) {
      pending?.splice(0);
      const cause = refused ?? thrown;
      refused = null;
      if (!pending || isFinal(cause)) throw new RecordFailure(cause, records.offset());
      bad.add(records, cause, taskErrorOf(cause, run.origin).message);
    }
  }
  return { ...bad.counts, recordsIn, truncated: false };
}

/** What is emitted, as it is now: the program may change the value afterwards. */
function snapshot(key: unknown, value: unknown): [string, Json] {
  const text = keyText(key);
  return [text, JSON.parse(valueText(value, text)) as Json];
}

export function contextOf(
  { plan, task }: Pick<MapRun, 'plan' | 'task'>,
  side: SideOutput,
): Context {
  const { split } = task;
  const [start, end] = split.kind === 'bytes' ? [split.start, split.end] : [split.from, split.to];
  return {
    params: plan.params,
    split: { task: task.task, start, end },
    random: seededRandom(`${plan.programHash}/ctx/${task.task}`),
    log: side.log,
    counter: side.counter,
    accessLog,
  };
}

class BadRecords {
  count = 0;
  readonly #listed: BadRecord[] = [];
  readonly #allowed: number;
  readonly #task: number;

  constructor(allowed: number, task: number) {
    this.#allowed = allowed;
    this.#task = task;
  }

  get counts() {
    return { badRecords: this.count, badRecordsListed: this.#listed };
  }

  /** Throws when none may be skipped any more. */
  add(records: RecordSource, cause: unknown, error: string): void {
    if (++this.count > this.#allowed) {
      const failure =
        this.#allowed === 0
          ? cause
          : new TaskFailure(
              'too_many_bad_records',
              `more than ${this.#allowed} bad records; the last: ${error}`,
            );
      throw new RecordFailure(failure, records.offset());
    }
    if (this.#listed.length < BAD_RECORDS_LISTED_PER_TASK) {
      const offset = records.offset();
      this.#listed.push({ task: this.#task, offset, error: error.slice(0, 300).toWellFormed() });
    }
  }
}

/** Reports progress about four times a PROGRESS_MS, looking at the clock as rarely as it can. */
class Beat {
  readonly #onProgress: ((fraction: number) => void) | undefined;
  #lastMs = realNow();
  #lookMs = this.#lastMs;
  #stride = 1;
  #left = 1;

  constructor(onProgress: ((fraction: number) => void) | undefined) {
    this.#onProgress = onProgress;
  }

  tick(records: RecordSource): void {
    if (--this.#left > 0 || !this.#onProgress) return;
    const nowMs = realNow();
    const tookMs = nowMs - this.#lookMs;
    this.#lookMs = nowMs;
    if (tookMs < 50) this.#stride = Math.min(this.#stride * 2, 65_536);
    else if (tookMs > 200) this.#stride = Math.max(1, this.#stride >> 2);
    this.#left = this.#stride;
    if (nowMs - this.#lastMs < PROGRESS_MS / 4) return;
    this.#lastMs = nowMs;
    this.#onProgress(records.fraction());
  }
}

/** Not the record's fault: skipping it would not help. */
function isFinal(cause: unknown): boolean {
  if (cause instanceof TaskFailure) return cause.code === 'memory';
  return cause instanceof Error && cause.name === 'LoopGuardError';
}

/** The TaskError of whatever loading, mapping or writing threw. */
export function runErrorOf(thrown: unknown, origin: ProgramOrigin): TaskError {
  const loading = thrown instanceof LoadFailure;
  const cause = loading || thrown instanceof RecordFailure ? thrown.cause : thrown;
  const failure =
    cause instanceof SpillTooLargeError ? new TaskFailure('memory', cause.message) : cause;
  const error = taskErrorOf(failure, origin, loading ? 'bad_program' : 'program_threw');
  return thrown instanceof RecordFailure ? { ...error, record: thrown.offset } : error;
}
