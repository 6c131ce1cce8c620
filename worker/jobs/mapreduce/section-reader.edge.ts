// Reads many sorted sections of R2 objects at once in bounded memory: each source holds one chunk and the
// block being merged, each chunk is one range read, and at most CONNECTIONS_MAX of them are open at once.
import { CONNECTIONS_MAX, KIB, MERGE_CHUNK_BYTES, MERGE_FAN_IN } from '../../../shared/limits.ts';
import { BlockReader, type RecordBlock } from '../../../shared/mapreduce/blocks.ts';
import { RangeReader } from '../../platform/range-reader.edge.ts';

/** A sorted run of framed blocks within an object. */
export interface Section {
  key: string;
  offset: number;
  storedBytes: number;
}

const CHUNK_MIN_BYTES = 32 * KIB;

export class SectionReader {
  readonly #ranges: RangeReader;

  constructor(bucket: R2Bucket) {
    // One connection stays for what is written meanwhile.
    this.#ranges = new RangeReader(bucket, CONNECTIONS_MAX - 1);
  }

  /** Blocks of one section, out of `sources` that are read at once. */
  async *blocks(
    { key, offset, storedBytes }: Section,
    sources: number,
  ): AsyncGenerator<RecordBlock> {
    const reader = new BlockReader();
    const budget = Math.floor((MERGE_FAN_IN * MERGE_CHUNK_BYTES) / Math.max(1, sources));
    const chunkBytes = Math.max(CHUNK_MIN_BYTES, Math.min(budget, MERGE_CHUNK_BYTES * 8));
    const end = offset + storedBytes;
    for (let at = offset; at < end; at += chunkBytes) {
      yield* reader.push(await this.#ranges.read(key, at, Math.min(chunkBytes, end - at)));
    }
    reader.end();
  }
}
