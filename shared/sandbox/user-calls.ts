// Runs many calls of user code: begun in order and run side by side, so that slow services overlap, while what they
// emit stays in order. A call fails alone. What outgrows the bounds of all of them together is not lost: the run
// then ends early, before the first call that did not fit. What is called, and with what, is the Work's.
import { OUTPUTS_PER_EVENT_MAX } from '../limits.ts';
import { SideOutput } from './side-output.ts';
import { type ProgramOrigin, TaskFailure } from './task-error.ts';
import type { Json } from '../schemas/common.ts';
import type { TaskError } from '../schemas/job.ts';
import { HostCalls } from './host-calls.ts';
import {
  isThenable,
  RealPromise,
  realClearTimeout,
  realNow,
  realSetTimeout,
  whenSettled,
} from './intrinsics.ts';
import { type ContextSource, errorOf, frozen } from './load.ts';
import { Outputs } from './outputs.ts';
import { newSlot, type Slot } from './slot.ts';
import type { StepCount } from './step-count.ts';
import { timersUntilMs } from './timers.ts';
import { type CodeRun, PROCESS_BOUNDS, type ProcessBounds, type Work } from './work.ts';

export class UserCalls<Own> {
  /** By order; null: passed over. */
  readonly slots: (Slot<Own> | null)[] = [];
  readonly source: ContextSource;
  readonly #work: Work<Own>;
  readonly #bounds: ProcessBounds;
  readonly #origin: ProgramOrigin;
  readonly #steps: StepCount;
  readonly #calls: HostCalls;
  readonly #beganMs: number;
  #end: number;
  /** All before this one are done. */
  #first = 0;
  #inFlight = 0;
  /** Waited for others, and need not any more. */
  #ready: Slot<Own>[] = [];
  /** Bytes of outputs that are held. */
  #held = 0;
  #movedMs = realNow();
  #timer: unknown = null;
  #finish: () => void = () => undefined;
  #broke: (error: unknown) => void = () => undefined;

  constructor(
    run: CodeRun<{ params: Json; attempt: number; version: number }>,
    steps: StepCount,
    work: Work<Own>,
    beganMs: number = realNow(),
  ) {
    this.#work = work;
    this.#bounds = run.bounds ?? PROCESS_BOUNDS;
    this.#origin = run.origin;
    this.#steps = steps;
    this.#beganMs = beganMs;
    this.#end = work.count;
    this.#calls = new HostCalls(run.host, () => this.#first, true);
    const { params, attempt, version } = run.call;
    const side = new SideOutput();
    this.source = { params: frozen(params), attempt, version, calls: this.#calls, side };
  }

  /** The run ends before this one. */
  get end(): number {
    return this.#end;
  }
  get log(): string[] {
    return this.source.side.lines;
  }

  /** Rejects only when what is run is not what the log keeps. */
  async run(): Promise<void> {
    await this.#until(() => this.#fill());
  }

  /** Begins this one as soon as there is room: what it waited for has ended. */
  ready(slot: Slot<Own>): void {
    this.#ready[this.#ready.length] = slot;
  }

  /** What is held has grown by this one's: past the bound, later ones give way to earlier ones. */
  makeRoom(order: number, isOver: () => boolean): void {
    if (!isOver()) return;
    this.endBefore(order + 1);
    if (order === 0 || !isOver()) return;
    this.endBefore(order);
    throw new TaskFailure('memory', 'the batch is full: this event is run again in the next one');
  }

  /** All from this one on count as not run. */
  endBefore(order: number): void {
    if (order >= this.#end) return;
    this.#end = order;
    for (let i = order; i < this.slots.length; i++) {
      const slot = this.slots[i];
      if (!slot) continue;
      this.#drop(slot);
      this.#work.dropped?.(slot);
      this.#settle(slot, null);
    }
  }

  /**
   * The loop guard stops the call that takes the next step, which need not be the endless one. So
   * each call that was stopped is made again alone; the run ends after the first that is endless indeed.
   */
  async stopEndless(): Promise<void> {
    for (let order = 0; order < this.#end; order++) {
      if (this.slots[order]?.error?.code !== 'loop_guard') continue;
      if (order > 0 && realNow() - this.#beganMs > this.#bounds.startMs) this.endBefore(order);
      else await this.#again(order);
    }
  }

  async #again(order: number): Promise<void> {
    const again = this.#open(order);
    if (!again) return;
    this.#first = order;
    await this.#until(() => {
      this.#start(again);
      this.#fill();
    });
    if (again.error?.code === 'loop_guard') this.endBefore(order + 1);
  }

  async #until(begin: () => void): Promise<void> {
    await new RealPromise<void>((resolve, reject) => {
      this.#finish = resolve;
      this.#broke = reject;
      begin();
    });
    realClearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Begins calls while there is room; ends the wait when none is left. */
  #fill(): void {
    try {
      for (;;) {
        const next = this.#next();
        if (next < 0 || !this.#hasRoom(next)) break;
        this.#begin(next);
      }
      if (this.#inFlight > 0 || this.#next() >= 0) return this.#arm();
      this.#work.finishing?.();
    } catch (error) {
      return this.#broke(error);
    }
    this.#finish();
  }

  /** The earliest that may begin; -1: none. */
  #next(): number {
    let next = this.slots.length < this.#end ? this.slots.length : -1;
    for (let i = 0; i < this.#ready.length; i++) {
      const { order, ended } = this.#ready[i] as Slot<Own>;
      if (!ended && (next < 0 || order < next)) next = order;
    }
    return next;
  }

