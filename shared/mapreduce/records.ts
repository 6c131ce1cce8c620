// Frames the bytes of a split into records. A split is record-aligned when it comes here. Text is decoded
// once, in one piece (a gzip file in pieces as it unpacks), and lines are found with indexOf: that is
// many times faster than looking at bytes. Malformed UTF-8 reads as U+FFFD.
import { Gunzip } from 'fflate';
import { RECORD_MAX_BYTES } from '../limits.ts';
import { type CsvRow, headerNames, lastRecordEnd, parseRows, recordStart } from './csv.ts';
import type { MapPlan, Split } from './task.ts';
import { TaskFailure } from './task-error.ts';

/** A cursor over records: `next()` moves, the fields say what lies there. */
export interface RecordSource {
  next(): boolean;
  readonly value: unknown;
  /** Why the record cannot be used; null when it can. */
  readonly bad: string | null;
  /** Byte offset in the input, or the integer. Computed on demand: rarely asked. */
  offset(): number;
  /** 0 to 1. */
  fraction(): number;
}

export function openRecords(plan: MapPlan, split: Split, input: Uint8Array | null): RecordSource {
  if (split.kind === 'integers') return new IntegerSource(split.from, split.to);
  const bytes = input ?? new Uint8Array(0);
  if (plan.format === 'bytes') return new WholeSource(bytes, split.start);
  const pieces = plan.gzip
    ? gunzipped(bytes)
    : [{ text: decodeWhole(bytes, split.start === 0), bytes: bytes.length }];
  if (plan.format === 'csv') return new CsvSource(pieces, split.start, plan.csvHeader);
  return plan.format === 'ndjson'
    ? new JsonSource(pieces, split.start)
    : new LineSource(pieces, split.start);
}

interface Piece {
  text: string;
  /** Bytes that the text was. */
  bytes: number;
}

const encoder = new TextEncoder();
const bytesOf = (text: string): number => encoder.encode(text).length;
const BYTE_ORDER_MARK = 0xfeff;

function decodeWhole(bytes: Uint8Array, atFileStart: boolean): string {
  const text = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true }).decode(bytes);
  return atFileStart && text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
}

const GUNZIP_STEP_BYTES = 64 * 1024;

/** Unpacks as it is read, so that the unpacked whole is never held. Files of several members are one text. */
function* gunzipped(bytes: Uint8Array): Generator<Piece> {
  const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });
  const unpacked: Uint8Array[] = [];
  const gunzip = new Gunzip((chunk) => void unpacked.push(chunk));
  let first = true;
  for (let at = 0; at < bytes.length; at += GUNZIP_STEP_BYTES) {
    const last = at + GUNZIP_STEP_BYTES >= bytes.length;
    try {
      gunzip.push(bytes.subarray(at, at + GUNZIP_STEP_BYTES), last);
    } catch (error) {
      throw new TaskFailure('bad_record', `the gzip input is damaged: ${String(error)}`);
    }
    for (const chunk of unpacked.splice(0)) {
      let text = decoder.decode(chunk, { stream: true });
      if (first && text.charCodeAt(0) === BYTE_ORDER_MARK) text = text.slice(1);
      if (text !== '') first = false;
      yield { text, bytes: chunk.length };
    }
  }
  const rest = decoder.decode();
  if (rest !== '') yield { text: rest, bytes: 0 };
}

class IntegerSource implements RecordSource {
  value: number;
  readonly bad = null;
  readonly #from: number;
  readonly #to: number;
  constructor(from: number, to: number) {
    this.value = from - 1;
    this.#from = from;
    this.#to = to;
  }
  next(): boolean {
    return ++this.value < this.#to;
  }
  offset(): number {
    return this.value;
  }
  fraction(): number {
    return (this.value - this.#from) / (this.#to - this.#from);
  }
}

class WholeSource implements RecordSource {
  readonly value: Uint8Array;
  readonly bad = null;
  readonly #start: number;
  #left: number;
  constructor(bytes: Uint8Array, start: number) {
    this.value = bytes;
    this.#start = start;
    this.#left = bytes.length > 0 ? 1 : 0;
  }
  next(): boolean {
    return this.#left-- > 0;
  }
  offset(): number {
    return this.#start;
  }
  fraction(): number {
    return 0;
  }
}

/** Text that grows by pieces; what was read is dropped whenever another piece comes. */
abstract class TextSource {
  protected text = '';
  /** Where reading goes on in `text`. */
  protected at = 0;
  /** Byte offset of `text`'s first character. */
  #base: number;
  #bytesBehind = 0;
  readonly #pieces: Iterator<Piece>;

