// The host's side of the sandbox: one hidden frame of an opaque origin, and in it Web Workers, each with a
// private channel to this page. Buffers are transferred both ways, never copied. A worker that stalls,
// breaks or dies with its frame gives its run a TaskError; a terminated worker is never used again.
import { DRY_RUN_RECORDS, TASK_STALL_MS } from '../../shared/limits.ts';
import type { DryRunResult } from '../../shared/mapreduce/dry-run.ts';
import { NEW_FUNCTION_ORIGIN } from '../../shared/mapreduce/program-text.ts';
import type { MapPlan, MapResult, MapTask } from '../../shared/mapreduce/task.ts';
import type { TaskError } from '../../shared/schemas/job.ts';
import {
  type FromFrame,
  type FromWorker,
  readFromWorker,
  type ToFrame,
} from './sandbox-messages.ts';
import { frameDocument, workerSource } from './sandbox-source.ts';

/** A frame whose clock is silent for this long has died, most likely for want of memory. */
const FRAME_SILENT_MS = 10_000;
const OPEN_MAX_MS = 20_000;
/** The page looks this often whether the frame still ticks. */
const LOOK_MS = 2_000;

export interface TaskRun {
  plan: MapPlan;
  /** The compiled text; a worker takes one program and keeps it. */
  programText: string;
  task: MapTask;
  /** Its buffer is transferred: empty afterwards. */
  input: Uint8Array<ArrayBuffer> | null;
}

export type MapRan = MapResult & { ms: number };

/** Why the sandbox does not work in this browser at all. */
export class SandboxError extends Error {}

export interface SandboxWorker {
  /** The program that it serves: others' code shall not find its globals bent. Null before the first run. */
  readonly programHash: string | null;
  readonly dead: boolean;
  /** One at a time. Never rejects for what user code does. */
  run(run: TaskRun, options?: { onProgress?: (fraction: number) => void }): Promise<MapRan>;
  dryRun(run: TaskRun): Promise<DryRunResult | { error: TaskError }>;
  /** A run in flight ends with `error`, or as `returned` without one. */
  terminate(error?: TaskError): void;
}

export interface Sandbox {
  readonly dead: boolean;
  worker(): Promise<SandboxWorker>;
  close(): void;
}

export interface SandboxOptions {
  /** About ten times a second, in hidden tabs too: page timers are slowed down there, workers' are not. */
  onTick?: () => void;
}

type Failure = { ok: false; error: TaskError; log: string[] };
const failureOf = (error: TaskError): Failure => ({ ok: false, error, log: [] });

/** Rejects with a SandboxError. */
export async function openSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const frame = new Frame(options.onTick ?? (() => undefined));
  await frame.open();
  return frame;
}

class Frame implements Sandbox {
  readonly #element = document.createElement('iframe');
  readonly #channel = new MessageChannel();
  readonly #workers = new Map<number, FramedWorker>();
  readonly #onTick: () => void;
  #lookTimer: ReturnType<typeof setInterval> | undefined;
  #lastTickMs = performance.now();
  #lastLookMs = performance.now();
  #workersMade = 0;
  #dead = false;

  constructor(onTick: () => void) {
    this.#onTick = onTick;
  }

  get dead(): boolean {
    return this.#dead;
  }

