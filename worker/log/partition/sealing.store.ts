// Turns the tail's rows into immutable R2 segments. The object comes first and the commit second: a crash between
// the two leaves an object that the next try finds and uses, since the same rows give the same bytes.
import { IF_ABSENT } from '../../platform/bindings.edge.ts';
import { segmentKey } from '../../platform/keys.ts';
import type { LogConfig } from '../../contracts/log.rpc.ts';
import type { LogStore } from './log.store.ts';
import { buildSegment, type BuiltSegment, type RowSize } from './segments.ts';

export interface SegmentSizes {
  segmentBytes: number;
  segmentRows: number;
  blockBytes: number;
}

type SegmentBucket = Pick<R2Bucket, 'put' | 'head'>;

export class LogSealing {
  readonly #store: LogStore;
  readonly #bucket: SegmentBucket;
  readonly #sizes: SegmentSizes;

  constructor(store: LogStore, bucket: SegmentBucket, sizes: SegmentSizes) {
    this.#store = store;
    this.#bucket = bucket;
    this.#sizes = sizes;
  }

  /** The tail is a segment's worth. */
  get full(): boolean {
    const { bytes, rows } = this.#store.extent.tail;
    return bytes >= this.#sizes.segmentBytes || rows >= this.#sizes.segmentRows;
  }

  /** Seals one segment from the beginning of the tail. Only one may be under way. */
  async sealOne(config: LogConfig): Promise<void> {
    let rows = this.#rowsOfSegment();
    const first = rows[0]?.first;
    if (first === undefined) return;
    const key = segmentKey(config.uid, config.partition, first);
    let built = this.#build(rows);
    if (!(await this.#put(key, built, true))) {
      // An earlier try got this far. More may have been appended since: what lies there counts.
      const there = await this.#bucket.head(key);
      const next = Number(there?.customMetadata?.next);
      const same = rows.filter((row) => row.first < next);
      if (same.length !== rows.length && same.length > 0) {
        rows = same;
        built = this.#build(rows);
      }
      if (there?.size !== built.bounds.bytes || built.bounds.next !== next) {
        await this.#put(key, built, false);
      }
    }
    this.#store.commitSegment(built.bounds, rows, built.index);
  }

  #rowsOfSegment(): RowSize[] {
    const { segmentBytes, segmentRows } = this.#sizes;
    const rows: RowSize[] = [];
    let bytes = 0;
    for (const { first, count, bytes: rowBytes, atMs } of this.#store.rowSizesFrom(
      this.#store.extent.tail.first,
    )) {
      rows.push({ first, count, bytes: rowBytes, atMs });
      bytes += rowBytes;
      if (bytes >= segmentBytes || rows.length >= segmentRows) break;
    }
    return rows;
  }

  #build(rows: readonly RowSize[]): BuiltSegment {
    return buildSegment(rows, this.#store.textsOf(rows), this.#sizes.blockBytes);
  }

  async #put(key: string, { content, bounds }: BuiltSegment, ifAbsent: boolean): Promise<boolean> {
    const put = await this.#bucket.put(key, content, {
      httpMetadata: { contentType: 'application/x-ndjson' },
      customMetadata: { next: String(bounds.next) },
      ...(ifAbsent && IF_ABSENT),
    });
    return put !== null;
  }
}
