// The mapper's table: what was emitted, by key, combined as it comes. Its memory is bounded: past
// `bufferBytes` it is sorted into a run, and runs are merged into the spill at the end. A key's values keep
// the order in which they were emitted.
import type { Json } from '../schemas/common.ts';
import { SPILL_BUFFER_BYTES, SPILL_MAX_BYTES } from '../limits.ts';
import { BlockReader, BlockWriter, type RecordBlock } from './blocks.ts';
import { accumulate, type BuiltinName, initial } from './builtins.ts';
import { partitionOf } from './hash.ts';
import { mergeSync } from './merge.ts';
import { sortKeys } from './order.ts';
import { SpillTooLargeError, type SpillWriter } from './spill.ts';
import { keyText, valueText } from '../sandbox/strict-json.ts';

export type Combine =
  | { kind: 'none' }
  | { kind: 'builtin'; name: Exclude<BuiltinName, 'collect'> }
  | { kind: 'code'; combine: (key: string, values: Json[]) => unknown };

/** A code combine runs when a key has gathered this many values, and at the end. */
const COMBINE_AT_VALUES = 64;
/** Estimated memory of a key besides its characters, and of a small value. */
const KEY_OVERHEAD_BYTES = 96;
const VALUE_OVERHEAD_BYTES = 24;

type Kept = number | string;

/** Sorted blocks by partition. */
type Run = Uint8Array[][];

export class Table {
  emitted = 0;
  readonly #combine: Combine;
  readonly #partitions: number;
  readonly #bufferBytes: number;
  readonly #runsMaxBytes: number;
  /**
   * Built-in combine: one value a key. Otherwise its values, in order. Numbers are kept as they are, other
   * values as JSON texts: a program may go on changing an object that it has emitted.
   */
  #single = new Map<string, Kept>();
  #lists = new Map<string, Kept[]>();
  #bytes = 0;
  readonly #runs: Run[] = [];
  #runBytes = 0;

  /** Runs are held in memory: no more of them than of the spill that they become. */
  constructor(
    combine: Combine,
    partitions: number,
    { bufferBytes = SPILL_BUFFER_BYTES, runsMaxBytes = SPILL_MAX_BYTES } = {},
  ) {
    this.#combine = combine;
    this.#partitions = partitions;
    this.#bufferBytes = bufferBytes;
    this.#runsMaxBytes = runsMaxBytes;
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
    const kept = keptOf(value, key);
    if (name === 'first') {
      if (before !== undefined) return;
      this.#single.set(key, kept);
      this.#bytes += typeof kept === 'string' ? kept.length * 2 : 0;
    } else {
      const first = initial(name, typeof kept === 'number' ? kept : (value as Json), false);
      const now = before === undefined ? first : accumulate(name, before, first);
      this.#single.set(key, now as number);
    }
    if (before === undefined) this.#bytes += KEY_OVERHEAD_BYTES + key.length * 2;
  }

  #emitListed(key: string, value: unknown): void {
    const kept = keptOf(value, key);
    this.#bytes += VALUE_OVERHEAD_BYTES + (typeof kept === 'string' ? kept.length * 2 : 0);
    const list = this.#lists.get(key);
    if (!list) {
      this.#bytes += KEY_OVERHEAD_BYTES + key.length * 2;
      this.#lists.set(key, [kept]);
      return;
    }
    list.push(kept);
    if (this.#combine.kind === 'code' && list.length >= COMBINE_AT_VALUES) {
      const before = keptBytes(list);
      const combined = [this.#combineList(key, list)];
      this.#lists.set(key, combined);
      this.#bytes += keptBytes(combined) - before;
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

  #combineList(key: string, values: Kept[]): Kept {
    if (this.#combine.kind !== 'code') throw new Error('combineList without a combine');
    return keptOf(this.#combine.combine(key, values.map(jsonOf)), key);
  }

  /** Everything in the table by partition and key; forgets it. */
  #forEachSorted(visit: (partition: number, key: string, text: string) => void): void {
    const buckets: string[][] = Array.from({ length: this.#partitions }, () => []);
    const single = this.#single;
    const lists = this.#lists;
    const { kind } = this.#combine;
    for (const key of (kind === 'builtin' ? single : lists).keys()) {
      buckets[partitionOf(key, this.#partitions)]?.push(key);
    }
    buckets.forEach((keys, partition) => {
      for (const key of sortKeys(keys)) {
        if (kind === 'builtin') {
          visit(partition, key, textOf(single.get(key) as Kept, key));
          continue;
        }
        const list = lists.get(key) ?? [];
        if (kind === 'code') visit(partition, key, textOf(this.#combineList(key, list), key));
        else for (const kept of list) visit(partition, key, textOf(kept, key));
      }
    });
    this.#single = new Map();
    this.#lists = new Map();
    this.#bytes = 0;
  }

  #spillRun(): void {
    const run: Run = Array.from({ length: this.#partitions }, () => []);
    const writer = new BlockWriter();
    let open = -1;
    const keep = (block: Uint8Array | null) => {
      if (!block) return;
      run[open]?.push(block);
      this.#runBytes += block.length;
      if (this.#runBytes > this.#runsMaxBytes) {
        throw new SpillTooLargeError(
          `the map output of one split takes over ${this.#runsMaxBytes} bytes while it is sorted; use smaller splits or a combine`,
        );
      }
    };
    this.#forEachSorted((partition, key, text) => {
      if (partition !== open) keep(writer.finish());
      open = partition;
      keep(writer.add(key, text));
    });
    keep(writer.finish());
    this.#runs.push(run);
  }

  /** Merges runs and combines what equal keys of several runs hold. */
  #mergeCombined(sources: Iterator<RecordBlock>[], add: (key: string, text: string) => void): void {
    const combine = this.#combine;
    let open: string | null = null;
    let texts: string[] = [];
    const flush = () => {
      if (open === null) return;
      const [first = ''] = texts;
      if (texts.length === 1 || (combine.kind === 'builtin' && combine.name === 'first')) {
        add(open, first);
      } else if (combine.kind === 'code') {
        add(open, textOf(this.#combineList(open, texts), open));
      } else if (combine.kind === 'builtin') {
        const values = texts.map((text) => JSON.parse(text) as Json);
        const { name } = combine;
        const result = values.reduce((before, value) => accumulate(name, before, value));
        add(open, valueText(result, open));
      }
    };
    for (const { keys, values } of mergeSync(sources)) {
      keys.forEach((key, i) => {
        const text = values[i] as string;
        if (combine.kind === 'none') return add(key, text);
        if (key !== open) {
          flush();
          open = key;
          texts = [];
        }
        texts.push(text);
      });
    }
    flush();
  }
}

/** A snapshot of a value. Throws BadValueError. */
function keptOf(value: unknown, key: string): Kept {
  return typeof value === 'number' && Number.isFinite(value) ? value : valueText(value, key);
}

const jsonOf = (kept: Kept): Json => (typeof kept === 'number' ? kept : (JSON.parse(kept) as Json));

const textOf = (kept: Kept, key: string): string =>
  typeof kept === 'number' ? valueText(kept, key) : kept;

function keptBytes(list: Kept[]): number {
  let bytes = 0;
  for (const kept of list) {
    bytes += VALUE_OVERHEAD_BYTES + (typeof kept === 'string' ? kept.length * 2 : 0);
  }
  return bytes;
}

/** Reads a run's blocks once; each is let go as it is read. */
function* readBlocks(blocks: Uint8Array[]): Generator<RecordBlock> {
  const reader = new BlockReader();
  for (let block = blocks.shift(); block; block = blocks.shift()) yield* reader.push(block);
}
