// A result as CSV (RFC 4180): key and value; a value that is a string as itself, any other as JSON text.
import { keyEnd, keyOf, valueAt } from './result-line.ts';
import type { LongLine } from './result-lines.ts';
import type { ResultReader } from './result-reader.edge.ts';

export const CSV_HEADER = 'key,value\r\n';
const NEEDS_QUOTES = /[",\r\n]/;
const QUOTE = '"';
const encoder = new TextEncoder();

export const csvField = (text: string): string =>
  NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

/** Rows for whole lines, each with its newline. */
export function csvRows(text: string): string {
  let rows = '';
  for (let at = 0; at < text.length;) {
    const newline = text.indexOf('\n', at);
    const end = keyEnd(text, at);
    const value = text.slice(valueAt(end), newline - 1);
    const shown = value.startsWith(QUOTE) ? (JSON.parse(value) as string) : value;
    rows += `${csvField(keyOf(text, at, end))},${csvField(shown)}\r\n`;
    at = newline + 1;
  }
  return rows;
}

/** The bytes of the CSV for a reader's lines. */
export async function* csvBytes(
  lines: AsyncIterable<string | LongLine>,
  reader: ResultReader,
): AsyncGenerator<Uint8Array> {
  yield encoder.encode(CSV_HEADER);
  for await (const text of lines) {
    if (typeof text === 'string') yield encoder.encode(csvRows(text));
    else yield* longRow(text, reader);
  }
}

/**
 * The row of a long line. Strings are at most VALUE_MAX_BYTES and are read whole; what is larger is a list of values,
 * whose JSON text is quoted chunk by chunk.
 */
async function* longRow(line: LongLine, reader: ResultReader): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder();
  let left = line.length - 1; // The line's closing brace is not part of the value.
  let head: string | null = '';
  for await (const chunk of reader.bytesOf(line)) {
    let text = decoder.decode(chunk.subarray(0, left), { stream: true });
    left -= chunk.length;
    if (head !== null) {
      head += text;
      const end = keyEnd(head);
      const at = valueAt(end);
      if (end === -1 || at >= head.length) continue;
      if (head[at] === QUOTE) {
        yield encoder.encode(csvRows(`${await reader.textOf(line)}\n`));
        return;
      }
      text = head.slice(at);
      head = null;
      yield encoder.encode(`${csvField(line.key)},"`);
    }
    yield encoder.encode(text.replaceAll('"', '""'));
  }
  yield encoder.encode('"\r\n');
}
