// One sandboxed Web Worker as the host sees it: a private channel, one run at a time, one program for life. A
// worker that stalls, breaks or is ended gives its run a TaskError, and is never used again.
import { DRY_RUN_RECORDS, TASK_STALL_MS } from '../../shared/limits.ts';
import type { DryRunResult } from '../../shared/mapreduce/dry-run.ts';
import { NEW_FUNCTION_ORIGIN } from '../../shared/sandbox/program-text.ts';
import type { MapPlan, MapResult, MapTask } from '../../shared/mapreduce/task.ts';
import type { TaskError } from '../../shared/schemas/job.ts';
import {
  type FromWorker,
  readFromWorker,
  type RunMessage,
  type ToWorker,
} from './sandbox-messages.ts';

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

type Failure = { ok: false; error: TaskError; log: string[] };
const failureOf = (error: TaskError): Failure => ({ ok: false, error, log: [] });

export class FramedWorker implements SandboxWorker {
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
    messageOf: (common: RunMessage) => ToWorker,
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
      const browser = plan.step?.browser === true;
      this.#port.postMessage({ type: 'program', text: programText, browser } satisfies ToWorker);
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
