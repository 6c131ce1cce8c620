// What the runner needs of the language, kept before user code runs in its realm: a program may replace
// JSON.stringify or Promise.prototype.then, and must deceive no code but its own. For the same reason the
// runner's files use index loops and plain text instead of iterators and array methods.

export const { parse, stringify } = JSON;
export const { apply } = Reflect;
export const { hasOwn, keys, freeze } = Object;
const { create } = Object;
export const { isArray } = Array;
export const RealPromise = Promise;
export const RealError = Error;
export const RealProxy = Proxy;
export const RealDate = Date;
export const realNow = Date.now.bind(Date);
export const realSetTimeout = setTimeout;
export const realClearTimeout = clearTimeout as (timer: unknown) => void;
export const RealTextDecoder = TextDecoder;
export const RealTextEncoder = TextEncoder;

const { then } = Promise.prototype;
const { split, indexOf, slice } = String.prototype;

export const splitText = (text: string, by: string): string[] =>
  apply(split, text, [by]) as string[];
export const indexIn = (text: string, part: string, from = 0): number =>
  apply(indexOf, text, [part, from]) as number;
export const sliceOf = (text: string, start: number, end?: number): string =>
  apply(slice, text, [start, end]) as string;

export function isIn(list: readonly string[], text: string): boolean {
  for (let i = 0; i < list.length; i++) if (list[i] === text) return true;
  return false;
}

/** A dictionary without a prototype. */
export const dictionary = <Value>(): Record<string, Value> => create(null) as Record<string, Value>;

/** Calls exactly one of the two once `value` has settled; what is no promise, or only looks like one, too. */
export function whenSettled(
  value: unknown,
  done: (result: unknown) => void,
  failed: (reason: unknown) => void,
): void {
  const watch = (promise: unknown) => void apply(then, promise, [done, failed]);
  try {
    watch(value);
  } catch {
    // Not a native promise: its own `then` is called, once.
    watch(new RealPromise((resolve) => resolve(value)));
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  if (value instanceof RealPromise) return true;
  return typeof (value as { then?: unknown }).then === 'function';
}
