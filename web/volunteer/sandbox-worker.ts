// The glue inside a sandboxed Web Worker: takes everything away from the global object that is not on a
// list, then runs programs with the runtime and talks to the host by a port that user code cannot reach.
// The frame's CSP is the wall; this is the moat. WebRTC, the one network API that CSP does not govern, does
// not exist in workers; whatever the platform adds later is not on the list either.
import type { runDryRun } from '../../shared/mapreduce/dry-run.ts';
import type { ProgramFactory, runMap } from '../../shared/mapreduce/map-run.ts';
import type { FromWorker, RunMessage, ToWorker } from './sandbox-messages.ts';

export interface Runtime {
  runMap: typeof runMap;
  runDryRun: typeof runDryRun;
}

/** See realm.ts. */
export interface GlobalLists {
  allowed: readonly string[];
  browser: readonly string[];
  canvasContexts: readonly string[];
}

/**
 * Travels as text (see sandbox-source.ts): it may use its arguments and globals, and nothing else of this
 * module. Everything that it needs later is taken into constants before user code runs.
 */
export function workerMain(runtime: Runtime, lists: GlobalLists): void {
  const scope = globalThis as unknown as {
    onmessage: ((event: MessageEvent) => void) | null;
    performance: object;
    console: object;
    OffscreenCanvas?: { prototype: { getContext: (kind: string) => unknown } };
  };
  const {
    apply,
    defineProperty,
    deleteProperty,
    getOwnPropertyDescriptor,
    getPrototypeOf,
    ownKeys,
  } = Reflect;
  const { runMap, runDryRun } = runtime;
  const NewFunction = Function;
  const clock = performance;
  const readClock = performance.now;
  const nowMs = () => apply(readClock, clock, []) as number;
  const postMessage = MessagePort.prototype.postMessage;
  const ObjectPrototype = Object.prototype;
  const textOf = String;
  let factory: ProgramFactory | null = null;

  /** Deletes names from the global object and its prototypes; gives what could not be deleted. */
  const remove = (goes: (name: PropertyKey) => boolean): string[] => {
    const left: string[] = [];
    for (
      let object: object | null = globalThis;
      object !== null && object !== ObjectPrototype;
      object = getPrototypeOf(object)
    ) {
      for (const name of ownKeys(object)) {
        if (!goes(name) || deleteProperty(object, name)) continue;
        // Constants cannot be deleted, and do nothing.
        const { value } = getOwnPropertyDescriptor(object, name) ?? {};
        if (typeof value !== 'number') left.push(textOf(name));
      }
    }
    return left;
  };

  /** Takes away what is on no list. */
  const lockDown = (): string[] => {
    const allowed = new Set<PropertyKey>([...lists.allowed, ...lists.browser]);
    const stays = (name: PropertyKey) =>
      name === Symbol.toStringTag || (allowed.has(name) && name !== 'constructor');
    const left = remove((name) => !stays(name));
    // A blob: URL is the only thing that the CSP would let a program load as a script.
    for (const name of ['createObjectURL', 'revokeObjectURL']) {
      if (!deleteProperty(URL, name)) left.push(`URL.${name}`);
    }
    // Harmless stand-ins for what programs use out of habit.
    const silent = () => undefined;
    const log = { log: silent, info: silent, debug: silent, warn: silent, error: silent };
    defineProperty(scope, 'console', { value: log, writable: true, configurable: true });
    const stopped = { now: () => 0, timeOrigin: 0 };
    defineProperty(scope, 'performance', { value: stopped, writable: true, configurable: true });
    return left;
  };

  /** Most programs do without what only browsers have; those that draw get the contexts on the list. */
  const lockBrowser = (stays: boolean): string[] => {
    if (!stays) {
      const goes = new Set<PropertyKey>(lists.browser);
      return remove((name) => goes.has(name));
    }
    const canvas = scope.OffscreenCanvas?.prototype;
    if (canvas) {
      const realContext = canvas.getContext;
      const kinds = new Set(lists.canvasContexts);
      const has = kinds.has.bind(kinds);
      const value = function (this: unknown, kind: unknown, options?: unknown): unknown {
        const name = textOf(kind);
        return has(name) ? apply(realContext, this, [name, options]) : null;
      };
      // Not to be put back in place of what was taken away.
      const fixed = { value, configurable: false, writable: false };
      defineProperty(canvas, 'getContext', fixed);
    }
    return [];
  };

  const converse = (port: MessagePort): void => {
    const say = (message: FromWorker, transfer: Transferable[]) => {
      apply(postMessage, port, [message, transfer]);
    };
    const runOf = ({ plan, task, input, origin }: RunMessage) => {
      if (factory === null) throw new Error('a run came before its program');
      return { factory, plan, task, input, origin, realm: globalThis };
    };
    const map = async (message: RunMessage): Promise<void> => {
      const { run } = message;
      const onProgress = (fraction: number) => say({ type: 'progress', run, fraction }, []);
      const startedMs = nowMs();
      const result = await runMap({ ...runOf(message), onProgress });
      const ms = nowMs() - startedMs;
      say({ type: 'mapped', run, ms, result }, result.ok ? [result.spill.buffer] : []);
    };
    const dryRun = async (message: RunMessage & { recordsMax: number }): Promise<void> => {
      const result = await runDryRun({ ...runOf(message), recordsMax: message.recordsMax });
      say({ type: 'dry-ran', run: message.run, result }, []);
    };
    port.onmessage = ({ data }: MessageEvent<ToWorker>) => {
      if (data.type === 'program') {
        // A text that does not evaluate gives a factory that throws: the runtime says where.
        const { text, browser } = data;
        const left = lockBrowser(browser);
        if (left.length > 0) {
          port.onmessage = null;
          return say({ type: 'unsafe', names: left }, []);
        }
        try {
          factory = NewFunction(`return ${text}\n//# sourceURL=program.js`)() as ProgramFactory;
        } catch (thrown) {
          factory = () => {
            throw thrown;
          };
        }
        return;
      }
      const { run } = data;
      const work = data.type === 'map' ? map(data) : dryRun(data);
      work.catch((thrown: unknown) => say({ type: 'broke', run, message: textOf(thrown) }, []));
    };
    const left = lockDown();
    if (left.length > 0) port.onmessage = null;
    say(left.length > 0 ? { type: 'unsafe', names: left } : { type: 'ready' }, []);
  };

  // The first and only message to the global object brings the port.
  scope.onmessage = ({ ports }: MessageEvent) => {
    scope.onmessage = null;
    const port = ports[0];
    if (port) converse(port);
  };
}
