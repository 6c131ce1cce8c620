// Counts the steps of a piece of work instead of timing it: what it looks up, and how many characters or bytes it
// looks at. Figures are the same on every machine, so that a test can say how work grows with its input.

type Method = (...args: unknown[]) => unknown;
type Cost = (self: unknown, args: unknown[], result: unknown) => number;

const lengthOf = (self: unknown): number => (self as ArrayLike<unknown>).length;
const one: Cost = () => 1;
const whole: Cost = lengthOf;
const taken: Cost = (_self, _args, result) => lengthOf(result) + 1;
const passed: Cost = (self, args, result) => {
  const from = Math.max(0, Number(args[1] ?? 0));
  const to = result === -1 ? lengthOf(self) : Number(result);
  return Math.max(0, to - from) + 1;
};
const matched: Cost = (_self, args, result) => {
  const [text, from] = args as [string, number];
  return (result ? (result as RegExpExecArray).index : text.length) - from + 1;
};

const BYTES = Object.getPrototypeOf(Uint8Array.prototype) as object;
const COUNTED: [owner: object, name: string, cost: Cost][] = [
  [String.prototype, 'indexOf', passed],
  [String.prototype, 'includes', whole],
  [String.prototype, 'slice', taken],
  [String.prototype, 'split', whole],
  [String.prototype, 'trim', whole],
  [String.prototype, 'replaceAll', whole],
  [String.prototype, 'charCodeAt', one],
  [RegExp.prototype, 'exec', matched],
  [BYTES, 'indexOf', passed],
  [BYTES, 'set', (_self, [from]) => lengthOf(from)],
  [Set.prototype, 'has', one],
  [Set.prototype, 'add', one],
  [Map.prototype, 'get', one],
  [Map.prototype, 'set', one],
  [Object, 'hasOwn', one],
];

/** How many steps `work` takes. It has to be synchronous: the counters hang in the built-ins while it runs. */
export function stepsOf(work: () => void): number {
  let steps = 0;
  const originals = COUNTED.map(([owner, name, cost]) => {
    const original = Reflect.get(owner, name) as Method;
    const counting = function (this: unknown, ...args: unknown[]): unknown {
      const from: unknown = this instanceof RegExp && this.global ? this.lastIndex : 0;
      const result = Reflect.apply(original, this, args);
      steps += cost(this, this instanceof RegExp ? [args[0], from] : args, result);
      return result;
    };
    return { owner, name, original, counting };
  });
  for (const { owner, name, counting } of originals) Reflect.set(owner, name, counting);
  try {
    work();
  } finally {
    for (const { owner, name, original } of originals) Reflect.set(owner, name, original);
  }
  return steps;
}