  #hasRoom(next: number): boolean {
    const { inFlight, startMs, outputMaxBytes } = this.#bounds;
    if (next > 0 && (this.#held >= outputMaxBytes || realNow() - this.#beganMs > startMs)) {
      this.endBefore(next);
      return false;
    }
    // While calls wait for their turn, another event would only use up its time. Calls of events that have ended
    // already are not waited for.
    return this.#inFlight === 0 || (this.#inFlight < inFlight && this.#calls.gate.waiting === 0);
  }

  #begin(order: number): void {
    if (order < this.slots.length) {
      const left: Slot<Own>[] = [];
      for (let i = 0; i < this.#ready.length; i++) {
        const slot = this.#ready[i] as Slot<Own>;
        if (slot.order !== order && !slot.ended) left[left.length] = slot;
      }
      this.#ready = left;
      return this.#start(this.slots[order] as Slot<Own>);
    }
    const slot = this.#open(order);
    if (!slot) this.#advance();
    else if (this.#work.mayBegin?.(slot) ?? true) this.#start(slot);
  }

  #open(order: number): Slot<Own> | null {
    const own = this.#work.open(order);
    if (own === null) return (this.slots[order] = null);
    const maxBytes = this.#bounds.outputMaxBytes;
    const bounds = { maxEvents: OUTPUTS_PER_EVENT_MAX, maxBytes };
    const isOver = () => this.#held > maxBytes;
    const outputs = new Outputs(bounds, (bytes) => {
      this.#held += bytes;
      this.makeRoom(order, isOver);
    });
    return (this.slots[order] = newSlot(order, own, outputs));
  }

  /** Calls user code; what needs no waiting is done when this returns. */
  #start(slot: Slot<Own>): void {
    this.#inFlight++;
    slot.beganMs = this.#movedMs = realNow();
    this.#steps.begin();
    let returned: unknown;
    try {
      returned = this.#work.call(slot);
      if (!isThenable(returned)) return this.#returned(slot, returned);
    } catch (thrown) {
      return this.#settle(slot, errorOf(thrown, this.#origin));
    }
    whenSettled(
      returned,
      (value) => {
        this.#returned(slot, value);
        this.#fill();
      },
      (thrown) => {
        this.#settle(slot, errorOf(thrown, this.#origin));
        this.#fill();
      },
    );
  }

  #returned(slot: Slot<Own>, value: unknown): void {
    if (slot.ended) return;
    try {
      this.#work.take(slot, value);
      this.#settle(slot, null);
    } catch (thrown) {
      this.#settle(slot, errorOf(thrown, this.#origin));
    }
  }

  #settle(slot: Slot<Own>, error: TaskError | null): void {
    if (slot.ended) return;
    const { refused } = slot.outputs;
    slot.error = refused ? errorOf(refused.thrown, this.#origin) : error;
    if (slot.error) this.#drop(slot);
    slot.outputs.close(`${this.#work.name} had ended before this emit`);
    if (slot.beganMs > 0) this.#inFlight--;
    this.#movedMs = realNow();
    slot.ended = true;
    this.#work.ended?.(slot);
    this.#advance();
    this.#calls.end(slot);
  }

  #advance(): void {
    while (this.#first < this.slots.length && this.#first < this.#end) {
      const slot = this.slots[this.#first];
      if (slot && !slot.ended) break;
      this.#first++;
      if (slot) this.#work.passed?.(slot);
    }
    this.#calls.gate.look();
  }

  #drop({ outputs }: Slot<Own>): void {
    this.#held -= outputs.bytes;
    outputs.clear();
  }

  /** One timer: for the call whose time ends next, and for a run that nothing moves any more. */
  #arm(): void {
    if (this.#timer !== null || this.#inFlight === 0) return;
    const { timeoutMs, quietMs } = this.#bounds;
    const nowMs = realNow();
    let atMs = nowMs + quietMs;
    for (let i = this.#first; i < this.slots.length; i++) {
      const slot = this.slots[i];
      if (slot && isRunning(slot) && slot.beganMs + timeoutMs < atMs) {
        atMs = slot.beganMs + timeoutMs;
      }
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
    let movedMs = answeredMs > this.#movedMs ? answeredMs : this.#movedMs;
    if (timersUntilMs() > movedMs) movedMs = timersUntilMs();
    // Timers may fire a little before their time.
    const quiet = gate.open === 0 && nowMs - movedMs >= quietMs * 0.9;
    for (let i = this.#first; i < this.slots.length; i++) {
      const slot = this.slots[i];
      if (!slot || !isRunning(slot)) continue;
      const late = nowMs - slot.beganMs >= timeoutMs;
      // A timer that fires long after its time finds both: what was due first is said.
      if (quiet && !(late && timeoutMs < quietMs)) {
        const message = 'returned a promise that nothing will ever settle';
        this.#settle(slot, { code: 'program_threw', message });
      } else if (late) {
        const message = `${this.#work.name} took longer than ${timeoutMs} ms`;
        this.#settle(slot, { code: 'deadline', message });
      }
    }
  }
}

const isRunning = ({ beganMs, ended }: Slot<unknown>) => beganMs > 0 && !ended;
