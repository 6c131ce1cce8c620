// The spill: what one map attempt writes, as one object. Head first, so that it can be verified while it
// streams by:
//   "MHS1", u32 partitions, u32 trailer bytes, trailer (JSON), R packed sections, the sections' blocks
// Reducers read section r of every spill by a range. The digest is SHA-256 over the uncompressed content,
// so that two honest attempts have one digest whatever compressed them.
import { sha256 } from '@noble/hashes/sha2.js';
import * as z from 'zod';
import {
  BAD_RECORDS_LISTED_PER_TASK,
  COUNTER_NAME_MAX_CHARS,
  KIB,
  SPILL_MAX_BYTES,
  SPILL_RAW_MAX_BYTES,
  USER_COUNTERS_MAX,
} from '../limits.ts';
import { isCounts } from '../own.ts';
import { BadRecord } from '../schemas/job.ts';
import { BlockReader, BlockWriter, ByteQueue } from './blocks.ts';
import { partitionOf } from './hash.ts';
import { compareKeys } from './order.ts';
import type { SpillSection, SpillTrailer as Trailer } from './task.ts';
import { SpillFormatError } from './varint.ts';

export { SpillFormatError };

const MAGIC = 0x3153484d; // "MHS1", little-endian
const FIXED_HEAD_BYTES = 12;
const TRAILER_MAX_BYTES = 128 * KIB;
export const SECTION_PACKED_BYTES = 12;

const Count = z.number().int().min(0);
export const SpillTrailer: z.ZodType<Trailer> = z.strictObject({
  recordsIn: Count,
  bytesIn: Count,
  emitted: Count,
  recordsOut: Count,
  badRecords: Count,
  badRecordsListed: z
    .array(BadRecord.extend({ error: z.string().max(500) }))
    .max(BAD_RECORDS_LISTED_PER_TASK),
  userCounters: z.custom<Trailer['userCounters']>(areUserCounters),
});

function areUserCounters(value: unknown): boolean {
  if (!isCounts(value)) return false;
  const names = Object.keys(value);
  return (
    names.length <= USER_COUNTERS_MAX &&
    names.every((name) => name.length <= COUNTER_NAME_MAX_CHARS)
  );
}

const encoder = new TextEncoder();

/** u32 little-endian offset, stored bytes, records: 12 bytes a section. */
export function packSections(sections: SpillSection[]): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(sections.length * SECTION_PACKED_BYTES);
  const view = new DataView(packed.buffer);
  sections.forEach(({ offset, storedBytes, records }, i) => {
    view.setUint32(i * SECTION_PACKED_BYTES, offset, true);
    view.setUint32(i * SECTION_PACKED_BYTES + 4, storedBytes, true);
    view.setUint32(i * SECTION_PACKED_BYTES + 8, records, true);
  });
  return packed;
}

/** The section packed at byte `at`. */
export function unpackSection(packed: Uint8Array, at: number): SpillSection {
  const view = new DataView(packed.buffer, packed.byteOffset + at, SECTION_PACKED_BYTES);
  return {
    offset: view.getUint32(0, true),
    storedBytes: view.getUint32(4, true),
    records: view.getUint32(8, true),
  };
}

/** What the digest covers: per section its raw blocks, then (r, records, raw bytes), then the trailer. */
class Digest {
  /** Of all sections. */
  rawBytes = 0;
  readonly #hash = sha256.create();
  #sectionBytes = 0;

  readonly raw = (bytes: Uint8Array): void => {
    this.#hash.update(bytes);
    this.#sectionBytes += bytes.length;
    this.rawBytes += bytes.length;
  };

  section(partition: number, records: number): void {
    const words = new Uint8Array(12);
    const view = new DataView(words.buffer);
    view.setUint32(0, partition, true);
    view.setUint32(4, records, true);
    view.setUint32(8, this.#sectionBytes, true);
    this.#hash.update(words);
    this.#sectionBytes = 0;
  }

  finish(trailer: Trailer): string {
    const digest = this.#hash.update(encoder.encode(canonical(trailer))).digest();
    return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  }
}

/** The trailer but for the words of errors: those are the engine's own and differ between browsers. */
function canonical(trailer: Trailer): string {
  const { recordsIn, bytesIn, emitted, recordsOut, badRecords } = trailer;
  const listed = trailer.badRecordsListed.map(({ task, offset }) => [task, offset]);
  const counters = Object.entries(trailer.userCounters);
  return JSON.stringify([recordsIn, bytesIn, emitted, recordsOut, badRecords, listed, counters]);
}

export class SpillTooLargeError extends Error {
  override name = 'SpillTooLargeError';
}

/** Builds a spill. Partitions ascend, and keys within a partition. */
export class SpillWriter {
  readonly #digest = new Digest();
  readonly #writer = new BlockWriter(this.#digest.raw);
  readonly #blocks: Uint8Array[] = [];
  readonly #sections: SpillSection[] = [];
  readonly #partitions: number;
  readonly #rawMaxBytes: number;
  #storedBytes = 0;
  #sectionStart = 0;
  #sectionRecords = 0;

