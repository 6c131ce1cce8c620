// Frames the bytes of a split into records. A split is record-aligned when it comes here. Text is decoded
// once, in one piece (a gzip file in pieces as it unpacks), and lines are found with indexOf: that is
// many times faster than looking at bytes. Malformed UTF-8 reads as U+FFFD, and a record that holds it is bad: only
// records with that character are compared with their bytes.
import { RECORD_MAX_BYTES } from '../limits.ts';
import { messageOf } from '../message-of.ts';
import { setOwn } from '../own.ts';
import { badHeader, CsvRows, headerNames, unclosedQuote } from './csv.ts';
import { gunzip } from './gunzip.ts';
import { changeOfNumber, NumberCandidates } from './json-numbers.ts';
import { Next } from './next.ts';
import type { MapPlan, Split } from './task.ts';
import { utf8Length } from '../sandbox/strict-json.ts';
import { TaskFailure } from '../sandbox/task-error.ts';

/** A cursor over records: `next()` moves, the fields say what lies there. */
export interface RecordSource {
  next(): boolean;
  readonly value: unknown;
  /** Why the record cannot be used; null when it can. */
  readonly bad: string | null;
  /** What is bad takes everything that follows along, so that skipping it is no choice. */
  readonly final?: boolean;
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
    : [{ text: decodeWhole(bytes, split.start === 0), bytes }];
  if (plan.format === 'csv') return new CsvSource(pieces, split.start, plan.csvHeader);
  return plan.format === 'ndjson'
    ? new JsonSource(pieces, split.start)
    : new LineSource(pieces, split.start);
}

interface Piece {
  text: string;
  /** What it was decoded from, but for a character that ends in the next piece. */
  bytes: Uint8Array;
}

const tooLong = () =>
  new TaskFailure('memory', `a record is longer than ${RECORD_MAX_BYTES} bytes`);

/** The bound is the record's own: its line end does not count. Throws TaskFailure `memory`. */
function checkLength(record: string): void {
  if (record.length * 3 > RECORD_MAX_BYTES && utf8Length(record) > RECORD_MAX_BYTES)
    throw tooLong();
}

const LINE_END_MAX_BYTES = 2;
const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = 0xfeff;
const REPLACEMENT = '\ufffd';

function decodeWhole(bytes: Uint8Array, atFileStart: boolean): string {
  const text = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true }).decode(bytes);
  return atFileStart && text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
}

/** Unpacks as it is read, so that the unpacked whole is never held. */
function* gunzipped(packed: Uint8Array): Generator<Piece> {
  const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });
  let first = true;
  for (const chunk of gunzip(packed)) {
    let text = decoder.decode(chunk, { stream: true });
    if (first && text !== '') {
      first = false;
      if (text.charCodeAt(0) === BYTE_ORDER_MARK) text = text.slice(1);
    }
    yield { text, bytes: chunk };
  }
  const rest = decoder.decode();
  if (rest !== '') yield { text: rest, bytes: new Uint8Array(0) };
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

/**
 * Text that grows by pieces; what was read is dropped whenever more comes. Records begin behind line ends,
 * and a line end is one byte whatever lies around it: so offsets are found by counting line ends, and are
 * exact even where the bytes are not UTF-8.
 */
abstract class TextSource {
  protected text = '';
  /** Where reading goes on in `text`. */
  protected at = 0;
  readonly #pieces: Iterator<Piece>;
  /** The bytes of `text`, and the offset of the first. */
  #bytes: Uint8Array = new Uint8Array(0);
  #base: number;
  /** The record start that was located last: offsets are mostly asked for in order. */
  #knownIndex = 0;
  #knownByte = 0;
  /** Records begin behind bare CRs as well, so that these are counted too. */
  protected bareReturns = false;
  /** Places of U+FFFD: the character itself, or bytes that are not UTF-8. */
  #replaced = new Next('', () => -1);

