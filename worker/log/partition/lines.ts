// Event lines as text: putting partition and offset in front, packing many into a row, and cutting some out of a
// row again. Lines are JSON objects, so a newline never occurs within one.
import { utf8Length } from '../../../shared/sandbox/strict-json.ts';
import type { IdHashes } from './id-index.ts';

export interface ClaimOf {
  token: string;
  bytes: number;
}

/** An event that is to be appended. */
export interface NewLine {
  /** As it came, without partition and offset. */
  line: string;
  claim: ClaimOf | null;
  /** Where its id's hash lies; null when the client chose none. */
  hashAt: number | null;
}

/** Consecutive events as they are stored: one row of the tail. */
export interface PackedRow {
  first: number;
  count: number;
  /** UTF-8, each line with its newline. */
  bytes: number;
  text: string;
  claims: ClaimOf[];
  ids: IdHashes | null;
}

/** Most lines are ASCII, which the platform sees many times faster, for all of them at once, than bytes are counted. */
const encoder = new TextEncoder();
const isAscii = (text: string) => encoder.encode(text).length === text.length;
const bytesOf = (line: string, ascii: boolean) => (ascii ? line.length : utf8Length(line)) + 1;

/** What an event takes in a row besides its text: its id's hash, its claim's token with quotes and comma. */
const HASH_BYTES = 8;
const TOKEN_EXTRA_BYTES = 3;

/**
 * Packs events into as few rows as fit `maxBytes` each; an event is never split, and one that is larger gets a
 * row of its own. `hashes` holds the ids' hashes that the events point to.
 */
export function packRows(
  events: readonly NewLine[],
  partition: number,
  first: number,
  hashes: IdHashes,
  maxBytes: number,
): PackedRow[] {
  const rows: PackedRow[] = [];
  let lines: string[] = [];
  let packed: NewLine[] = [];
  let weight = 0;
  let bytes = 0;
  let rowFirst = first;
  const finish = () => {
    if (lines.length === 0) return;
    rows.push({
      first: rowFirst,
      count: lines.length,
      bytes,
      text: lines.join('\n'),
      claims: packed.flatMap(({ claim }) => (claim ? [claim] : [])),
      ids: hashesOf(packed, hashes),
    });
    rowFirst += lines.length;
    lines = [];
    packed = [];
    weight = 0;
    bytes = 0;
  };
  const ascii = isAscii(events.map(({ line }) => line).join(''));
  events.forEach((event, i) => {
    const line = `{"partition":${partition},"offset":${first + i},${event.line.slice(1)}`;
    const lineBytes = bytesOf(line, ascii);
    const own =
      lineBytes +
      (event.hashAt === null ? 0 : HASH_BYTES) +
      (event.claim ? event.claim.token.length + TOKEN_EXTRA_BYTES : 0);
    if (weight + own > maxBytes) finish();
    lines.push(line);
    packed.push(event);
    weight += own;
    bytes += lineBytes;
  });
  finish();
  return rows;
}

function hashesOf(events: readonly NewLine[], hashes: IdHashes): IdHashes | null {
  const places = events.flatMap(({ hashAt }) => (hashAt === null ? [] : [hashAt]));
  if (places.length === 0) return null;
  const ids = new Uint32Array(places.length * 2);
  places.forEach((place, i) => {
    ids[i * 2] = hashes[place] as number;
    ids[i * 2 + 1] = hashes[place + 1] as number;
  });
  return ids;
}

/** The place of the line after `lines` more lines; the text's length when there are not so many. */
function afterLines(text: string, from: number, lines: number): number {
  let at = from;
  for (let i = 0; i < lines; i++) {
    const newline = text.indexOf('\n', at);
    if (newline === -1) return text.length;
    at = newline + 1;
  }
  return at;
}

/**
 * Lines of `text` (joined by newlines), without the first `skip`: at most `maxLines` and `maxBytes` (each with its
 * newline), at least one.
 */
export function cutLines(
  text: string,
  skip: number,
  maxLines: number,
  maxBytes: number,
): { text: string; count: number; bytes: number } {
  const start = afterLines(text, 0, skip);
  const ascii = isAscii(text);
  let end = start;
  let count = 0;
  let bytes = 0;
  while (count < maxLines && end < text.length) {
    const newline = text.indexOf('\n', end);
    const stop = newline === -1 ? text.length : newline;
    const lineBytes = ascii ? stop - end + 1 : bytesOf(text.slice(end, stop), false);
    if (count > 0 && bytes + lineBytes > maxBytes) break;
    count++;
    bytes += lineBytes;
    end = stop + 1;
  }
  return { text: text.slice(start, Math.max(start, end - 1)), count, bytes };
}