  constructor(partitions: number, rawMaxBytes = SPILL_RAW_MAX_BYTES) {
    this.#partitions = partitions;
    this.#rawMaxBytes = rawMaxBytes;
  }

  /** Throws SpillTooLargeError. */
  add(partition: number, key: string, value: string): void {
    while (this.#sections.length < partition) this.#closeSection();
    this.#keep(this.#writer.add(key, value));
    this.#sectionRecords++;
  }

  /** The object, its digest, and where its sections lie. The trailer's `recordsOut` must be what was added. */
  finish(trailer: Trailer): {
    spill: Uint8Array<ArrayBuffer>;
    digest: string;
    sections: SpillSection[];
  } {
    while (this.#sections.length < this.#partitions) this.#closeSection();
    const trailerBytes = encoder.encode(JSON.stringify(trailer));
    // A program that spoilt its realm fails here. At the edge, the volunteer would be blamed for it.
    if (canonical(readTrailer(trailerBytes)) !== canonical(trailer)) {
      throw new SpillFormatError('the trailer is not what was counted');
    }
    const headBytes =
      FIXED_HEAD_BYTES + trailerBytes.length + this.#partitions * SECTION_PACKED_BYTES;
    const sections = this.#sections.map((s) => ({ ...s, offset: s.offset + headBytes }));
    const spill = new Uint8Array(headBytes + this.#storedBytes);
    const view = new DataView(spill.buffer);
    view.setUint32(0, MAGIC, true);
    view.setUint32(4, this.#partitions, true);
    view.setUint32(8, trailerBytes.length, true);
    spill.set(trailerBytes, FIXED_HEAD_BYTES);
    spill.set(packSections(sections), FIXED_HEAD_BYTES + trailerBytes.length);
    let at = headBytes;
    for (const block of this.#blocks) {
      spill.set(block, at);
      at += block.length;
    }
    return { spill, digest: this.#digest.finish(trailer), sections };
  }

  #keep(block: Uint8Array | null): void {
    if (!block) return;
    this.#blocks.push(block);
    this.#storedBytes += block.length;
    const over =
      this.#storedBytes > SPILL_MAX_BYTES - TRAILER_MAX_BYTES
        ? SPILL_MAX_BYTES
        : this.#digest.rawBytes > this.#rawMaxBytes
          ? this.#rawMaxBytes
          : null;
    if (over !== null) {
      throw new SpillTooLargeError(
        `the map output of one split is over ${over} bytes; use smaller splits or a combine`,
      );
    }
  }

  #closeSection(): void {
    this.#keep(this.#writer.finish());
    this.#digest.section(this.#sections.length, this.#sectionRecords);
    this.#sections.push({
      offset: this.#sectionStart,
      storedBytes: this.#storedBytes - this.#sectionStart,
      records: this.#sectionRecords,
    });
    this.#sectionStart = this.#storedBytes;
    this.#sectionRecords = 0;
  }
}

export interface VerifiedSpill {
  digest: string;
  trailer: Trailer;
  sections: SpillSection[];
  storedBytes: number;
}

/** Reads a spill as it streams by and refuses whatever a SpillWriter would not have written. */
export class SpillVerifier {
  readonly #partitions: number;
  readonly #rawMaxBytes: number;
  readonly #digest = new Digest();
  readonly #head = new ByteQueue();
  #trailer: Trailer | null = null;
  #sections: SpillSection[] = [];
  #storedBytes = 0;
  #partition = 0;
  #leftInSection = 0;
  #recordsInSection = 0;
  #records = 0;
  #lastKey: string | null = null;
  #reader = new BlockReader(this.#digest.raw);

  constructor(partitions: number, rawMaxBytes = SPILL_RAW_MAX_BYTES) {
    this.#partitions = partitions;
    this.#rawMaxBytes = rawMaxBytes;
  }

