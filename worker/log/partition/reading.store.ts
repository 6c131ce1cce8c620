// Finding events again, in the tail's rows or in segments: by offset, by time, by size. A place within a block of
// a segment takes one small read of R2; everything else the tables know.
import { segmentKey } from '../../platform/keys.ts';
import { cutLines } from './lines.ts';
import type {
  Chunk,
  InputPiece,
  Located,
  LogConfig,
  Measured,
  Point,
} from '../../contracts/log.rpc.ts';
import type { LogStore, SegmentRow } from './log.store.ts';
import {
  blockAtByte,
  blockOf,
  cutPieces,
  lastNotAfter,
  type Place,
  placeAfter,
  placeNotAfter,
  rangeFrom,
  type RowSize,
} from './segments.ts';

/** Segments looked up at once while a long stretch is measured. */
const SEGMENTS_AT_ONCE = 256;

/** A stretch of the log that lies in one piece, a segment or a row, and how to find places in it. */
interface Unit {
  first: number;
  next: number;
  bytes: number;
  placeOf(offset: number): Promise<Place>;
  /** The last line's beginning, or the end, not past the byte `limit`. */
  placeNotAfter(limit: number): Promise<Place>;
}

export class LogReading {
  readonly #store: LogStore;
  readonly #bucket: Pick<R2Bucket, 'get'>;

  constructor(store: LogStore, bucket: Pick<R2Bucket, 'get'>) {
    this.#store = store;
    this.#bucket = bucket;
  }

  locate(config: LogConfig, from: number, maxEvents: number, maxBytes: number): Located {
    const { extent, state } = this.#store;
    const { next } = extent;
    if (from < state.first) return { kind: 'expired', first: state.first, next };
    if (from >= next) return { kind: 'end', next };
    if (from >= extent.tail.first) {
      return { kind: 'rows', chunks: this.#chunks(from, maxEvents, maxBytes), next };
    }
    const segment = this.#segmentOf(from);
    const { start, end, times } = rangeFrom(
      this.#store.indexOf(segment.first),
      segment,
      from,
      maxEvents,
      maxBytes,
    );
    return {
      kind: 'segment',
      range: {
        key: segmentKey(config.uid, config.partition, segment.first),
        start: start.byte,
        end: end.byte,
        first: start.offset,
        count: end.offset - start.offset,
        times,
      },
      next,
    };
  }

  #chunks(from: number, maxEvents: number, maxBytes: number): Chunk[] {
    const chunks: Chunk[] = [];
    let [events, bytes] = [0, 0];
    for (const row of this.#store.rowsFrom(from)) {
      const skip = Math.max(0, from - row.first);
      const whole = skip === 0 && row.count <= maxEvents - events && bytes + row.bytes <= maxBytes;
      const cut = whole
        ? row
        : cutLines(row.text, skip, maxEvents - events, Math.max(1, maxBytes - bytes));
      if (events > 0 && bytes + cut.bytes > maxBytes) break;
      chunks.push({
        first: row.first + skip,
        count: cut.count,
        appendedAtMs: row.atMs,
        text: cut.text,
      });
      events += cut.count;
      bytes += cut.bytes;
      if (events >= maxEvents || bytes >= maxBytes || skip + cut.count < row.count) break;
    }
    return chunks;
  }

  resolve(point: Point): number {
    const { extent, state } = this.#store;
    if (point === 'earliest') return state.first;
    if (point === 'latest') return extent.next;
    if ('offset' in point) return Math.min(Math.max(point.offset, state.first), extent.next);
    const segment = this.#store.segmentSince(point.timeMs);
    const entry =
      segment && this.#store.indexOf(segment.first).times.find(({ atMs }) => atMs >= point.timeMs);
    return entry?.offset ?? this.#store.rowSince(point.timeMs) ?? extent.next;
  }

  /**
   * Counts from `from` (from the log's beginning, if that is later) until a bound would be passed. Throws when
   * retention took a segment meanwhile.
   */
  async measure(from: number, maxEvents: number, maxBytes: number): Promise<Measured> {
    const { extent, state } = this.#store;
    const { next } = extent;
    const start = Math.max(from, state.first);
    if (start >= next) {
      return { to: Math.max(start, next), events: 0, bytes: 0, full: null, firstAtMs: null };
    }
    const firstAtMs = this.#timeOf(start);
    const end = Math.min(next, start + maxEvents);
    let to = start;
    let bytes = 0;
    for await (const unit of this.#units(start, end)) {
      const begin = await unit.placeOf(Math.max(unit.first, start));
      const stop = await unit.placeOf(Math.min(unit.next, end));
      const budget = maxBytes - bytes;
      let place = stop;
      if (stop.byte - begin.byte > budget) {
        place = await unit.placeNotAfter(begin.byte + budget);
        // One event is counted, however large.
        if (to === start && place.offset <= begin.offset) place = await unit.placeOf(start + 1);
      }
      bytes += place.byte - begin.byte;
      to = place.offset;
      if (place.offset < stop.offset || bytes >= maxBytes) {
        return {
          to,
          events: to - start,
          bytes,
          full: to - start >= maxEvents ? 'events' : 'bytes',
          firstAtMs,
        };
      }
    }
    const events = to - start;
    return { to, events, bytes, full: events >= maxEvents ? 'events' : null, firstAtMs };
  }

