// CSV (RFC 4180), one row at a time, from text that may still grow. The same rules as worker/jobs/mapreduce/
// csv-scan.ts, which finds rows in bytes: a quote opens a field only at its start, and LF, CR LF or a bare CR ends a
// row unless it is quoted. A library would parse whole texts and guess line ends; splits must not guess.
import { CSV_COLUMNS_MAX } from '../limits.ts';
import { TaskFailure } from '../sandbox/task-error.ts';
import { Next } from './next.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** At the end of a text that grows a newline may still follow. */
const BARE_RETURN = /\r(?!\n|$)/g;

export interface CsvRow {
  /** None for an empty line, which is no record. */
  fields: string[];
  /** Why it cannot be used; null when it can. */
  bad: string | null;
  /** Where the next row begins. */
  end: number;
  /** Where a quote opens that nothing closes; the row's end is not known then. */
  unclosed?: number;
}

/** Reads the rows of one text, in order. */
export class CsvRows {
  readonly #text: string;
  readonly #ended: boolean;
  readonly #newline: Next;
  readonly #bareReturn: Next;
  readonly #quote: Next;

  /** `ended`: no more text is to come. */
  constructor(text: string, ended: boolean) {
    this.#text = text;
    this.#ended = ended;
    this.#newline = new Next(text, (within, from) => within.indexOf('\n', from));
    this.#bareReturn = new Next(text, bareReturnFrom);
    this.#quote = new Next(text, (within, from) => within.indexOf('"', from));
  }

  /** Rows of this text may begin behind a bare CR from `at` on. */
  hasBareReturn(at: number): boolean {
    return this.#bareReturn.after(at) < Infinity;
  }

  /** The row at `at`; null when the text ends within it and more is to come. */
  read(at: number): CsvRow | null {
    const text = this.#text;
    const stop = Math.min(
      this.#newline.after(at),
      this.#bareReturn.after(at),
      this.#ended ? text.length : Infinity,
    );
    if (stop === Infinity) return null;
    // Rows without quotes are cut at commas, which is many times faster.
    if (this.#quote.after(at) < stop) return readQuotedRow(text, at, this.#ended);
    const line = text.slice(
      at,
      text.charCodeAt(stop - 1) === RETURN && stop > at ? stop - 1 : stop,
    );
    return {
      fields: line === '' ? [] : line.split(','),
      bad: null,
      end: Math.min(stop + 1, text.length),
    };
  }
}

function bareReturnFrom(text: string, from: number): number {
  BARE_RETURN.lastIndex = from;
  return BARE_RETURN.exec(text)?.index ?? -1;
}

function readQuotedRow(text: string, at: number, ended: boolean): CsvRow | null {
  const fields: string[] = [];
  let bad: string | null = null;
  for (let from = at; ;) {
    let quoted = '';
    if (text.charCodeAt(from) === QUOTE) {
      const close = closingQuote(text, from + 1);
      if (close < 0) {
        if (!ended) return null;
        fields.push(unescaped(text.slice(from + 1)));
        return { fields, bad: 'a quoted field does not end', end: text.length, unclosed: from };
      }
      quoted = unescaped(text.slice(from + 1, close));
      from = close + 1;
    }
    let stop = from;
    while (stop < text.length) {
      const unit = text.charCodeAt(stop);
      if (unit === COMMA || unit === NEWLINE || unit === RETURN) break;
      stop++;
    }
    const last = text.charCodeAt(stop) !== COMMA;
    let end = Math.min(stop + 1, text.length);
    if (text.charCodeAt(stop) === RETURN && text.charCodeAt(end) === NEWLINE) end++;
    const complete = ended || end < text.length || text.charCodeAt(end - 1) === NEWLINE;
    if (last && !complete) return null;
    const plain = text.slice(from, stop);
    if (from > at && text.charCodeAt(from - 1) === QUOTE && plain !== '') {
      bad ??= 'text follows the quote that closes a field';
    }
    const empty = last && from === at && plain === '';
    if (!empty) fields.push(quoted + plain);
    if (last) return { fields, bad, end };
    from = stop + 1;
  }
}

/** The quote that closes a field opened before `from`: doubled quotes are text. */
function closingQuote(text: string, from: number): number {
  for (let quote = text.indexOf('"', from); quote >= 0; quote = text.indexOf('"', quote + 2)) {
    if (text.charCodeAt(quote + 1) !== QUOTE) return quote;
  }
  return -1;
}

const unescaped = (text: string): string => text.replaceAll('""', '"');

export const unclosedQuote = (byte: number): string =>
  `a quoted field does not end: the quote at byte ${byte} is never closed`;

/** Without its header no row means anything: this is final, however many bad records may be skipped. */
export const badHeader = (why: string): string => `the CSV header is bad: ${why}`;

/** The header of a CSV that begins with `text`; null when the text ends before it does. */
export function readHeader(text: string, ended: boolean): string[] | null {
  const body = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  const rows = new CsvRows(body, ended);
  for (let at = 0; at < body.length;) {
    const row = rows.read(at);
    if (!row) return null;
    if (row.bad) throw new TaskFailure('bad_record', badHeader(row.bad));
    if (row.fields.length > 0) return headerNames(row.fields);
    at = row.end;
  }
  return ended ? [] : null;
}

/**
 * Field names: empty ones numbered, repeated ones made distinct. Each wanted name remembers the number that comes
 * next, so that the work grows with the fields and not with their square.
 */
export function headerNames(fields: string[]): string[] {
  if (fields.length > CSV_COLUMNS_MAX) {
    const message = `the CSV header has ${fields.length} columns, the most is ${CSV_COLUMNS_MAX}`;
    throw new TaskFailure('bad_record', message);
  }
  const names = new Set<string>();
  const nextNumber = new Map<string, number>();
  for (const [i, field] of fields.entries()) {
    const wanted = field || `column${i + 1}`;
    let name = wanted;
    if (names.has(name)) {
      let number = nextNumber.get(wanted) ?? 2;
      while (names.has((name = `${wanted}_${number}`))) number++;
      nextNumber.set(wanted, number + 1);
    }
    names.add(name);
  }
  return [...names];
}
