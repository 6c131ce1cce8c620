// A sealed segment: NDJSON bytes for R2, and the index that says where its events lie and when they were appended.
// The bytes depend on the rows only, so that sealing the same rows again gives the same object.

/** A row of the tail, without its text. */
export interface RowSize {
  first: number;
  count: number;
  bytes: number;
  atMs: number;
}

export interface SegmentBounds {
  first: number;
  /** Offset after its last event. */
  next: number;
  bytes: number;
}

export interface SegmentIndex {
  /** Lines that begin a block, about every SEGMENT_BLOCK_BYTES; the first is the segment's first line. */
  blocks: { offset: number; byte: number }[];
  /** Events from `offset` on, until the next entry, were appended at `atMs`. */
  times: { offset: number; atMs: number }[];
}

export interface BuiltSegment {
  content: Uint8Array<ArrayBuffer>;
  index: SegmentIndex;
  bounds: SegmentBounds;
}

const NEWLINE = 0x0a;
const encoder = new TextEncoder();

/** Packs consecutive rows. Throws when their texts are not as long as the rows say. */
export function buildSegment(
  sizes: readonly RowSize[],
  texts: Iterable<string>,
  blockBytes: number,
): BuiltSegment {
  const bytes = sizes.reduce((sum, row) => sum + row.bytes, 0);
  const content = new Uint8Array(bytes);
  const index: SegmentIndex = { blocks: [], times: [] };
  let at = 0;
  let row = 0;
  for (const text of texts) {
    const size = sizes[row++];
    if (!size) throw new Error(`a segment of ${sizes.length} rows got another one`);
    const { written } = encoder.encodeInto(text, content.subarray(at));
    if (written + 1 !== size.bytes) {
      throw new Error(`the row at ${size.first} has ${written + 1} bytes instead of ${size.bytes}`);
    }
    content[at + written] = NEWLINE;
    addTime(index.times, size);
    addBlocks(index.blocks, content, at, at + size.bytes, size.first, blockBytes);
    at += size.bytes;
  }
  const last = sizes.at(-1);
  if (row !== sizes.length || !last)
    throw new Error(`a segment of ${sizes.length} rows got ${row}`);
  const first = sizes[0]?.first ?? last.first;
  return { content, index, bounds: { first, next: last.first + last.count, bytes } };
}

function addTime(times: SegmentIndex['times'], { first, atMs }: RowSize): void {
  if (times.at(-1)?.atMs !== atMs) times.push({ offset: first, atMs });
}

function addBlocks(
  blocks: SegmentIndex['blocks'],
  content: Uint8Array,
  start: number,
  end: number,
  first: number,
  blockBytes: number,
): void {
  for (let byte = start, offset = first; byte < end; offset++) {
    const last = blocks.at(-1);
    if (!last || byte - last.byte >= blockBytes) blocks.push({ offset, byte });
    byte = content.indexOf(NEWLINE, byte) + 1;
  }
}

/** As differences, which are short: [offset, byte, …], [offset, ms, …]. */
interface StoredIndex {
  blocks: number[];
  times: number[];
}

export function encodeIndex({ blocks, times }: SegmentIndex): string {
  const stored: StoredIndex = {
    blocks: differences(blocks.map(({ offset, byte }) => [offset, byte])),
    times: differences(times.map(({ offset, atMs }) => [offset, atMs])),
  };
  return JSON.stringify(stored);
}

export function decodeIndex(text: string): SegmentIndex {
  const stored = JSON.parse(text) as StoredIndex;
  return {
    blocks: sums(stored.blocks).map(([offset, byte]) => ({ offset, byte })),
    times: sums(stored.times).map(([offset, atMs]) => ({ offset, atMs })),
  };
}

function differences(pairs: [number, number][]): number[] {
  return pairs.flatMap(([a, b], i) => {
    const [beforeA, beforeB] = pairs[i - 1] ?? [0, 0];
    return [a - beforeA, b - beforeB];
  });
}

