// Cuts a result part, read chunk by chunk, into windows of whole lines. Memory is bounded by the chunk: a line
// longer than one (a key with very many values) is passed on as its place in the part, to be read when needed.
import { keyEnd, keyOf } from './result-line.ts';

/** A line without its newline, too long to be held. */
export interface LongLine {
  /** R2 key of the part. */
  object: string;
  key: string;
  offset: number;
  length: number;
}

export interface PartObject {
  key: string;
  bytes: number;
}

/** Gives the next chunk of a part: `chunkBytes` of it, fewer at its end. */
export type NextChunk = () => Promise<Uint8Array>;

const NEWLINE = 0x0a;
const decoder = new TextDecoder();
const NOTHING = new Uint8Array();

/** Windows of whole lines, newlines included, and long lines between them, in the order of the part. */
export async function* wholeLines(
  part: PartObject,
  chunkBytes: number,
  nextChunk: NextChunk,
): AsyncGenerator<Uint8Array | LongLine> {
  let carry = NOTHING as Uint8Array;
  let long: LongLineScan | null = null;
  for (let at = 0; at < part.bytes; at += chunkBytes) {
    const chunk = await nextChunk();
    let from = 0;
    if (long) {
      const newline = chunk.indexOf(NEWLINE);
      long.extend(newline === -1 ? chunk : chunk.subarray(0, newline));
      if (newline === -1) continue;
      yield long.finish(at + newline);
      long = null;
      from = newline + 1;
    }
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > from) {
      yield joined(carry, chunk.subarray(from, end));
      carry = chunk.slice(end);
    } else {
      carry = joined(carry, chunk.subarray(from));
    }
    if (carry.length >= chunkBytes) {
      long = new LongLineScan(part.key, at + chunk.length - carry.length, carry);
      carry = NOTHING;
    }
  }
  if (carry.length > 0 || long) throw new Error(`the part ${part.key} ends within a line`);
}

/** Remembers of a long line where it begins and, as soon as that is known, its key. */
class LongLineScan {
  readonly #object: string;
  readonly #offset: number;
  #head: Uint8Array = NOTHING;
  #key: string | null = null;

  constructor(object: string, offset: number, head: Uint8Array) {
    this.#object = object;
    this.#offset = offset;
    this.extend(head);
  }

  extend(bytes: Uint8Array): void {
    if (this.#key !== null) return;
    this.#head = joined(this.#head, bytes);
    const text = decoder.decode(this.#head);
    const end = keyEnd(text);
    if (end === -1) return;
    this.#key = keyOf(text, 0, end);
    this.#head = NOTHING;
  }

  finish(endOffset: number): LongLine {
    if (this.#key === null) throw new Error(`the part ${this.#object} has a line without a key`);
    const offset = this.#offset;
    return { object: this.#object, key: this.#key, offset, length: endOffset - offset };
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
