// The reduce of one partition over its merged, sorted records: one key at a time, in bounded memory, one
// NDJSON line a key. Built-ins keep one value a key; user code gets a key's values, which are combined
// on the way where the program has a combine.
import { GROUP_MAX_BYTES } from '../limits.ts';
import type { Json } from '../schemas/common.ts';
import type { RecordBlock } from './blocks.ts';
import { accumulate, type BuiltinName, initial } from './builtins.ts';
import { isThenable } from '../sandbox/intrinsics.ts';
import { settle } from '../sandbox/settle.ts';
import { shownKey, valueText } from '../sandbox/strict-json.ts';
import { TaskFailure } from '../sandbox/task-error.ts';

export type ReduceCode = (key: string, values: Json[], ctx: unknown) => unknown;
export type CombineCode = (key: string, values: Json[]) => unknown;

export type Reduction =
  /** `combined`: what is merged are already partial results of the same built-in. */
  | { kind: 'builtin'; name: Exclude<BuiltinName, 'collect'>; combined: boolean }
  /** Every key's values as one array: "collect", and jobs without a reduce. */
  | { kind: 'collect' }
  | { kind: 'code'; reduce: ReduceCode; combine: CombineCode | null; ctx: unknown };

/** Past this many bytes of JSON a key's values are combined, where there is a combine. */
const COMBINE_AT_BYTES = 4 * 1024 * 1024;

export class GroupReducer {
  keys = 0;
  recordsIn = 0;
  readonly #reduction: Reduction;
  readonly #write: (line: string) => void;
  #key: string | null = null;
  #single: Json = null;
  #texts: string[] = [];
  #bytes = 0;

  /** `write` gets whole lines, newline included. */
  constructor(reduction: Reduction, write: (line: string) => void) {
    this.#reduction = reduction;
    this.#write = write;
  }

  /** Throws what the user's code throws, or a TaskFailure. Awaits only where user code is asynchronous. */
  async push({ keys, values }: RecordBlock): Promise<void> {
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as string;
      if (key !== this.#key) {
        const flushed = this.#flush();
        if (flushed) await flushed;
        this.#key = key;
        this.#add(key, values[i] as string, true);
      } else {
        this.#add(key, values[i] as string, false);
      }
    }
    this.recordsIn += keys.length;
  }

  async finish(): Promise<void> {
    await this.#flush();
    this.#key = null;
  }

  #add(key: string, text: string, first: boolean): void {
    const reduction = this.#reduction;
    if (reduction.kind === 'builtin') {
      const value = initial(reduction.name, JSON.parse(text) as Json, reduction.combined);
      this.#single = first ? value : accumulate(reduction.name, this.#single, value);
      return;
    }
    this.#texts.push(text);
    this.#bytes += text.length + 1;
    const combine = reduction.kind === 'code' ? reduction.combine : null;
    if (combine && this.#bytes > COMBINE_AT_BYTES) {
      const combined: unknown = combine(key, this.#parsed());
      this.#texts = [valueText(combined, key)];
      this.#bytes = this.#texts[0]?.length ?? 0;
    }
    if (this.#bytes > GROUP_MAX_BYTES) {
      throw new TaskFailure(
        'memory',
        `the values of ${shownKey(key)} are over ${GROUP_MAX_BYTES} bytes; a combine makes them fewer`,
      );
    }
  }

  #parsed(): Json[] {
    return JSON.parse(`[${this.#texts.join(',')}]`) as Json[];
  }

  /** A promise only where user code returned one. */
  #flush(): Promise<void> | null {
    const key = this.#key;
    if (key === null) return null;
    const reduction = this.#reduction;
    if (reduction.kind === 'builtin') {
      this.#line(key, valueText(this.#single, key));
      return null;
    }
    if (reduction.kind === 'collect') {
      this.#line(key, `[${this.#texts.join(',')}]`);
      this.#forget();
      return null;
    }
    const values = this.#parsed();
    this.#forget();
    const result = reduction.reduce(key, values, reduction.ctx);
    if (isThenable(result)) {
      return settle(result).then((value) => this.#reduced(key, value));
    }
    this.#reduced(key, result);
    return null;
  }

  #reduced(key: string, value: unknown): void {
    this.#line(key, valueText(value, key));
  }

  #forget(): void {
    this.#texts = [];
    this.#bytes = 0;
  }

  #line(key: string, text: string): void {
    this.keys++;
    this.#write(`{"key":${JSON.stringify(key)},"value":${text}}\n`);
  }
}
