// The one door to user code at the edge: a program is loaded into a Worker Loader isolate, without network or bindings.
// Its id is a hash of all the code in it, since the platform takes the same id for the same code; what a call needs
// comes with the call.
import { messageOf } from '../../shared/message-of.ts';
import { MODULE_HEAD } from '../../shared/sandbox/program-text.ts';
import { PROGRAM_FILE } from '../../shared/sandbox/task-error.ts';
import type { Env } from '../platform/env.ts';
import { sha256Hex } from '../platform/sha256.ts';
import { originOf } from './isolate-realm.ts';

const COMPATIBILITY_DATE = '2026-10-01';

/** What runs a program inside its isolate. */
export interface Harness {
  /** The main module; `SETTING` stands for an object {origin, guardSteps}. */
  main: string;
  /** A classic script that defines `globalName`. */
  runtime: string;
  globalName: string;
  guard(text: string, maxSteps: number): string;
}

export interface IsolateKind {
  harness: Harness;
  /** In the id. */
  name: string;
  /** CPU time of one call. */
  cpuMs: number;
  /** Calls of the host count as such. */
  subRequests: number;
  /** Local mode: what the loop guard allows. */
  guardSteps: number;
}

export interface ProgramCode {
  /** R2 key and SHA-256 of the compiled program. */
  programKey: string;
  programHash: string;
  /** Local mode: no CPU limit is enforced there, so loops are counted. */
  guard: boolean;
}

/** The text of a program could not be had: nothing is known of the program itself. */
export class ProgramUnreachableError extends Error {}

const harnessHashes = new WeakMap<Harness, string>();

async function hashOf(harness: Harness): Promise<string> {
  let hash = harnessHashes.get(harness);
  if (hash === undefined) {
    hash = (await sha256Hex(harness.runtime + harness.main)).slice(0, 16);
    harnessHashes.set(harness, hash);
  }
  return hash;
}

/**
 * The isolate of a program; its first call loads it. Calls may reject with `unreachable()`'s error when that is not null.
 */
export async function openIsolate<Entrypoint extends object>(
  { LOADER, BUCKET }: Pick<Env, 'LOADER' | 'BUCKET'>,
  { programKey, programHash, guard }: ProgramCode,
  { harness, name: kind, cpuMs, subRequests, guardSteps }: IsolateKind,
): Promise<{ isolate: Entrypoint; unreachable: () => ProgramUnreachableError | null }> {
  const guardLabel = guard ? `guard-${guardSteps}` : 'free';
  const name = `${programHash}/${await hashOf(harness)}/${kind}-${cpuMs}/${guardLabel}`;
  let failure: ProgramUnreachableError | null = null;
  const load = async () => {
    const text = await programText(BUCKET, programKey).catch((error: unknown) => {
      const reason = messageOf(error);
      throw (failure = new ProgramUnreachableError(`the program cannot be read: ${reason}`));
    });
    const guarded = guard ? harness.guard(text, guardSteps) : text;
    const setting = { origin: originOf(text, guarded), guardSteps: guard ? guardSteps : null };
    const { main, runtime, globalName } = harness;
    return {
      compatibilityDate: COMPATIBILITY_DATE,
      mainModule: 'main.js',
      modules: {
        'main.js': main.replace('SETTING', JSON.stringify(setting)),
        'runtime.js': `${runtime}\nglobalThis.${globalName} = ${globalName};`,
        [PROGRAM_FILE]: `${MODULE_HEAD}${guarded}`,
      },
      env: {},
      globalOutbound: null,
      limits: { cpuMs, subRequests },
    };
  };
  const isolate = callable(
    name,
    (loadedAs) => LOADER.get(loadedAs, load).getEntrypoint() as unknown as Entrypoint,
  );
  return { isolate, unreachable: () => failure };
}

async function programText(bucket: R2Bucket, key: string): Promise<string> {
  const object = await bucket.get(key);
  if (!object) throw new Error(`there is no ${key}`);
  return object.text();
}

/**
 * How many isolates of a program can never be called again: if the invocation that loads one dies meanwhile, the
 * platform cancels every call into it, for good. Then the program is loaded under another name.
 */
const spoilt = new Map<string, number>();
const SPOILT_KEPT = 1_000;

/** The platform ended the call, not the code in it. */
export const isCanceled = (error: unknown): boolean =>
  error instanceof Error && /execution context .*canceled/i.test(error.message);

/**
 * Opens the isolate at each call, not before: an invocation that ends without a call would spoil it while it loads.
 * Notes the isolates that turn out to be spoilt.
 */
function callable<Entrypoint extends object>(
  name: string,
  open: (loadedAs: string) => Entrypoint,
): Entrypoint {
  type Call = (...args: unknown[]) => Promise<unknown>;
  const call = async (method: string | symbol, args: unknown[]): Promise<unknown> => {
    const times = spoilt.get(name) ?? 0;
    try {
      return await (Reflect.get(open(`${name}/${times}`), method) as Call)(...args);
    } catch (error) {
      // Several calls may find out at once.
      if (isCanceled(error) && (spoilt.get(name) ?? 0) === times) {
        if (spoilt.size >= SPOILT_KEPT) spoilt.clear();
        spoilt.set(name, times + 1);
      }
      throw error;
    }
  };
  return new Proxy({} as Entrypoint, {
    // It must not be taken for a promise.
    get: (_, method) =>
      method === 'then' ? undefined : (...args: unknown[]) => call(method, args),
  });
}
