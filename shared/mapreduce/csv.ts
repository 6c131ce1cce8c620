// CSV (RFC 4180), one row at a time, from text that may still grow. The same rules as worker/jobs/mapreduce/
// csv-scan.ts, which finds rows in bytes: a quote opens a field only at its start, and a newline ends a
// row unless it is quoted. A library would parse whole texts and guess line ends; splits must not guess.
import { CSV_COLUMNS_MAX } from '../limits.ts';
import { TaskFailure } from '../sandbox/task-error.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const NEWLINE = 0x0a;

export interface CsvRow {
  /** None for an empty line, which is no record. */
  fields: string[];
  /** Why it cannot be used; null when it can. */
  bad: string | null;
  /** Where the next row begins. */
  end: number;
}

/**
 * The row at `at`; null when the text ends within it and more is to come. `quoteAt` is a place at or
 * before which no quote lies from `at` on: rows in front of it are cut at commas, many times faster.
 */
export function readRow(text: string, at: number, quoteAt: number, ended: boolean): CsvRow | null {
  const newline = text.indexOf('\n', at);
  if (newline < 0 && !ended) {
    return null;
  }
  const stop = newline < 0 ? text.length : newline;
  if (quoteAt < stop) return readQuotedRow(text, at, ended);
  const line = text.slice(at, text.charCodeAt(stop - 1) === 13 && stop > at ? stop - 1 : stop);
  return {
    fields: line === '' ? [] : line.split(','),
    bad: null,
    end: Math.min(stop + 1, text.length),
  };
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
        return { fields, bad: 'a quoted field does not end', end: text.length };
      }
      quoted = unescaped(text.slice(from + 1, close));
      from = close + 1;
    }
    let stop = from;
    while (stop < text.length) {
      const unit = text.charCodeAt(stop);
      if (unit === COMMA || unit === NEWLINE) break;
      stop++;
    }
    const last = text.charCodeAt(stop) !== COMMA;
    if (stop === text.length && !ended) return null;
    const carriageReturn = last && stop > from && text.charCodeAt(stop - 1) === 13;
    const plain = text.slice(from, carriageReturn ? stop - 1 : stop);
    if (from > at && text.charCodeAt(from - 1) === QUOTE && plain !== '') {
      bad ??= 'text follows the quote that closes a field';
    }
    const empty = last && from === at && plain === '';
    if (!empty) fields.push(quoted + plain);
    if (last) return { fields, bad, end: Math.min(stop + 1, text.length) };
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

/** The header of a CSV that begins with `text`; null when the text ends before it does. */
export function readHeader(text: string, ended: boolean): string[] | null {
  const body = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  for (let at = 0; at < body.length;) {
    const row = readRow(body, at, at, ended);
    if (!row) return null;
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