  constructor(pieces: Iterable<Piece>, start: number) {
    this.#pieces = pieces[Symbol.iterator]();
    this.#base = start;
  }

  /** Appends pieces, at least as much again as is unread; false at the end. */
  protected grow(): boolean {
    const unread = this.text.length - this.at;
    if (unread > RECORD_MAX_BYTES + LINE_END_MAX_BYTES) throw tooLong();
    const pieces: Piece[] = [];
    for (let grown = 0; grown <= unread;) {
      const next = this.#pieces.next();
      if (next.done) break;
      pieces.push(next.value);
      grown += next.value.text.length;
    }
    const [only] = pieces;
    if (!only) return false;
    const read = this.#byteOf(this.at);
    this.#base += read;
    if (pieces.length === 1 && read === this.#bytes.length) {
      this.#bytes = only.bytes;
    } else {
      const parts = [this.#bytes.subarray(read), ...pieces.map((piece) => piece.bytes)];
      this.#bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
      let to = 0;
      for (const part of parts) {
        this.#bytes.set(part, to);
        to += part.length;
      }
    }
    const grown = pieces.length === 1 ? only.text : pieces.map((piece) => piece.text).join('');
    this.text = unread === 0 ? grown : this.text.slice(this.at) + grown;
    this.at = 0;
    this.#knownIndex = 0;
    this.#knownByte = 0;
    this.#replaced = new Next(this.text, (text, from) => text.indexOf(REPLACEMENT, from));
    return true;
  }

  /** Why the bytes of the record from `start` to the place of reading are no text; null when they are. */
  protected notText(start: number): string | null {
    let found = this.#replaced.after(start);
    if (found >= this.at) return null;
    let from = start;
    let byte = this.#byteOf(start);
    if (this.#base + byte === 0 && isMark(this.#bytes)) byte = 3;
    for (; found < this.at; found = this.#replaced.after(found + 1)) {
      byte += utf8Length(this.text.slice(from, found));
      from = found;
      // The input may hold the character itself.
      if (!isReplacement(this.#bytes, byte)) return `not UTF-8 at byte ${this.#base + byte}`;
    }
    return null;
  }

  /** Offset in the input of the record that begins at `index`. */
  protected byteOffset(index: number): number {
    return this.#base + this.#byteOf(index);
  }

  /** Offset in the input of the ASCII character at `index` of the record that begins at `start`. */
  protected byteOffsetWithin(start: number, index: number): number {
    const character = this.text.charAt(index);
    let byte = this.#byteOf(start) - 1;
    let at = start - 1;
    do {
      at = this.text.indexOf(character, at + 1);
      byte = this.#bytes.indexOf(character.charCodeAt(0), byte + 1);
    } while (at < index);
    return this.#base + byte;
  }

  /** Place in `#bytes` of the record that begins at `index` of the text. */
  #byteOf(index: number): number {
    if (index < this.#knownIndex) this.#knownIndex = this.#knownByte = 0;
    let byte = this.#knownByte;
    for (let at = this.#knownIndex; at < index; byte++) {
      if (this.bareReturns) {
        if (!isLineEnd(this.text.charCodeAt(at++))) byte--;
        else while (!isLineEnd(this.#bytes[byte])) byte++;
      } else {
        at = this.text.indexOf('\n', at) + 1;
        byte = this.#bytes.indexOf(NEWLINE, byte);
      }
    }
    this.#knownIndex = index;
    this.#knownByte = byte;
    return byte;
  }

  fraction(): number {
    return this.text.length === 0 ? 0 : this.at / this.text.length;
  }
}

const isMark = ([a, b, c]: Uint8Array): boolean => a === 0xef && b === 0xbb && c === 0xbf;
const isReplacement = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] === 0xef && bytes[at + 1] === 0xbf && bytes[at + 2] === 0xbd;
const isLineEnd = (unit: number | undefined): boolean => unit === NEWLINE || unit === 0x0d;

class LineSource extends TextSource implements RecordSource {
  value: unknown = '';
  bad: string | null = null;
  protected start = 0;

  next(): boolean {
    for (;;) {
      const newline = this.text.indexOf('\n', this.at);
      if (newline >= 0) {
        this.start = this.at;
        this.at = newline + 1;
        const end =
          newline > this.start && this.text.charCodeAt(newline - 1) === 13 ? newline - 1 : newline;
        this.#take(end);
        return true;
      }
      if (this.grow()) continue;
      if (this.at >= this.text.length) return false;
      this.start = this.at;
      this.at = this.text.length;
      this.#take(this.at);
      return true;
    }
  }

  #take(end: number): void {
    const line = this.text.slice(this.start, end);
    checkLength(line);
    this.value = line;
    this.bad = this.notText(this.start);
  }

  offset(): number {
    return this.byteOffset(this.start);
  }
}

class JsonSource extends LineSource {
  /** The first place from the record on where a number may lie that JSON.parse would change. */
  #candidates = new NumberCandidates('');

  protected override grow(): boolean {
    const grown = super.grow();
    if (grown) this.#candidates = new NumberCandidates(this.text);
    return grown;
  }

  override next(): boolean {
    while (super.next()) {
      const line = this.value as string;
      if (line.trim() === '') continue;
      if (this.bad !== null) return true;
      try {
        this.value = JSON.parse(line);
        if (this.#candidates.after(this.start) < this.at) this.bad = changeOfNumber(line);
      } catch (error) {
        this.bad = `not JSON: ${messageOf(error)}`;
      }
      return true;
    }
    return false;
  }
}

class CsvSource extends TextSource implements RecordSource {
  value: unknown = null;
  bad: string | null = null;
  final = false;
  #header: string[] | null;
  #start = 0;
  #rows = new CsvRows('', false);
  #ended = false;

  constructor(pieces: Iterable<Piece>, start: number, header: string[] | null) {
    super(pieces, start);
    this.#header = start === 0 ? null : header;
  }

  next(): boolean {
    while (!this.final) {
      const fields = this.#nextRow();
      if (!fields) return false;
      if (this.bad !== null && !this.#header) {
        this.final = true;
        this.bad = badHeader(this.bad);
      }
      if (this.final) return true;
      if (!this.#header) {
        this.#header = headerNames(fields);
        continue;
      }
      const header = this.#header;
      if (!this.bad && fields.length !== header.length) {
        this.bad = `${fields.length} fields where the header has ${header.length}`;
      }
      if (!this.bad) this.value = objectOf(header, fields);
      return true;
    }
    return false;
  }

  /** The fields of the next row that is not empty; `bad` and `#start` are the row's. */
  #nextRow(): string[] | null {
    for (;;) {
      while (this.at < this.text.length) {
        const row = this.#rows.read(this.at);
        if (!row) break;
        this.#start = this.at;
        this.at = row.end;
        this.bad = this.notText(this.#start) ?? row.bad;
        if (row.unclosed !== undefined) {
          this.final = true;
          const byte = this.byteOffsetWithin(this.#start, row.unclosed);
          this.bad = unclosedQuote(byte);
          return row.fields;
        }
        if ((row.end - this.#start) * 3 > RECORD_MAX_BYTES) {
          checkLength(this.text.slice(this.#start, row.end).replace(/\r?\n$|\r$/, ''));
        }
        if (row.fields.length > 0) return row.fields;
      }
      if (this.#ended) return null;
      this.#ended = !this.grow();
      this.#rows = new CsvRows(this.text, this.#ended);
      this.bareReturns ||= this.#rows.hasBareReturn(this.at);
    }
  }

  offset(): number {
    return this.byteOffset(this.#start);
  }
}

function objectOf(header: string[], fields: string[]): Record<string, string> {
  const record: Record<string, string> = {};
  for (let i = 0; i < header.length; i++) {
    setOwn(record, header[i] as string, fields[i] as string);
  }
  return record;
}
