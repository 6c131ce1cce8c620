// Runs a batch of events through `process(event, ctx)`. Events are begun in order and run side by side, so that
// slow calls overlap; their outputs stay in the order of the events. An event fails alone. What outgrows the
// batch's bounds is not lost: the batch then ends early, before the first event that did not fit.
import {
  OUTPUT_BATCH_MAX_BYTES,
  OUTPUTS_PER_EVENT_MAX,
  PROCESS_IN_FLIGHT,
  PROCESS_QUIET_MS,
  PROCESS_START_MS,
  PROCESS_TIMEOUT_MS,
} from '../limits.ts';
import { SideOutput } from '../mapreduce/side-output.ts';
import { type ProgramOrigin, TaskFailure } from '../mapreduce/task-error.ts';
import type { TaskError } from '../schemas/job.ts';
import { HostCalls } from './host-calls.ts';
import {
  apply,
  isIn,
  isThenable,
  parse,
  RealPromise,
  realClearTimeout,
  realNow,
  realSetTimeout,
  splitText,
  whenSettled,
} from './intrinsics.ts';
import {
  contextFor,
  type ContextSource,
  errorOf,
  frozen,
  LoadFailure,
  loadProcess,
  type Process,
  type ProcessorFactory,
} from './load.ts';
import { Outputs } from './outputs.ts';
import type { ProcessCall, ProcessHost, ProcessOutcome } from './process.ts';
import { newSlot, outcomeOf, type Slot } from './slot.ts';
import { StepCount } from './step-count.ts';

export interface ProcessBounds {
  inFlight: number;
  startMs: number;
  timeoutMs: number;
  quietMs: number;
  outputMaxBytes: number;
}

export const PROCESS_BOUNDS: ProcessBounds = {
  inFlight: PROCESS_IN_FLIGHT,
  startMs: PROCESS_START_MS,
  timeoutMs: PROCESS_TIMEOUT_MS,
  quietMs: PROCESS_QUIET_MS,
  outputMaxBytes: OUTPUT_BATCH_MAX_BYTES,
};

export interface ProcessRun {
  factory: ProcessorFactory;
  call: ProcessCall;
  host: ProcessHost;
  /** Where stacks find the program's first line in this realm. */
  origin: ProgramOrigin;
  /** Steps that one event may take; null when the program is not guarded. */
  guardSteps: number | null;
  bounds?: ProcessBounds;
}

/** A program that does not load fails no event: none of them has anything to do with it. */
export type ProcessResult = { ok: true; outcome: ProcessOutcome } | { ok: false; error: TaskError };

/** Rejects only when `call` is not what the log keeps. */
export async function runProcess(run: ProcessRun): Promise<ProcessResult> {
  const steps = new StepCount(run.guardSteps);
  let process: Process;
  try {
    process = loadProcess(run.factory, steps, run.origin);
  } catch (failure) {
    if (failure instanceof LoadFailure) return { ok: false, error: failure.error };
    throw failure;
  }
  return { ok: true, outcome: await new BatchOfEvents(run, process, steps).run() };
}

class BatchOfEvents {
  readonly #run: ProcessRun;
  readonly #bounds: ProcessBounds;
  readonly #process: Process;
  readonly #steps: StepCount;
  readonly #source: ContextSource;
  readonly #calls: HostCalls;
  readonly #lines: string[];
  readonly #beganMs = realNow();
  /** By line; null: passed over. */
  readonly #slots: (Slot | null)[] = [];
  /** The batch ends before this line. */
  #end: number;
  /** All lines before this one are done. */
  #first = 0;
  #inFlight = 0;
  /** Bytes of outputs that are held. */
  #held = 0;
  #movedMs = realNow();
  #timer: unknown = null;
  #finish: () => void = () => undefined;
  #broke: (error: unknown) => void = () => undefined;