  constructor(pieces: Iterable<Piece>, start: number) {
    this.#pieces = pieces[Symbol.iterator]();
    this.#base = start;
  }

  /** Appends the next piece; false at the end. */
  protected grow(): boolean {
    const next = this.#pieces.next();
    if (next.done) return false;
    if (this.text.length - this.at > RECORD_MAX_BYTES) {
      throw new TaskFailure('memory', `a record is longer than ${RECORD_MAX_BYTES} bytes`);
    }
    const rest = this.text.slice(this.at);
    if (this.#bytesBehind > 0) this.#base += this.#bytesBehind - (rest === '' ? 0 : bytesOf(rest));
    this.#bytesBehind = (rest === '' ? 0 : bytesOf(rest)) + next.value.bytes;
    this.text = rest === '' ? next.value.text : rest + next.value.text;
    this.at = 0;
    return true;
  }

  protected byteOffset(index: number): number {
    return this.#base + bytesOf(this.text.slice(0, index));
  }

  fraction(): number {
    return this.text.length === 0 ? 0 : this.at / this.text.length;
  }
}

class LineSource extends TextSource implements RecordSource {
  value: unknown = '';
  bad: string | null = null;
  #start = 0;

  next(): boolean {
    for (;;) {
      const newline = this.text.indexOf('\n', this.at);
      if (newline >= 0) {
        this.#start = this.at;
        this.at = newline + 1;
        const end =
          newline > this.#start && this.text.charCodeAt(newline - 1) === 13 ? newline - 1 : newline;
        this.value = this.text.slice(this.#start, end);
        return true;
      }
      if (this.grow()) continue;
      if (this.at >= this.text.length) return false;
      this.#start = this.at;
      this.at = this.text.length;
      this.value = this.text.slice(this.#start);
      return true;
    }
  }
  offset(): number {
    return this.byteOffset(this.#start);
  }
}

class JsonSource extends LineSource {
  override next(): boolean {
    while (super.next()) {
      const line = this.value as string;
      if (line.trim() === '') continue;
      try {
        this.value = JSON.parse(line);
        this.bad = null;
      } catch (error) {
        this.bad = `not JSON: ${error instanceof Error ? error.message : String(error)}`;
      }
      return true;
    }
    return false;
  }
}

class CsvSource extends TextSource implements RecordSource {
  value: unknown = null;
  bad: string | null = null;
  #header: string[] | null;
  #rows: CsvRow[] = [];
  #row = -1;
  #piece = '';
  #pieceStart = 0;

  constructor(pieces: Iterable<Piece>, start: number, header: string[] | null) {
    super(pieces, start);
    this.#header = start === 0 ? null : header;
  }

  next(): boolean {
    for (;;) {
      const row = this.#rows[++this.#row];
      if (!row) {
        if (!this.#parseMore()) return false;
      } else if (row.fields.length === 1 && row.fields[0] === '') {
        continue; // An empty line.
      } else if (!this.#header) {
        this.#header = headerNames(row.fields);
      } else {
        const header = this.#header;
        const { fields } = row;
        this.bad =
          row.bad ??
          (fields.length === header.length
            ? null
            : `${fields.length} fields where the header has ${header.length}`);
        if (!this.bad) this.value = Object.fromEntries(header.map((name, i) => [name, fields[i]]));
        return true;
      }
    }
  }

  #parseMore(): boolean {
    for (;;) {
      const grew = this.grow();
      const rest = this.text.slice(this.at);
      const end = grew ? lastRecordEnd(rest) : rest.length;
      if (end > 0) {
        this.#piece = rest.slice(0, end);
        this.#pieceStart = this.at;
        this.at += end;
        this.#rows = parseRows(this.#piece);
        this.#row = -1;
        return true;
      }
      if (!grew) return false;
    }
  }

  offset(): number {
    return this.byteOffset(this.#pieceStart + recordStart(this.#piece, this.#row));
  }
}