  /** Throws SpillFormatError. */
  push(chunk: Uint8Array): void {
    this.#storedBytes += chunk.length;
    if (this.#storedBytes > SPILL_MAX_BYTES) throw new SpillFormatError('the spill is too large');
    let rest = chunk;
    if (!this.#trailer) {
      this.#head.append(chunk);
      const headBytes = this.#readHead(this.#head.bytes);
      if (headBytes === null) return;
      rest = this.#head.bytes.subarray(headBytes);
    }
    while (rest.length > 0) {
      if (this.#partition >= this.#partitions) {
        throw new SpillFormatError('bytes after the last section');
      }
      const part = rest.subarray(0, this.#leftInSection);
      rest = rest.subarray(part.length);
      this.#leftInSection -= part.length;
      for (const { keys } of this.#reader.push(part)) {
        this.#check(keys);
        if (this.#digest.rawBytes > this.#rawMaxBytes) {
          throw new SpillFormatError(`the spill unpacks to over ${this.#rawMaxBytes} bytes`);
        }
      }
      if (this.#leftInSection === 0) this.#endSection();
    }
  }

  finish(): VerifiedSpill {
    if (!this.#trailer || this.#partition < this.#partitions) {
      throw new SpillFormatError('the spill is cut off');
    }
    if (this.#records !== this.#trailer.recordsOut) {
      throw new SpillFormatError(
        `the trailer says ${this.#trailer.recordsOut} records, the sections hold ${this.#records}`,
      );
    }
    return {
      digest: this.#digest.finish(this.#trailer),
      trailer: this.#trailer,
      sections: this.#sections,
      storedBytes: this.#storedBytes,
    };
  }

  /** Bytes of the head; null while it is not complete. */
  #readHead(head: Uint8Array): number | null {
    if (head.length < FIXED_HEAD_BYTES) return null;
    const view = new DataView(head.buffer, head.byteOffset);
    if (view.getUint32(0, true) !== MAGIC) throw new SpillFormatError('not a spill');
    if (view.getUint32(4, true) !== this.#partitions) {
      throw new SpillFormatError(`the spill is not of ${this.#partitions} partitions`);
    }
    const trailerLength = view.getUint32(8, true);
    if (trailerLength > TRAILER_MAX_BYTES) throw new SpillFormatError('the trailer is too large');
    const indexAt = FIXED_HEAD_BYTES + trailerLength;
    const headBytes = indexAt + this.#partitions * SECTION_PACKED_BYTES;
    if (head.length < headBytes) return null;
    this.#trailer = readTrailer(head.subarray(FIXED_HEAD_BYTES, indexAt));
    let offset = headBytes;
    for (let partition = 0; partition < this.#partitions; partition++) {
      const section = unpackSection(head, indexAt + partition * SECTION_PACKED_BYTES);
      if (section.offset !== offset) throw new SpillFormatError('sections are not contiguous');
      offset += section.storedBytes;
      this.#sections.push(section);
    }
    if (offset > SPILL_MAX_BYTES) throw new SpillFormatError('the spill is too large');
    this.#leftInSection = this.#sections[0]?.storedBytes ?? 0;
    if (this.#leftInSection === 0) this.#endSection();
    return headBytes;
  }

  #check(keys: string[]): void {
    for (const key of keys) {
      if (key !== this.#lastKey) {
        if (this.#lastKey !== null && compareKeys(this.#lastKey, key) > 0) {
          throw new SpillFormatError('keys are not in order');
        }
        if (partitionOf(key, this.#partitions) !== this.#partition) {
          throw new SpillFormatError('a key lies in another partition than its hash says');
        }
        this.#lastKey = key;
      }
    }
    this.#recordsInSection += keys.length;
    this.#records += keys.length;
  }

  /** Ends the section, and those after it that are empty. */
  #endSection(): void {
    do {
      this.#reader.end();
      const section = this.#sections[this.#partition];
      if (section?.records !== this.#recordsInSection) {
        throw new SpillFormatError(
          `section ${this.#partition} holds ${this.#recordsInSection} records, its index says ${section?.records}`,
        );
      }
      this.#digest.section(this.#partition, this.#recordsInSection);
      this.#recordsInSection = 0;
      this.#lastKey = null;
      this.#partition++;
      this.#leftInSection = this.#sections[this.#partition]?.storedBytes ?? 0;
    } while (this.#leftInSection === 0 && this.#partition < this.#partitions);
  }
}

function readTrailer(bytes: Uint8Array): Trailer {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new SpillFormatError('the trailer is not JSON');
  }
  const trailer = SpillTrailer.safeParse(json);
  if (!trailer.success) throw new SpillFormatError('the trailer has not the fields it must have');
  return trailer.data;
}