  /** Where sealed events lie, in pieces of about `pieceBytes`. */
  async pieces(
    config: LogConfig,
    from: number,
    to: number,
    pieceBytes: number,
  ): Promise<InputPiece[]> {
    const pieces: InputPiece[] = [];
    for (let at = from; at < to;) {
      const segment = this.#segmentOf(at);
      const unit = this.#segmentUnit(config, segment);
      const begin = await unit.placeOf(at);
      const stop = await unit.placeOf(Math.min(to, segment.next));
      const key = segmentKey(config.uid, config.partition, segment.first);
      for (const { start, end } of cutPieces(
        this.#store.indexOf(segment.first),
        begin,
        stop,
        pieceBytes,
      )) {
        pieces.push({ key, start: start.byte, end: end.byte, events: end.offset - start.offset });
      }
      at = segment.next;
    }
    return pieces;
  }

  #segmentOf(offset: number): SegmentRow {
    const segment = this.#store.segmentOf(offset);
    if (!segment) throw new Error(`no segment holds the offset ${offset}`);
    return segment;
  }

  #timeOf(offset: number): number | null {
    const segment = this.#store.segmentOf(offset);
    if (segment) {
      const { times } = this.#store.indexOf(segment.first);
      return times[lastNotAfter(times, (time) => time.offset, offset)]?.atMs ?? null;
    }
    for (const { atMs } of this.#store.rowSizesFrom(offset)) return atMs;
    return null;
  }

  async *#units(from: number, to: number): AsyncIterable<Unit> {
    const { identity } = this.#store;
    if (!identity) return;
    let at = from;
    while (at < to) {
      const segments = this.#store.segmentsFrom(at, SEGMENTS_AT_ONCE);
      if (segments.length === 0) break;
      for (const segment of segments) {
        yield this.#segmentUnit(identity.config, segment);
        at = segment.next;
        if (at >= to) return;
      }
    }
    // Read at once: rows that are sealed meanwhile would be missing from a cursor that is still open.
    for (const row of [...this.#store.rowSizesFrom(at)]) {
      if (row.first >= to) return;
      yield this.#rowUnit(row);
    }
  }

  #segmentUnit(config: LogConfig, segment: SegmentRow): Unit {
    const index = this.#store.indexOf(segment.first);
    const key = segmentKey(config.uid, config.partition, segment.first);
    const end: Place = { offset: segment.next, byte: segment.bytes };
    return {
      ...segment,
      placeOf: async (offset) => {
        if (offset >= segment.next) return end;
        const block = blockOf(index, segment, offset);
        if (block.start.offset === offset) return block.start;
        const bytes = await this.#read(key, block.start, block.end);
        return placeAfter(bytes, block.start, offset - block.start.offset);
      },
      placeNotAfter: async (limit) => {
        if (limit >= segment.bytes) return end;
        const block = blockAtByte(index, segment, limit);
        if (block.start.byte === limit) return block.start;
        return placeNotAfter(await this.#read(key, block.start, block.end), block.start, limit);
      },
    };
  }

  #rowUnit(row: RowSize): Unit {
    const cut = (maxLines: number, maxBytes: number): Place => {
      for (const { first, text } of this.#store.rowsFrom(row.first)) {
        if (first !== row.first) break;
        const { count, bytes } = cutLines(text, 0, maxLines, maxBytes);
        // At least one line is cut, also where none fits.
        return bytes > maxBytes
          ? { offset: first, byte: 0 }
          : { offset: first + count, byte: bytes };
      }
      throw new Error(`the row at ${row.first} was sealed meanwhile`);
    };
    const next = row.first + row.count;
    return {
      first: row.first,
      next,
      bytes: row.bytes,
      placeOf: async (offset) => {
        if (offset === row.first) return { offset, byte: 0 };
        return offset >= next
          ? { offset: next, byte: row.bytes }
          : cut(offset - row.first, Infinity);
      },
      placeNotAfter: async (limit) => cut(Infinity, limit),
    };
  }

  async #read(key: string, { byte: start }: Place, { byte: end }: Place): Promise<Uint8Array> {
    const object = await this.#bucket.get(key, { range: { offset: start, length: end - start } });
    if (!object) throw new Error(`the segment ${key} is gone`);
    return new Uint8Array(await object.arrayBuffer());
  }
}