  constructor(run: ProcessRun, process: Process, steps: StepCount) {
    this.#run = run;
    this.#bounds = run.bounds ?? PROCESS_BOUNDS;
    this.#process = process;
    this.#steps = steps;
    const { text, params, attempt, version } = run.call;
    const lines = splitText(text, '\n');
    while (lines.length > 0 && lines[lines.length - 1] === '') lines.length--;
    this.#lines = lines;
    this.#end = lines.length;
    this.#calls = new HostCalls(run.host, () => this.#first, true);
    const side = new SideOutput();
    this.#source = { params: frozen(params), attempt, version, calls: this.#calls, side };
  }

  async run(): Promise<ProcessOutcome> {
    await new RealPromise<void>((resolve, reject) => {
      this.#finish = resolve;
      this.#broke = reject;
      this.#fill();
    });
    await this.#stopEndless();
    realClearTimeout(this.#timer);
    return outcomeOf(this.#slots, this.#lines, this.#end, this.#source.side.lines);
  }

  /** Begins events while there is room; ends the wait when none is left. */
  #fill(): void {
    try {
      while (this.#slots.length < this.#end && this.#hasRoom()) this.#begin();
    } catch (error) {
      return this.#broke(error);
    }
    if (this.#inFlight === 0 && this.#slots.length >= this.#end) this.#finish();
    else this.#arm();
  }

  #hasRoom(): boolean {
    const { inFlight, startMs, outputMaxBytes } = this.#bounds;
    const late = realNow() - this.#beganMs > startMs;
    if (this.#slots.length > 0 && (late || this.#held >= outputMaxBytes)) {
      this.#endBefore(this.#slots.length);
      return false;
    }
    // While calls wait for their turn, another event would only use up its time.
    return this.#inFlight < inFlight && this.#calls.gate.waiting === 0;
  }

  #begin(): void {
    const order = this.#slots.length;
    const line = this.#lines[order] as string;
    const event = parse(line) as { offset: number; type: string };
    const { types } = this.#run.call;
    if (types !== null && !isIn(types, event.type)) {
      this.#slots[order] = null;
      this.#advance();
      return;
    }
    const slot = this.#newSlot(order, event.offset, line);
    this.#slots[order] = slot;
    this.#start(slot, event);
  }

  #newSlot(order: number, offset: number, line: string): Slot {
    const maxBytes = this.#bounds.outputMaxBytes;
    const bounds = { maxEvents: OUTPUTS_PER_EVENT_MAX, maxBytes };
    const outputs = new Outputs(bounds, (bytes) => this.#grew(order, bytes));
    return newSlot(order, offset, line, outputs);
  }

  /** Calls user code; an event that needs no waiting is done when this returns. */
  #start(slot: Slot, event: unknown): void {
    this.#inFlight++;
    this.#movedMs = realNow();
    this.#steps.begin();
    const ctx = contextFor(this.#source, slot, slot.outputs);
    const { origin } = this.#run;
    let returned: unknown;
    try {
      // Not as a method: `this` is none of the program's business.
      returned = apply(this.#process, undefined, [event, ctx]);
      if (!isThenable(returned)) return this.#returned(slot, returned);
    } catch (thrown) {
      return this.#settle(slot, errorOf(thrown, origin));
    }
    const goOn = () => this.#fill();
    whenSettled(
      returned,
      (value) => {
        this.#returned(slot, value);
        goOn();
      },
      (thrown) => {
        this.#settle(slot, errorOf(thrown, origin));
        goOn();
      },
    );
  }

  #returned(slot: Slot, value: unknown): void {
    if (slot.ended) return;
    try {
      slot.outputs.take(value);
      this.#settle(slot, null);
    } catch (thrown) {
      this.#settle(slot, errorOf(thrown, this.#run.origin));
    }
  }

  #settle(slot: Slot, error: TaskError | null): void {
    if (slot.ended) return;
    const { refused } = slot.outputs;
    slot.error = refused ? errorOf(refused.thrown, this.#run.origin) : error;
    if (slot.error) this.#drop(slot);
    slot.outputs.close('process had ended before this emit');
    this.#inFlight--;
    this.#movedMs = realNow();
    slot.ended = true;
    this.#advance();
    this.#calls.end(slot);
  }

  #advance(): void {
    while (this.#first < this.#slots.length) {
      const slot = this.#slots[this.#first];
      if (slot && !slot.ended) break;
      this.#first++;
    }
    this.#calls.gate.look();
  }