function sums(differences: number[]): [number, number][] {
  const pairs: [number, number][] = [];
  let a = 0;
  let b = 0;
  for (let i = 0; i + 1 < differences.length; i += 2) {
    a += differences[i] as number;
    b += differences[i + 1] as number;
    pairs.push([a, b]);
  }
  return pairs;
}

/** The last of the sorted `items` that is not after; -1: none. */
export function lastNotAfter<Item>(
  items: readonly Item[],
  of: (item: Item) => number,
  limit: number,
): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (of(items[middle] as Item) <= limit) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** A place where a line begins, or the segment's end. */
export interface Place {
  offset: number;
  byte: number;
}

/** The block that holds the event `offset`, and where the next one begins. */
export function blockOf(
  { blocks }: SegmentIndex,
  { next, bytes }: SegmentBounds,
  offset: number,
): { start: Place; end: Place } {
  const at = lastNotAfter(blocks, (block) => block.offset, offset);
  return {
    start: blocks[at] as Place,
    end: blocks[at + 1] ?? { offset: next, byte: bytes },
  };
}

/** The block in which the byte `byte` lies. */
export function blockAtByte(
  { blocks }: SegmentIndex,
  { next, bytes }: SegmentBounds,
  byte: number,
): { start: Place; end: Place } {
  const at = lastNotAfter(blocks, (block) => block.byte, byte);
  return {
    start: blocks[at] as Place,
    end: blocks[at + 1] ?? { offset: next, byte: bytes },
  };
}

/**
 * Whole blocks from the one that holds `from`: up to the first that holds all of `maxEvents`, and no longer than
 * `maxBytes` if more than one.
 */
export function rangeFrom(
  index: SegmentIndex,
  bounds: SegmentBounds,
  from: number,
  maxEvents: number,
  maxBytes: number,
): { start: Place; end: Place; times: SegmentIndex['times'] } {
  const { blocks, times } = index;
  const begin = lastNotAfter(blocks, ({ offset }) => offset, from);
  const start = blocks[begin] as Place;
  let end: Place = { offset: bounds.next, byte: bounds.bytes };
  for (let i = begin + 1; i < blocks.length; i++) {
    const place = blocks[i] as Place;
    const following = blocks[i + 1] ?? { offset: bounds.next, byte: bounds.bytes };
    if (place.offset >= from + maxEvents || following.byte - start.byte > maxBytes) {
      end = place;
      break;
    }
  }
  const firstTime = lastNotAfter(times, ({ offset }) => offset, start.offset);
  const lastTime = lastNotAfter(times, ({ offset }) => offset, end.offset - 1);
  return { start, end, times: times.slice(firstTime, lastTime + 1) };
}

/** Cuts [start, end) where blocks begin, into pieces of about `pieceBytes`. */
export function cutPieces(
  { blocks }: SegmentIndex,
  start: Place,
  end: Place,
  pieceBytes: number,
): { start: Place; end: Place }[] {
  const pieces: { start: Place; end: Place }[] = [];
  let from = start;
  for (const block of blocks) {
    if (block.byte <= from.byte || block.byte >= end.byte) continue;
    if (block.byte - from.byte < pieceBytes) continue;
    pieces.push({ start: from, end: block });
    from = block;
  }
  if (end.byte > from.byte) pieces.push({ start: from, end });
  return pieces;
}

/** The line that begins `lines` lines after `start`, in the bytes of a block that begins at `start`. */
export function placeAfter(block: Uint8Array, start: Place, lines: number): Place {
  let byte = 0;
  for (let i = 0; i < lines; i++) byte = block.indexOf(NEWLINE, byte) + 1;
  return { offset: start.offset + lines, byte: start.byte + byte };
}

/** The last place in a block where a line begins, or ends the block, that is not past the segment's byte `limit`. */
export function placeNotAfter(block: Uint8Array, start: Place, limit: number): Place {
  let place = start;
  for (let byte = 0; byte < block.length;) {
    byte = block.indexOf(NEWLINE, byte) + 1;
    if (byte === 0 || start.byte + byte > limit) break;
    place = { offset: place.offset + 1, byte: start.byte + byte };
  }
  return place;
}