  async open(): Promise<void> {
    const element = this.#element;
    element.setAttribute('sandbox', 'allow-scripts');
    element.setAttribute('referrerpolicy', 'no-referrer');
    element.setAttribute('aria-hidden', 'true');
    element.title = 'Sandbox of lent cores';
    element.hidden = true;
    element.tabIndex = -1;
    element.srcdoc = frameDocument(randomHex(16));
    const opened = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new SandboxError('The sandbox does not open in this browser.')),
        OPEN_MAX_MS,
      );
      this.#channel.port1.onmessage = ({ data }: MessageEvent<FromFrame>) => {
        if (data.type !== 'open') return;
        clearTimeout(timer);
        resolve();
      };
    });
    element.addEventListener(
      'load',
      () => element.contentWindow?.postMessage(workerSource(), '*', [this.#channel.port2]),
      { once: true },
    );
    document.body.append(element);
    try {
      await opened;
    } catch (error) {
      this.close();
      throw error;
    }
    this.#channel.port1.onmessage = ({ data }: MessageEvent<FromFrame>) => this.#hear(data);
    this.#lastTickMs = this.#lastLookMs = performance.now();
    this.#lookTimer = setInterval(() => this.#look(), LOOK_MS);
  }

  async worker(): Promise<SandboxWorker> {
    if (this.#dead) throw new SandboxError('The sandbox was closed.');
    const id = this.#workersMade++;
    const { port1, port2 } = new MessageChannel();
    const worker = new FramedWorker(port1, () => {
      this.#workers.delete(id);
      this.#say({ type: 'terminate', worker: id }, []);
    });
    this.#workers.set(id, worker);
    this.#say({ type: 'spawn', worker: id }, [port2]);
    await worker.ready;
    return worker;
  }

  close(): void {
    this.#end({ code: 'returned', message: 'the sandbox was closed' });
  }

  #end(error: TaskError): void {
    if (this.#dead) return;
    this.#dead = true;
    clearInterval(this.#lookTimer);
    for (const worker of [...this.#workers.values()]) worker.terminate(error);
    this.#channel.port1.close();
    this.#element.remove();
  }

  #say(message: ToFrame, transfer: Transferable[]): void {
    if (!this.#dead) this.#channel.port1.postMessage(message, transfer);
  }

  #hear(message: FromFrame): void {
    if (message.type === 'broke') {
      const { code, text } = brokenBy(message.message);
      this.#workers.get(message.worker)?.terminate({ code, message: text });
    } else if (message.type === 'tick') {
      const nowMs = performance.now();
      const slept = nowMs - this.#lastTickMs > FRAME_SILENT_MS / 2;
      this.#lastTickMs = nowMs;
      for (const worker of this.#workers.values()) worker.checkStall(nowMs, slept);
      this.#onTick();
    }
  }

  /** A frame's process that dies tells nobody. A machine that slept is no death: then this look was late too. */
  #look(): void {
    const nowMs = performance.now();
    const late = nowMs - this.#lastLookMs > LOOK_MS + FRAME_SILENT_MS / 2;
    this.#lastLookMs = nowMs;
    if (late) this.#lastTickMs = nowMs;
    if (nowMs - this.#lastTickMs < FRAME_SILENT_MS) return;
    this.#end({
      code: 'memory',
      message: `the sandbox died silently (no sign for ${FRAME_SILENT_MS / 1000} s): out of memory?`,
    });
  }
}

/** What the browser says of a worker that broke. */
function brokenBy(message: string): { code: 'memory' | 'program_threw'; text: string } {
  if (/out of memory|allocation failed/i.test(message)) {
    return { code: 'memory', text: `the worker ran out of memory (${message})` };
  }
  return { code: 'program_threw', text: message };
}

class FramedWorker implements SandboxWorker {
  readonly ready: Promise<void>;
  readonly #port: MessagePort;
  readonly #onEnd: () => void;
  #programHash: string | null = null;
  #dead = false;
  #runs = 0;
  #lastSignMs = 0;
  #settle: ((message: FromWorker | Failure) => void) | null = null;
  #onProgress: ((fraction: number) => void) | undefined;
  #readied: { resolve: () => void; reject: (error: Error) => void } | null = null;

  constructor(port: MessagePort, onEnd: () => void) {
    this.#port = port;
    this.#onEnd = onEnd;
    this.ready = new Promise((resolve, reject) => (this.#readied = { resolve, reject }));
    port.onmessage = ({ data }: MessageEvent<unknown>) => this.#hear(data);
    port.onmessageerror = () =>
      this.terminate({ code: 'internal', message: 'a message of the worker could not be read' });
  }

  get programHash(): string | null {
    return this.#programHash;
  }

  get dead(): boolean {
    return this.#dead;
  }

  async run(
    run: TaskRun,
    options: { onProgress?: (fraction: number) => void } = {},
  ): Promise<MapRan> {
    this.#onProgress = options.onProgress;
    const startedMs = performance.now();
    const message = await this.#send(run, (common) => ({ type: 'map', ...common }));
    if ('ok' in message) return { ...message, ms: performance.now() - startedMs };
    if (message.type === 'mapped') return { ...message.result, ms: message.ms };
    return { ...failureOf(unexpected(message)), ms: performance.now() - startedMs };
  }

  async dryRun(run: TaskRun): Promise<DryRunResult | { error: TaskError }> {
    const message = await this.#send(run, (common) => ({
      type: 'dry-run',
      recordsMax: DRY_RUN_RECORDS,
      ...common,
    }));
    if ('ok' in message) return { error: message.error };
    return message.type === 'dry-ran' ? message.result : { error: unexpected(message) };
  }

  #send(
    { plan, programText, task, input }: TaskRun,
    messageOf: (common: {
      run: number;
      plan: MapPlan;
      task: MapTask;
      input: Uint8Array | null;
      origin: typeof NEW_FUNCTION_ORIGIN;
    }) => unknown,
  ): Promise<FromWorker | Failure> {
    if (this.#settle !== null) throw new Error('sandbox: a worker runs one task at a time');
    if (this.#programHash !== null && this.#programHash !== plan.programHash) {
      throw new Error('sandbox: a worker serves one program');
    }
    if (this.#dead) {
      return Promise.resolve(failureOf({ code: 'returned', message: 'the worker was ended' }));
    }
    if (this.#programHash === null) {
      this.#programHash = plan.programHash;
      this.#port.postMessage({ type: 'program', text: programText });
    }
    this.#lastSignMs = performance.now();
    return new Promise((resolve) => {
      this.#settle = resolve;
      const common = { run: ++this.#runs, plan, task, input, origin: NEW_FUNCTION_ORIGIN };
      this.#port.postMessage(messageOf(common), input === null ? [] : [input.buffer]);
    });
  }

  terminate(error: TaskError = { code: 'returned', message: 'stopped by the volunteer' }): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#port.close();
    this.#readied?.reject(new SandboxError(error.message));
    this.#readied = null;
    this.#finish(failureOf(error));
    this.#onEnd();
  }

  /** `slept`: the machine stood still, and so did the program. */
  checkStall(nowMs: number, slept: boolean): void {
    if (slept) this.#lastSignMs = nowMs;
    if (this.#settle === null || nowMs - this.#lastSignMs < TASK_STALL_MS) return;
    const seconds = TASK_STALL_MS / 1000;
    this.terminate({
      code: 'deadline',
      message: `no progress for ${seconds} s: an endless loop, or one record that takes longer?`,
    });
  }

  #hear(data: unknown): void {
    const message = readFromWorker(data);
    if (message === null) {
      return this.terminate({ code: 'internal', message: 'the worker sent what cannot be read' });
    }
    switch (message.type) {
      case 'ready':
        this.#readied?.resolve();
        this.#readied = null;
        return;
      case 'unsafe': {
        const names = message.names.slice(0, 10).join(', ');
        return this.terminate({
          code: 'internal',
          message: `This browser cannot take ${names} away from programs.`,
        });
      }
      case 'progress':
        if (message.run !== this.#runs) return;
        this.#lastSignMs = performance.now();
        this.#onProgress?.(message.fraction);
        return;
      default:
        if (message.run === this.#runs) this.#finish(message);
    }
  }

  #finish(message: FromWorker | Failure): void {
    const settle = this.#settle;
    this.#settle = null;
    this.#onProgress = undefined;
    settle?.(message);
  }
}

function unexpected(message: FromWorker): TaskError {
  const text = message.type === 'broke' ? message.message : `the worker answered ${message.type}`;
  return { code: 'internal', message: text };
}

function randomHex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}
