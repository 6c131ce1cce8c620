// Blocks: the unit of framing, compression and transfer of sorted records. A block is
//   varint rawLength, varint storedLength, bytes (equal lengths: stored as they are; else raw deflate)
// and holds whole records: varint (0 = the key of the record before, else key bytes + 1), key,
// varint value bytes, value (JSON text). Each block stands alone, so merging needs one block a source.
import { deflateSync, inflateSync } from 'fflate';
import { KEY_MAX_BYTES, SPILL_BLOCK_BYTES, VALUE_MAX_BYTES } from '../limits.ts';
import { compareKeys } from './order.ts';
import {
  type Cursor,
  readVarint,
  SpillFormatError,
  tryReadVarint,
  varintBytes,
  writeVarint,
} from './varint.ts';

export interface RecordBlock {
  keys: string[];
  /** JSON texts. */
  values: string[];
}

/** A block that is full is closed before the next record; one record alone may be larger. */
const BLOCK_MAX_BYTES = SPILL_BLOCK_BYTES + KEY_MAX_BYTES + VALUE_MAX_BYTES + 16;
const FIRST_BYTES = 8 * 1024;
/** Deflating pays from here on; smaller blocks are stored. */
const DEFLATE_FROM_BYTES = 512;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class BlockWriter {
  records = 0;
  /** Grows: most tasks write far less than a block. */
  #raw = new Uint8Array(FIRST_BYTES);
  #length = 0;
  #lastKey: string | null = null;
  readonly #onRaw: ((raw: Uint8Array) => void) | undefined;

  /** `onRaw` sees each block's uncompressed bytes before they are reused: for hashing. */
  constructor(onRaw?: (raw: Uint8Array) => void) {
    this.#onRaw = onRaw;
  }

  /** Adds a record; returns the finished block when the one before it was full. */
  add(key: string, value: string): Uint8Array<ArrayBuffer> | null {
    // Three bytes a code unit is UTF-8's most: decided before encoding, so that blocks are the same everywhere.
    const room = 16 + (key.length + value.length) * 3;
    const full = this.#length > 0 && this.#length + room > SPILL_BLOCK_BYTES;
    const finished = full ? this.finish() : null;
    if (this.#length + room > this.#raw.length) this.#grow(room);
    const raw = this.#raw;
    let at = this.#length;
    if (key === this.#lastKey) raw[at++] = 0;
    else {
      at = writeText(raw, at, key, 1);
      this.#lastKey = key;
    }
    this.#length = writeText(raw, at, value, 0);
    this.records++;
    return finished;
  }

  #grow(room: number): void {
    const raw = new Uint8Array(Math.max(this.#raw.length * 2, this.#length + room));
    raw.set(this.#raw.subarray(0, this.#length));
    this.#raw = raw;
  }

  /** Closes the open block; null when it is empty. */
  finish(): Uint8Array<ArrayBuffer> | null {
    if (this.#length === 0) return null;
    const raw = this.#raw.subarray(0, this.#length);
    this.#onRaw?.(raw);
    const block = frameBlock(raw);
    this.#length = 0;
    this.#lastKey = null;
    return block;
  }
}

/** varint (bytes + bias), then the text in UTF-8. */
function writeText(into: Uint8Array, at: number, text: string, bias: number): number {
  // Short ASCII texts are most of all texts: written without the encoder's call.
  const { length } = text;
  if (length < 64) {
    let i = 0;
    for (; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) break;
      into[at + 1 + i] = code;
    }
    if (i === length) {
      into[at] = length + bias;
      return at + 1 + length;
    }
  }
  const worst = varintBytes(length * 3 + bias);
  const { written } = encoder.encodeInto(text, into.subarray(at + worst));
  const header = varintBytes(written + bias);
  if (header < worst) into.copyWithin(at + header, at + worst, at + worst + written);
  writeVarint(into, at, written + bias);
  return at + header + written;
}

function frameBlock(raw: Uint8Array): Uint8Array<ArrayBuffer> {
  const deflated = raw.length >= DEFLATE_FROM_BYTES ? deflateSync(raw, { level: 1 }) : raw;
  // Compression has to save a tenth to be worth the reader's time.
  const body = deflated.length < raw.length * 0.9 ? deflated : raw;
  const block = new Uint8Array(varintBytes(raw.length) + varintBytes(body.length) + body.length);
  let at = writeVarint(block, 0, raw.length);
  at = writeVarint(block, at, body.length);
  block.set(body, at);
  return block;
}

/** Turns chunks of any size back into blocks. Trusts nothing: what it reads may come from strangers. */
export class BlockReader {
  readonly #pending = new ByteQueue();
  readonly #onRaw: ((raw: Uint8Array) => void) | undefined;

  constructor(onRaw?: (raw: Uint8Array) => void) {
    this.#onRaw = onRaw;
  }

  /**
   * The blocks that are complete now, each unpacked when it is asked for: a small chunk may hold many
   * large ones. All have to be taken before the next push.
   */
  *push(chunk: Uint8Array): Generator<RecordBlock, void, undefined> {
    this.#pending.append(chunk);
    for (;;) {
      const cursor: Cursor = { at: 0 };
      const raw = readFrame(this.#pending.bytes, cursor);
      if (!raw) return this.#pending.settle();
      this.#onRaw?.(raw);
      const block = readRecords(raw);
      this.#pending.drop(cursor.at);
      yield block;
    }
  }

  /** Throws when the last block is cut off. */
  end(): void {
    if (this.#pending.bytes.length > 0) throw new SpillFormatError('a block is cut off');
  }
}

/** Bytes in, bytes out, in amortized constant time a byte, however small the chunks are. */
export class ByteQueue {
  #buffer: Uint8Array = new Uint8Array(0);
  /** Whether the buffer is the queue's own, and may be written to. */
  #owned = false;
  #start = 0;
  #end = 0;

  /** What is in the queue; valid until the next append. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** The chunk may be read where it lies until `settle` is called. */
  append(chunk: Uint8Array): void {
    if (this.#start === this.#end) {
      this.#buffer = chunk;
      this.#owned = false;
      this.#start = 0;
      this.#end = chunk.length;
      return;
    }
    if (!this.#owned || this.#end + chunk.length > this.#buffer.length) this.#copy(chunk.length);
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  drop(bytes: number): void {
    this.#start += bytes;
  }

  /** The caller may use its chunk's memory for something else from here on. */
  settle(): void {
    if (!this.#owned && this.#start < this.#end) this.#copy(0);
  }

  #copy(room: number): void {
    const { bytes } = this;
    const buffer = new Uint8Array((bytes.length + room) * 2);
    buffer.set(bytes);
    this.#buffer = buffer;
    this.#owned = true;
    this.#start = 0;
    this.#end = bytes.length;
  }
}

/** The raw bytes of the next block; null, with the cursor anywhere, when it is not complete. */
function readFrame(bytes: Uint8Array, cursor: Cursor): Uint8Array | null {
  const rawLength = tryReadVarint(bytes, cursor);
  if (rawLength === null) return null;
  const storedLength = tryReadVarint(bytes, cursor);
  if (storedLength === null) return null;
  if (rawLength === 0 || rawLength > BLOCK_MAX_BYTES || storedLength > rawLength) {
    throw new SpillFormatError(`a block of ${rawLength} bytes, stored as ${storedLength}`);
  }
  if (cursor.at + storedLength > bytes.length) return null;
  const body = bytes.subarray(cursor.at, cursor.at + storedLength);
  cursor.at += storedLength;
  return storedLength === rawLength ? body : inflated(body, rawLength);
}

function inflated(body: Uint8Array, rawLength: number): Uint8Array {
  // A fixed output buffer: what would inflate to more is cut off by fflate, and caught by the guard byte.
  const out = new Uint8Array(rawLength + 1);
  let raw: Uint8Array;
  try {
    raw = inflateSync(body, { out });
  } catch (error) {
    throw new SpillFormatError(`a block does not inflate: ${String(error)}`);
  }
  if (raw.length !== rawLength) {
    throw new SpillFormatError(`a block inflates to ${raw.length} bytes, not ${rawLength}`);
  }
  return raw;
}

function readRecords(raw: Uint8Array): RecordBlock {
  const keys: string[] = [];
  const values: string[] = [];
  const text = textReader(raw);
  const cursor: Cursor = { at: 0 };
  let key: string | null = null;
  while (cursor.at < raw.length) {
    const keyHead = readVarint(raw, cursor);
    if (keyHead > 0) {
      if (keyHead - 1 > KEY_MAX_BYTES) throw new SpillFormatError('a key past its bound');
      const next = text(cursor, keyHead - 1);
      if (key !== null && compareKeys(key, next) >= 0) {
        throw new SpillFormatError('keys are not in order within a block');
      }
      key = next;
    }
    if (key === null) throw new SpillFormatError('the first record of a block has no key');
    const valueBytes = readVarint(raw, cursor);
    if (valueBytes === 0 || valueBytes > VALUE_MAX_BYTES) {
      throw new SpillFormatError(`a value of ${valueBytes} bytes`);
    }
    keys.push(key);
    values.push(text(cursor, valueBytes));
  }
  return { keys, values };
}

/** Decodes the block once; when it is all ASCII, byte places are string places and a slice is enough. */
function textReader(raw: Uint8Array): (cursor: Cursor, bytes: number) => string {
  const bounded = (cursor: Cursor, bytes: number) => {
    const end = cursor.at + bytes;
    if (end > raw.length) throw new SpillFormatError('a record is cut off');
    const start = cursor.at;
    cursor.at = end;
    return start;
  };
  let ascii: string | null = null;
  try {
    ascii = decoder.decode(raw);
  } catch {
    // Lengths above 127 are not UTF-8: such blocks are decoded piece by piece.
  }
  if (ascii !== null && ascii.length === raw.length) {
    const whole = ascii;
    return (cursor, bytes) => {
      const start = bounded(cursor, bytes);
      return whole.slice(start, start + bytes);
    };
  }
  return (cursor, bytes) => {
    const start = bounded(cursor, bytes);
    try {
      return decoder.decode(raw.subarray(start, start + bytes));
    } catch {
      throw new SpillFormatError('a text is not UTF-8');
    }
  };
}
