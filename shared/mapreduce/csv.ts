// CSV (RFC 4180) in pieces: where whole records end, and rows as objects by header name. papaparse does the
// parsing; what is here finds places to cut, which a newline inside quotes must not be.
import Papa from 'papaparse';

/** Index behind the last newline of `text` that ends a record; 0 when there is none. */
export function lastRecordEnd(text: string): number {
  let end = 0;
  for (const at of recordEnds(text)) end = at;
  return end;
}

/** Index at which record `n` (from 0) begins. */
export function recordStart(text: string, n: number): number {
  if (n === 0) return 0;
  let seen = 0;
  for (const at of recordEnds(text)) if (++seen === n) return at;
  return text.length;
}

function* recordEnds(text: string): Generator<number> {
  let at = 0;
  let fieldStart = 0;
  while (at < text.length) {
    const newline = text.indexOf('\n', at);
    // A quote opens a field only where one begins: at the record's start or behind a comma.
    let quote = text.indexOf('"', at);
    while (
      quote > 0 &&
      (newline < 0 || quote < newline) &&
      quote !== fieldStart &&
      text[quote - 1] !== ','
    ) {
      quote = text.indexOf('"', quote + 1);
    }
    if (quote >= 0 && (newline < 0 || quote < newline)) {
      const close = closingQuote(text, quote + 1);
      if (close < 0) return;
      at = close + 1;
      fieldStart = -1;
      continue;
    }
    if (newline < 0) return;
    at = newline + 1;
    fieldStart = at;
    yield at;
  }
}

/** The quote that closes a field opened before `from`: doubled quotes are text. */
function closingQuote(text: string, from: number): number {
  for (let quote = text.indexOf('"', from); quote >= 0; quote = text.indexOf('"', quote + 2)) {
    if (text[quote + 1] !== '"') return quote;
  }
  return -1;
}

export interface CsvRow {
  fields: string[];
  /** Why it cannot be used; null when it can. */
  bad: string | null;
}

/** Rows of whole records; empty lines give a row of one empty field. */
export function parseRows(text: string): CsvRow[] {
  const { data, errors } = Papa.parse<string[]>(text, { delimiter: ',', header: false });
  const rows = data.map((fields): CsvRow => ({ fields, bad: null }));
  for (const { row, message } of errors) {
    const bad = row === undefined ? undefined : rows[row];
    if (bad) bad.bad = message;
  }
  // papaparse sees a row behind a final newline; a final newline starts none.
  const last = rows.at(-1);
  if (last?.fields.length === 1 && last.fields[0] === '' && /\n$/.test(text)) rows.pop();
  return rows;
}

/** Field names: trimmed of a byte order mark, empty ones numbered, repeated ones made distinct. */
export function headerNames(fields: string[]): string[] {
  const seen = new Map<string, number>();
  return fields.map((field, i) => {
    const name = (i === 0 ? field.replace(/^\ufeff/, '') : field) || `column${i + 1}`;
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    return times === 1 ? name : `${name}_${times}`;
  });
}
