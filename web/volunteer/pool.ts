// The pool: as many sandboxed workers as the person lends. Takes grants, downloads ahead, runs, uploads, and
// reports each lease exactly once, unless it was revoked. What it decides is in planning.ts.
import { SLOTS_MAX } from '../../shared/limits.ts';
import type { MapPlan, MapTask } from '../../shared/mapreduce/task.ts';
import type { Grant } from '../../shared/protocol.ts';
import type { TaskError } from '../../shared/schemas/job.ts';
import type { MapRan, SandboxWorker } from './framed-worker.ts';
import { type DataRoutes, LeaseLost, SpillRefused, type SplitInput } from './data-routes.ts';
import {
  inputBytes,
  inputsHeldMax,
  mayDownload,
  nextToRun,
  overdue,
  type Shown,
  spillsHeldMax,
  type Timed,
  type WorkerView,
  workerViews,
} from './planning.ts';
import { ProgramCache, type SeenProgram } from './program-cache.ts';
import type { Sandbox } from './sandbox.ts';

export interface PoolEvents {
  done(lease: string, receipt: string, ms: number): void;
  failed(lease: string, error: TaskError, ms: number): void;
  returned(lease: string): void;
  /** No sandbox can be had any more. */
  broken(message: string): void;
}

export interface PoolPorts {
  data: DataRoutes;
  openSandbox: () => Promise<Sandbox>;
  events: PoolEvents;
}

interface Held extends Timed {
  grant: Grant;
  plan: MapPlan;
  programHash: string;
  readyAtMs: number;
  input: SplitInput | null;
  /** Of its input, for the upload. */
  range: string;
  abort: AbortController;
  fraction: number;
  startedAtMs: number;
}

interface Slot {
  worker: SandboxWorker | null;
  held: Held | null;
}

const SANDBOX_FAILURES_MAX = 3;
/** Ticks further apart than this: the machine slept, and no program is to blame for what ran out meanwhile. */
const SLEPT_MS = 5_000;

export class Pool {
  readonly #deps: PoolPorts;
  readonly #plans = new Map<string, MapPlan>();
  readonly #programs: ProgramCache;
  readonly #held = new Map<string, Held>();
  readonly #waiting = new Map<string, Held>();
  readonly #downloading = new Set<Held>();
  readonly #uploading = new Set<Held>();
  readonly #ready: Held[] = [];
  readonly #slots: Slot[] = [];
  #slotsWanted = 0;
  #sandbox: Promise<Sandbox> | null = null;
  #sandboxFailures = 0;
  #lastTickMs = performance.now();

  constructor(deps: PoolPorts) {
    this.#deps = deps;
    this.#programs = new ProgramCache((lease, signal) => deps.data.program(lease, signal));
  }

  /** What runs or ran here, newest first. */
  get seen(): SeenProgram[] {
    return this.#programs.seen;
  }