  /** The outputs that are held have grown by an event's: past the bound, later events give way to earlier ones. */
  #grew(order: number, bytes: number): void {
    this.#held += bytes;
    const { outputMaxBytes } = this.#bounds;
    if (this.#held <= outputMaxBytes) return;
    this.#endBefore(order + 1);
    if (this.#held <= outputMaxBytes || order === 0) return;
    this.#endBefore(order);
    throw new TaskFailure('memory', 'the batch is full: this event is run again in the next one');
  }

  /** Events from this line on count as not run. */
  #endBefore(line: number): void {
    this.#end = line < this.#end ? line : this.#end;
    for (let i = this.#end; i < this.#slots.length; i++) {
      const slot = this.#slots[i];
      if (!slot) continue;
      this.#drop(slot);
      this.#settle(slot, null);
    }
  }

  #drop({ outputs }: Slot): void {
    this.#held -= outputs.bytes;
    outputs.clear();
  }

  /** One timer: for the event whose time ends next, and for a batch that nothing moves any more. */
  #arm(): void {
    if (this.#timer !== null || this.#inFlight === 0) return;
    const { timeoutMs, quietMs } = this.#bounds;
    const nowMs = realNow();
    let atMs = nowMs + quietMs;
    for (let i = this.#first; i < this.#slots.length; i++) {
      const slot = this.#slots[i];
      if (slot && !slot.ended && slot.beganMs + timeoutMs < atMs) atMs = slot.beganMs + timeoutMs;
    }
    this.#timer = realSetTimeout(
      () => {
        this.#timer = null;
        this.#look();
        this.#fill();
      },
      atMs > nowMs ? atMs - nowMs : 0,
    );
  }

  #look(): void {
    const { timeoutMs, quietMs } = this.#bounds;
    const nowMs = realNow();
    const { gate, answeredMs } = this.#calls;
    const movedMs = answeredMs > this.#movedMs ? answeredMs : this.#movedMs;
    // Timers may fire a little before their time.
    const quiet = gate.open === 0 && nowMs - movedMs >= quietMs * 0.9;
    for (let i = this.#first; i < this.#slots.length; i++) {
      const slot = this.#slots[i];
      if (!slot || slot.ended) continue;
      if (quiet) {
        const message = 'returned a promise that nothing will ever settle';
        this.#settle(slot, { code: 'program_threw', message });
      } else if (nowMs - slot.beganMs >= timeoutMs) {
        this.#settle(slot, {
          code: 'deadline',
          message: `process took longer than ${timeoutMs} ms`,
        });
      }
    }
  }

  /**
   * Where the loop guard struck, whoever took the next step was stopped, which need not be the endless one. So
   * each event that was stopped runs again alone; the batch ends after the first that is endless indeed.
   */
  async #stopEndless(): Promise<void> {
    for (let line = 0; line < this.#end; line++) {
      const stopped = this.#slots[line];
      if (stopped?.error?.code !== 'loop_guard') continue;
      if (line > 0 && realNow() - this.#beganMs > this.#bounds.startMs)
        return this.#endBefore(line);
      const again = this.#newSlot(line, stopped.offset, stopped.line);
      this.#slots[line] = again;
      this.#first = line;
      await new RealPromise<void>((resolve) => {
        this.#finish = resolve;
        this.#start(again, parse(stopped.line));
        this.#fill();
      });
      if (again.error?.code === 'loop_guard') return this.#endBefore(line + 1);
    }
  }
}
