// The mapper's table: what was emitted, by key, combined as it comes. Its memory is bounded: past
// `bufferBytes` it is sorted into a run, and runs are merged into the spill at the end. A key's values keep
// the order in which they were emitted.
import type { Json } from '../schemas/common.ts';
import { SPILL_BUFFER_BYTES } from '../limits.ts';
import { BlockReader, BlockWriter, type RecordBlock } from './blocks.ts';
import { accumulate, type BuiltinName, initial } from './builtins.ts';
import { partitionOf } from './hash.ts';
import { mergeSync } from './merge.ts';
import { sortKeys } from './order.ts';
import type { SpillWriter } from './spill.ts';
import { checkJson, keyText, valueText } from './strict-json.ts';

export type Combine =
  | { kind: 'none' }
  | { kind: 'builtin'; name: Exclude<BuiltinName, 'collect'> }
  | { kind: 'code'; combine: (key: string, values: Json[]) => unknown };

/** A code combine runs when a key has gathered this many values, and at the end. */
const COMBINE_AT_VALUES = 64;
/** Estimated memory of a key besides its characters, and of a small value. */
const KEY_OVERHEAD_BYTES = 96;
const VALUE_OVERHEAD_BYTES = 24;

type Run = Uint8Array[][];

export class Table {
  emitted = 0;
  readonly #combine: Combine;
  readonly #partitions: number;
  readonly #bufferBytes: number;
  /** Built-in combine: one value a key. Otherwise its values: JSON for a code combine, texts for none. */
  #single = new Map<string, Json>();
  #lists = new Map<string, Json[]>();
  #bytes = 0;
  readonly #runs: Run[] = [];

  constructor(combine: Combine, partitions: number, bufferBytes = SPILL_BUFFER_BYTES) {
    this.#combine = combine;
    this.#partitions = partitions;
    this.#bufferBytes = bufferBytes;
  }

  /** Throws BadKeyError or BadValueError. */
  emit(rawKey: unknown, value: unknown): void {
    const key = keyText(rawKey);
    this.emitted++;
    if (this.#combine.kind === 'builtin') this.#emitSingle(this.#combine.name, key, value);
    else this.#emitListed(key, value);
    if (this.#bytes > this.#bufferBytes) this.#spillRun();
  }

  #emitSingle(name: Exclude<BuiltinName, 'collect'>, key: string, value: unknown): void {
    const before = this.#single.get(key);
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      // Also checks its size: what is kept of a value may be the value itself ("first").
      valueText(value, key);
      if (before === undefined) this.#bytes += name === 'first' ? JSON.stringify(value).length : 0;
    }
    const first = initial(name, value as Json, false);
    if (before === undefined) {
      this.#bytes += KEY_OVERHEAD_BYTES + key.length * 2;
      this.#single.set(key, first);
    } else if (name !== 'first') {
      this.#single.set(key, accumulate(name, before, first));
    }
  }

  #emitListed(key: string, value: unknown): void {
    let kept: Json;
    if (this.#combine.kind === 'none') {
      kept = valueText(value, key);
      this.#bytes += VALUE_OVERHEAD_BYTES + kept.length;
    } else {
      if (typeof value === 'number') checkJson(value, key, 0);
      else this.#bytes += valueText(value, key).length * 2;
      kept = value as Json;
      this.#bytes += VALUE_OVERHEAD_BYTES;
    }
    const list = this.#lists.get(key);
    if (!list) {
      this.#bytes += KEY_OVERHEAD_BYTES + key.length * 2;
      this.#lists.set(key, [kept]);
      return;
    }
    list.push(kept);
    if (this.#combine.kind === 'code' && list.length >= COMBINE_AT_VALUES) {
      const combined = this.#combineList(key, list);
      this.#lists.set(key, [combined]);
    }
  }

  /** Writes everything to the spill, in order. The number of records written. */
  writeTo(spill: SpillWriter): number {
    let written = 0;
    const add = (partition: number, key: string, text: string) => {
      spill.add(partition, key, text);
      written++;
    };
    if (this.#runs.length === 0) {
      this.#forEachSorted(add);
      return written;
    }
    this.#spillRun();
    for (let partition = 0; partition < this.#partitions; partition++) {
      const sources = this.#runs.map((run) => readBlocks(run[partition] ?? []));
      this.#mergeCombined(sources, (key, text) => add(partition, key, text));
    }
    return written;
  }

  #combineList(key: string, values: Json[]): Json {
    if (this.#combine.kind !== 'code') throw new Error('combineList without a combine');
    const combined: unknown = this.#combine.combine(key, values);
    checkJson(combined, key, 0);
    return combined;
  }

  /** Everything in the table by partition and key; forgets it. */
  #forEachSorted(visit: (partition: number, key: string, text: string) => void): void {
    const buckets: string[][] = Array.from({ length: this.#partitions }, () => []);
    const table = this.#combine.kind === 'builtin' ? this.#single : this.#lists;
    for (const key of table.keys()) buckets[partitionOf(key, this.#partitions)]?.push(key);
    buckets.forEach((keys, partition) => {
      for (const key of sortKeys(keys)) {
        if (this.#combine.kind === 'builtin') {
          visit(partition, key, valueText(this.#single.get(key), key));
          continue;
        }
        const list = this.#lists.get(key) ?? [];
        if (this.#combine.kind === 'code') {
          visit(partition, key, valueText(this.#combineList(key, list), key));
        } else {
          for (const text of list) visit(partition, key, text as string);
        }
      }
    });
    this.#single = new Map();
    this.#lists = new Map();
    this.#bytes = 0;
  }

  #spillRun(): void {
    const run: Run = [];
    for (let i = 0; i < this.#partitions; i++) run.push([]);
    let writer = new BlockWriter();
    let open = -1;
    const keep = (partition: number, block: Uint8Array | null) => {
      if (block) run[partition]?.push(block);
    };
    this.#forEachSorted((partition, key, text) => {
      if (partition !== open) {
        keep(open, writer.finish());
        writer = new BlockWriter();
        open = partition;
      }
      keep(partition, writer.add(key, text));
    });
    keep(open, writer.finish());
    this.#runs.push(run);
  }

  /** Merges runs and combines what equal keys of several runs hold. */
  #mergeCombined(sources: Iterator<RecordBlock>[], add: (key: string, text: string) => void): void {
    const combine = this.#combine;
    let open: string | null = null;
    let values: Json[] = [];
    const flush = () => {
      if (open === null) return;
      const [first, ...rest] = values;
      let result = first as Json;
      if (combine.kind === 'code')
        result = rest.length > 0 ? this.#combineList(open, values) : result;
      else if (combine.kind === 'builtin') {
        for (const value of rest) result = accumulate(combine.name, result, value);
      }
      add(open, valueText(result, open));
    };
    for (const { keys, values: texts } of mergeSync(sources)) {
      keys.forEach((key, i) => {
        const text = texts[i] as string;
        if (combine.kind === 'none') return add(key, text);
        if (key !== open) {
          flush();
          open = key;
          values = [];
        }
        values.push(JSON.parse(text) as Json);
      });
    }
    flush();
  }
}

function* readBlocks(blocks: Uint8Array[]): Generator<RecordBlock> {
  const reader = new BlockReader();
  for (const block of blocks) yield* reader.push(block);
}
