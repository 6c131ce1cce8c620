// The host's side of the sandbox: one hidden frame of an opaque origin, and in it Web Workers, each with a
// private channel to this page (framed-worker.ts). Browsers give such a frame a process of its own, so that
// a program that eats all memory takes the frame with it, and not the page.
import type { TaskError } from '../../shared/schemas/job.ts';
import { FramedWorker, SandboxError, type SandboxWorker } from './framed-worker.ts';
import type { FromFrame, ToFrame } from './sandbox-messages.ts';
import { frameDocument, workerSource } from './sandbox-source.ts';

/** A frame whose clock is silent for this long has died, most likely for want of memory. */
const FRAME_SILENT_MS = 10_000;
const OPEN_MAX_MS = 20_000;
/** The page looks this often whether the frame still ticks. */
const LOOK_MS = 2_000;

export interface Sandbox {
  readonly dead: boolean;
  worker(): Promise<SandboxWorker>;
  close(): void;
}

export interface SandboxOptions {
  /** About ten times a second, in hidden tabs too: page timers are slowed down there, workers' are not. */
  onTick?: () => void;
}

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

  /** A frame's process dies without a message. A machine that slept is no death: then this look was late too. */
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

function randomHex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}
