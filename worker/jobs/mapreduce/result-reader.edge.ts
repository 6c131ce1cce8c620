// Reads the parts of a result with range reads, in bounded memory: one after the other with read-ahead over
// their borders, or all at once, merged by key. Both give whole lines as text, and long lines as their place.
import {
  CONNECTIONS_MAX,
  RESULT_CHUNK_MAX_BYTES,
  RESULT_CHUNK_MIN_BYTES,
  RESULT_MERGE_BYTES,
  RESULT_READS_MAX,
} from '../../../shared/limits.ts';
import type { RecordBlock } from '../../../shared/mapreduce/blocks.ts';
import { merge } from '../../../shared/mapreduce/merge.ts';
import { ProblemError } from '../../platform/problem.ts';
import { RangeReader } from '../../platform/range-reader.edge.ts';
import { keyEnd, keyOf } from './result-line.ts';
import { type LongLine, type PartObject, wholeLines } from './result-lines.ts';

/** Chunks read ahead while one is worked on. */
const AHEAD_CHUNKS = 4;
/** Bytes of a merge source that are taken apart at once; the rest of its window stays as bytes. */
const BLOCK_BYTES = 8 * 1024;
const NEWLINE = 0x0a;
/** No line begins so: stands for a long line among a merge's values. */
const LONG_MARK = '\0';

export class ResultReader {
  readonly #ranges: RangeReader;
  readonly #parts: PartObject[];
  readonly #decoder = new TextDecoder();

  constructor(bucket: R2Bucket, parts: PartObject[]) {
    this.#ranges = new RangeReader(bucket, CONNECTIONS_MAX);
    this.#parts = parts;
  }

  /** Part after part. Throws `too_large` when that takes more reads than the platform allows. */
  inPartitions(): AsyncGenerator<string | LongLine> {
    this.#checkReads(RESULT_CHUNK_MAX_BYTES);
    return this.#inPartitions();
  }

  /** All lines by key. Throws `too_large` when that takes more reads than the platform allows. */
  byKey(): AsyncGenerator<string | LongLine> {
    const each = Math.floor(RESULT_MERGE_BYTES / Math.max(1, this.#parts.length));
    const chunkBytes = Math.max(RESULT_CHUNK_MIN_BYTES, Math.min(RESULT_CHUNK_MAX_BYTES, each));
    this.#checkReads(chunkBytes);
    return this.#byKey(chunkBytes);
  }

  /** A long line's bytes, in chunks. */
  async *bytesOf({ object, offset, length }: LongLine): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < length; at += RESULT_CHUNK_MAX_BYTES) {
      const chunkBytes = Math.min(RESULT_CHUNK_MAX_BYTES, length - at);
      yield await this.#ranges.read(object, offset + at, chunkBytes);
    }
  }

  /** A long line as text, whole. */
  async textOf({ object, offset, length }: LongLine): Promise<string> {
    return this.#decoder.decode(await this.#ranges.read(object, offset, length));
  }

  async *#inPartitions(): AsyncGenerator<string | LongLine> {
    const chunkBytes = RESULT_CHUNK_MAX_BYTES;
    const next = this.#readAhead(this.#parts.flatMap((part) => chunksOf(part, chunkBytes)));
    for (const part of this.#parts) {
      for await (const lines of wholeLines(part, chunkBytes, next)) {
        yield lines instanceof Uint8Array ? this.#decoder.decode(lines) : lines;
      }
    }
  }

  async *#byKey(chunkBytes: number): AsyncGenerator<string | LongLine> {
    const long: LongLine[] = [];
    const sources = this.#parts.map((part) => this.#records(part, chunkBytes, long));
    for await (const { values } of merge(sources)) {
      let from = 0;
      for (let i = 0; i < values.length; i++) {
        const value = values[i] as string;
        if (!value.startsWith(LONG_MARK)) continue;
        if (i > from) yield textOfLines(values.slice(from, i));
        yield long[Number(value.slice(1))] as LongLine;
        from = i + 1;
      }
      if (from < values.length) yield textOfLines(from === 0 ? values : values.slice(from));
    }
  }

  /** A part as sorted records, whose values are their whole lines. */
  async *#records(
    part: PartObject,
    chunkBytes: number,
    long: LongLine[],
  ): AsyncGenerator<RecordBlock> {
    const chunks = chunksOf(part, chunkBytes).values();
    const next = () => this.#read(chunks.next().value);
    for await (const lines of wholeLines(part, chunkBytes, next)) {
      if (!(lines instanceof Uint8Array)) {
        yield { keys: [lines.key], values: [LONG_MARK + (long.push(lines) - 1)] };
        continue;
      }
      for (let at = 0; at < lines.length;) {
        const end = blockEnd(lines, at);
        const values = this.#decoder.decode(lines.subarray(at, end - 1)).split('\n');
        yield { keys: values.map((line) => keyOf(line, 0, keyEnd(line))), values };
        at = end;
      }
    }
  }

  /** Reads chunks in their order, some of them before they are asked for. */
  #readAhead(chunks: Chunk[]): () => Promise<Uint8Array> {
    const reading: Promise<Uint8Array>[] = [];
    let begun = 0;
    return () => {
      for (; begun < chunks.length && reading.length <= AHEAD_CHUNKS; begun++) {
        const read = this.#read(chunks[begun]);
        // Who stops asking waits for none of these any more.
        read.catch(() => undefined);
        reading.push(read);
      }
      return reading.shift() ?? Promise.reject(new Error('a part has no such chunk'));
    };
  }

  #read(chunk: Chunk | undefined): Promise<Uint8Array> {
    if (!chunk) throw new Error('a part has no such chunk');
    return this.#ranges.read(chunk.object, chunk.offset, chunk.length);
  }

  #checkReads(chunkBytes: number): void {
    const reads = this.#parts.reduce((sum, { bytes }) => sum + Math.ceil(bytes / chunkBytes), 0);
    if (reads <= RESULT_READS_MAX) return;
    throw new ProblemError(
      'too_large',
      `this takes ${reads} range reads, at most ${RESULT_READS_MAX} can be made; read it as format=ndjson and order=partition, where every partition is sorted by key`,
    );
  }
}

interface Chunk {
  object: string;
  offset: number;
  length: number;
}

function chunksOf({ key, bytes }: PartObject, chunkBytes: number): Chunk[] {
  const chunks: Chunk[] = [];
  for (let offset = 0; offset < bytes; offset += chunkBytes) {
    chunks.push({ object: key, offset, length: Math.min(chunkBytes, bytes - offset) });
  }
  return chunks;
}

/** Behind a newline, about BLOCK_BYTES after `at`. */
function blockEnd(lines: Uint8Array, at: number): number {
  if (lines.length - at <= BLOCK_BYTES) return lines.length;
  const before = lines.lastIndexOf(NEWLINE, at + BLOCK_BYTES);
  return 1 + (before >= at ? before : lines.indexOf(NEWLINE, at + BLOCK_BYTES));
}

const textOfLines = (lines: string[]) => `${lines.join('\n')}\n`;