  get #running(): number {
    return this.#slots.reduce((count, { held }) => count + (held ? 1 : 0), 0);
  }

  get #downloadingBytes(): number {
    let bytes = 0;
    for (const { grant } of this.#downloading) bytes += inputBytes(grant.task.split);
    return bytes;
  }

  /** Nothing in hand. */
  get empty(): boolean {
    return this.#held.size === 0;
  }

  /** A worker idles and nothing is on its way to it. */
  get wantsWork(): boolean {
    return (
      this.#waiting.size + this.#downloading.size + this.#ready.length === 0 &&
      this.#running < Math.max(1, this.#slotsWanted)
    );
  }

  /** Rejects with a SandboxError. */
  async open(): Promise<void> {
    await this.#openSandbox();
  }

  setSlots(slots: number): void {
    this.#slotsWanted = slots;
    while (this.#slots.length < slots) this.#slots.push({ worker: null, held: null });
    this.#trim();
    this.#pump();
  }

  grant(plans: MapPlan[], grants: Grant[]): void {
    for (const plan of plans) this.#plans.set(plan.job, plan);
    if (plans.length > 0) {
      this.#programs.trim(new Set([...this.#held.values()].map((held) => held.programHash)));
    }
    const nowMs = performance.now();
    for (const grant of grants) {
      const plan = this.#plans.get(grant.job);
      if (!plan) {
        this.#deps.events.returned(grant.lease);
        continue;
      }
      const held: Held = {
        grant,
        plan,
        programHash: plan.programHash,
        stage: 'waiting',
        sinceMs: nowMs,
        readyAtMs: nowMs,
        deadlineMs: nowMs + grant.leaseMs,
        input: null,
        range: '',
        abort: new AbortController(),
        fraction: 0,
        startedAtMs: 0,
      };
      this.#held.set(grant.lease, held);
      this.#waiting.set(grant.lease, held);
    }
    this.#pump();
  }

  /** Stops these and reports nothing. */
  revoke(leases: string[]): void {
    for (const lease of leases) {
      const held = this.#held.get(lease);
      if (held) this.#drop(held);
    }
    this.#pump();
  }

  /** Gives back what has not begun; what runs goes on. */
  giveBackWaiting(): void {
    for (const held of [...this.#waiting.values(), ...this.#downloading, ...this.#ready]) {
      this.#giveBack(held);
    }
  }

  /** Stops everything at once. `report`: give the leases back; the lobby frees a closed socket's by itself. */
  halt(report: boolean): void {
    for (const held of [...this.#held.values()]) {
      if (report) this.#giveBack(held);
      else this.#drop(held);
    }
    for (const slot of this.#slots) this.#endWorker(slot);
  }

  /** Forgets the plans too: a new socket is told them again. */
  forget(): void {
    this.halt(false);
    this.#plans.clear();
  }

  close(): void {
    this.#slotsWanted = 0;
    this.forget();
    this.#slots.length = 0;
    void this.#sandbox?.then((sandbox) => sandbox.close()).catch(() => undefined);
    this.#sandbox = null;
  }

  /** What is worked on, for the lobby's progress beat. */
  alive(): { lease: string; fraction: number }[] {
    const running = this.#slots.flatMap(({ held }) => (held ? [held] : []));
    return [...running, ...this.#uploading, ...this.#downloading]
      .slice(0, SLOTS_MAX)
      .map(({ grant, fraction }) => ({ lease: grant.lease, fraction }));
  }

  /** A progress beat went out: the lobby renews everything that this volunteer holds. */
  renew(): void {
    const nowMs = performance.now();
    for (const held of this.#held.values()) held.deadlineMs = nowMs + held.grant.leaseMs;
  }

  tick(): void {
    const nowMs = performance.now();
    const slept = nowMs - this.#lastTickMs > SLEPT_MS;
    this.#lastTickMs = nowMs;
    for (const held of [...this.#held.values()]) {
      const verdict = overdue(held, nowMs);
      if (verdict === null) continue;
      const worker = this.#slots.find((slot) => slot.held === held)?.worker;
      if (verdict === 'fail' && !slept && worker) {
        const seconds = Math.round(held.grant.leaseMs / 1000);
        worker.terminate({ code: 'deadline', message: `ran past its lease of ${seconds} s` });
      } else {
        this.#giveBack(held);
      }
    }
    this.#pump();
  }

  views(): WorkerView[] {
    const slots = this.#slots.slice(0, Math.max(this.#slotsWanted, this.#running));
    return workerViews(
      slots.map(({ held }) => (held ? shownOf(held) : null)),
      [...this.#uploading].map(shownOf),
      [...this.#downloading].map(shownOf),
    );
  }

  // --- Download ahead, run, upload ------------------------------------------------------------------

  /** Starts what can be started. Called after whatever may have made room. */
  #pump(): void {
    do this.#fill();
    while (this.#startOne());
  }

  #fill(): void {
    for (const held of this.#waiting.values()) {
      if (this.#downloading.size + this.#ready.length >= inputsHeldMax(this.#slotsWanted)) return;
      const nextBytes = inputBytes(held.grant.task.split);
      if (!mayDownload(this.#downloadingBytes, nextBytes, this.#slotsWanted)) return;
      this.#waiting.delete(held.grant.lease);
      if (
        held.grant.task.split.kind === 'integers' &&
        this.#programs.text(held.programHash) !== null
      ) {
        this.#makeReady(held);
      } else {
        void this.#download(held);
      }
    }
  }

  #makeReady(held: Held): void {
    held.readyAtMs = performance.now();
    enter(held, 'ready');
    this.#ready.push(held);
  }

  async #download(held: Held): Promise<void> {
    this.#downloading.add(held);
    enter(held, 'downloading');
    const { lease, task } = held.grant;
    const { signal } = held.abort;
    try {
      const [, input] = await Promise.all([
        this.#programs.load(held.programHash, lease),
        task.split.kind === 'bytes' ? this.#deps.data.input(lease, signal) : null,
      ]);
      if (!this.#downloading.delete(held)) return;
      held.input = input;
      held.range = input?.range ?? '';
      this.#makeReady(held);
    } catch (error) {
      if (this.#held.get(lease) === held) this.#giveBack(held);
      if (!(error instanceof LeaseLost) && !signal.aborted) throw error;
    } finally {
      this.#pump();
    }
  }

  #startOne(): boolean {
    if (this.#ready.length === 0) return false;
    if (this.#uploading.size >= spillsHeldMax(this.#slotsWanted)) return false;
    const idle = this.#slots.slice(0, this.#slotsWanted).filter(({ held }) => held === null);
    const nowMs = performance.now();
    // A worker that knows the oldest task's program first: it need not be made anew.
    const oldest = this.#ready[0]?.programHash;
    const slot = idle.find(({ worker }) => worker?.programHash === oldest) ?? idle[0];
    if (!slot) return false;
    const usable = slot.worker && !slot.worker.dead ? slot.worker.programHash : null;
    const [held] = this.#ready.splice(nextToRun(this.#ready, usable, nowMs), 1);
    if (!held) return false;
    slot.held = held;
    void this.#run(slot, held);
    return true;
  }

  async #run(slot: Slot, held: Held): Promise<void> {
    const { lease, task } = held.grant;
    const programText = this.#programs.use(held.plan);
    enter(held, 'running');
    held.startedAtMs = Date.now();
    try {
      const worker = await this.#workerFor(slot, held);
      // Revoked while the worker was made.
      if (worker === null) return;
      const { plan, input } = held;
      held.input = null;
      const ran = await worker.run(
        { plan, programText, task: alignedTask(task, input), input: input?.bytes ?? null },
        { onProgress: (fraction) => void (held.fraction = fraction) },
      );
      if (this.#held.get(lease) === held) this.#ran(held, ran);
    } catch (error) {
      if (this.#held.get(lease) === held) this.#giveBack(held);
      this.#sandboxFailed(error);
    } finally {
      if (slot.held === held) slot.held = null;
      this.#trim();
      this.#pump();
    }
  }

  #ran(held: Held, ran: MapRan): void {
    if (ran.ok) {
      void this.#upload(held, ran);
    } else {
      this.#forgetHeld(held);
      if (ran.error.code === 'returned') this.#deps.events.returned(held.grant.lease);
      else this.#deps.events.failed(held.grant.lease, ran.error, ran.ms);
    }
  }

  async #upload(held: Held, { spill, digest, ms }: MapRan & { ok: true }): Promise<void> {
    const { grant, range, abort } = held;
    const { lease } = grant;
    const { events } = this.#deps;
    this.#uploading.add(held);
    enter(held, 'uploading');
    held.fraction = 1;
    try {
      const receipt = await this.#deps.data.output(lease, { spill, digest, range }, abort.signal);
      if (this.#forgetHeld(held)) events.done(lease, receipt, ms);
    } catch (error) {
      if (!this.#forgetHeld(held)) return;
      if (error instanceof SpillRefused) {
        events.failed(lease, { code: 'bad_spill', message: error.message }, ms);
      } else {
        events.returned(lease);
      }
    } finally {
      this.#pump();
    }
  }

  // --- Workers --------------------------------------------------------------------------------------

  /** Null: the slot does something else by now. */
  async #workerFor(slot: Slot, held: Held): Promise<SandboxWorker | null> {
    const current = slot.worker;
    if (current && !current.dead && current.programHash === held.programHash) return current;
    this.#endWorker(slot);
    const worker = await (await this.#openSandbox()).worker();
    this.#sandboxFailures = 0;
    if (slot.held !== held) {
      worker.terminate();
      return null;
    }
    slot.worker = worker;
    return worker;
  }

  async #openSandbox(): Promise<Sandbox> {
    const sandbox = await (this.#sandbox ??= this.#deps.openSandbox());
    if (!sandbox.dead) return sandbox;
    return await (this.#sandbox = this.#deps.openSandbox());
  }

  #sandboxFailed(error: unknown): void {
    this.#sandbox = null;
    if (++this.#sandboxFailures < SANDBOX_FAILURES_MAX) return;
    this.#deps.events.broken(error instanceof Error ? error.message : String(error));
  }

  #endWorker(slot: Slot): void {
    slot.worker?.terminate();
    slot.worker = null;
  }

  /** Takes away the slots above the wanted number once they are idle. */
  #trim(): void {
    for (let slot = this.#slots.at(-1); slot; slot = this.#slots.at(-1)) {
      if (this.#slots.length <= this.#slotsWanted || slot.held) return;
      this.#endWorker(slot);
      this.#slots.pop();
    }
  }

  // --- Leases ---------------------------------------------------------------------------------------

  #giveBack(held: Held): void {
    this.#drop(held);
    this.#deps.events.returned(held.grant.lease);
  }

  #drop(held: Held): void {
    const stage = held.stage;
    this.#forgetHeld(held);
    held.abort.abort();
    if (stage !== 'running') return;
    const slot = this.#slots.find((candidate) => candidate.held === held);
    if (slot) {
      slot.held = null;
      this.#endWorker(slot);
    }
  }

  /** False if it was not held any more. */
  #forgetHeld(held: Held): boolean {
    const { lease } = held.grant;
    if (this.#held.get(lease) !== held) return false;
    this.#held.delete(lease);
    this.#waiting.delete(lease);
    this.#downloading.delete(held);
    this.#uploading.delete(held);
    const at = this.#ready.indexOf(held);
    if (at >= 0) this.#ready.splice(at, 1);
    held.input = null;
    return true;
  }
}

/** The task with the range that its input really has. */
function alignedTask(task: MapTask, input: SplitInput | null): MapTask {
  if (!input) return task;
  const { start, bytes } = input;
  return { ...task, split: { kind: 'bytes', start, end: start + bytes.length } };
}

function enter(held: Held, stage: Held['stage']): void {
  held.stage = stage;
  held.sinceMs = performance.now();
  if (stage === 'downloading') held.startedAtMs = Date.now();
}

function shownOf({ grant, plan, fraction, startedAtMs }: Held): Shown {
  const { job, task } = grant;
  return { job, jobName: plan.name, task: task.task, fraction, startedAtMs };
}
