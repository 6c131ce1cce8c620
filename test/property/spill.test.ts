// Laws of blocks and spills: what is written is read again, in any chunking; whatever is broken is refused
// with a SpillFormatError or has another digest; and reading costs in proportion to what is sent.
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BlockReader, BlockWriter, ByteQueue } from '../../shared/mapreduce/blocks.ts';
import { partitionOf } from '../../shared/mapreduce/hash.ts';
import { sortKeys } from '../../shared/mapreduce/order.ts';
import {
  packSections,
  SpillFormatError,
  SpillTooLargeError,
  SpillVerifier,
  SpillWriter,
  unpackSection,
} from '../../shared/mapreduce/spill.ts';
import type { SpillTrailer } from '../../shared/mapreduce/task.ts';
import { varintBytes, writeVarint } from '../../shared/mapreduce/varint.ts';
import { KIB, MIB, SPILL_BLOCK_BYTES } from '../../shared/limits.ts';
import { cut, wellFormed } from './texts.ts';

type Entry = [key: string, value: string];

const trailerOf = (recordsOut: number, more: Partial<SpillTrailer> = {}): SpillTrailer => ({
  recordsIn: 3,
  bytesIn: 30,
  emitted: recordsOut,
  recordsOut,
  badRecords: 0,
  badRecordsListed: [],
  userCounters: {},
  ...more,
});

/** Keys sorted and grouped, as a table gives them. */
function sorted(entries: Entry[]): Entry[] {
  const values = new Map<string, string[]>();
  for (const [key, value] of entries) values.set(key, [...(values.get(key) ?? []), value]);
  return sortKeys([...values.keys()]).flatMap((key) =>
    (values.get(key) ?? []).map((value): Entry => [key, value]),
  );
}

function writeSpill(entries: Entry[], partitions: number, more: Partial<SpillTrailer> = {}) {
  const writer = new SpillWriter(partitions);
  for (let partition = 0; partition < partitions; partition++) {
    for (const [key, value] of entries) {
      if (partitionOf(key, partitions) === partition) writer.add(partition, key, value);
    }
  }
  return writer.finish(trailerOf(entries.length, more));
}

function verify(chunks: Uint8Array[], partitions: number) {
  const verifier = new SpillVerifier(partitions);
  for (const chunk of chunks) verifier.push(chunk);
  return verifier.finish();
}

function readBlocks(chunks: Uint8Array[]): Entry[] {
  const reader = new BlockReader();
  const entries: Entry[] = [];
  for (const chunk of chunks) {
    for (const { keys, values } of reader.push(chunk)) {
      keys.forEach((key, i) => entries.push([key, values[i] ?? '']));
    }
  }
  reader.end();
  return entries;
}

const value = fc.oneof(
  fc.json({ maxDepth: 1 }).map((text) => text.toWellFormed()),
  fc.integer().map(String),
  wellFormed(4).map((text) => JSON.stringify(text)),
  fc.nat({ max: 700 }).map((length) => JSON.stringify('é'.repeat(length))),
);
const entries = fc.array(fc.tuple(wellFormed(), value), { maxLength: 40 }).map(sorted);
const partitions = fc.integer({ min: 1, max: 9 });
const cuts = fc.array(fc.nat({ max: 4000 }), { maxLength: 12 });
const chunksOf = (bytes: Uint8Array, places: number[]) =>
  cut(
    bytes,
    places.map((place) => Math.min(place, bytes.length)),
  );

describe('blocks', () => {
  test('give back what was written, however they are cut into chunks', () => {
    fc.assert(
      fc.property(entries, cuts, (records, places) => {
        const raws: Uint8Array[] = [];
        const writer = new BlockWriter((raw) => raws.push(raw.slice()));
        const blocks = records.flatMap(([key, text]) => writer.add(key, text) ?? []);
        const last = writer.finish();
        if (last) blocks.push(last);
        const whole = new Uint8Array(Buffer.concat(blocks));
        expect(readBlocks(chunksOf(whole, places))).toEqual(records);
        expect(writer.records).toBe(records.length);
        expect(raws).toHaveLength(blocks.length);
      }),
      { numRuns: 300 },
    );
  });

  test('are of bounded size, and give back many large records', () => {
    const records: Entry[] = Array.from({ length: 3000 }, (_, i) => [
      String(i).padStart(6, '0'),
      JSON.stringify('v'.repeat((i * 7919) % 2000)),
    ]);
    records.push(['z'.repeat(64 * KIB), JSON.stringify('😀'.repeat(262_000))]);
    let largest = 0;
    const writer = new BlockWriter((raw) => (largest = Math.max(largest, raw.length)));
    const blocks = records.flatMap(([key, text]) => writer.add(key, text) ?? []);
    blocks.push(writer.finish() ?? new Uint8Array(0));
    expect(largest).toBeLessThan(SPILL_BLOCK_BYTES + 64 * KIB + MIB + 16);
    const whole = new Uint8Array(Buffer.concat(blocks));
    expect(readBlocks(chunksOf(whole, [1, 2, 1000, 100_000]))).toEqual(records);
  });

  test('may be read while the caller uses its chunks again for other bytes', () => {
    const writer = new BlockWriter();
    writer.add('key', '"value"');
    const block = writer.finish() ?? new Uint8Array(0);
    const reader = new BlockReader();
    const chunk = new Uint8Array(4);
    const keys: string[] = [];
    for (let at = 0; at < block.length; at += chunk.length) {
      const part = block.subarray(at, at + chunk.length);
      chunk.set(part);
      for (const read of reader.push(chunk.subarray(0, part.length))) keys.push(...read.keys);
      chunk.fill(0xff);
    }
    reader.end();
    expect(keys).toEqual(['key']);
  });

  test('that claim any lengths are refused without unpacking them', () => {
    const length = fc.oneof(
      fc.nat({ max: 0xffffffff }),
      fc.constantFrom(0, 1, 127, 128, 0xffffffff, 2 ** 31),
    );
    fc.assert(
      fc.property(length, length, fc.uint8Array({ maxLength: 40 }), (raw, stored, body) => {
        const bytes = new Uint8Array(varintBytes(raw) + varintBytes(stored) + body.length);
        const at = writeVarint(bytes, writeVarint(bytes, 0, raw), stored);
        bytes.set(body, at);
        try {
          readBlocks([bytes]);
        } catch (error) {
          expect(error).toBeInstanceOf(SpillFormatError);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('of zeros that unpack a thousandfold come one by one', () => {
    // 400 KB of "the same key again, a value of one byte", 800 bytes packed; a thousand such blocks.
    const raw = new Uint8Array(3 * 140_000);
    raw.set([2, 97, 1, 49]);
    for (let at = 4; at + 3 <= raw.length; at += 3) raw.set([0, 1, 49], at);
    const used = 4 + Math.floor((raw.length - 4) / 3) * 3;
    const body = deflateRawSync(raw.subarray(0, used));
    const head = new Uint8Array(varintBytes(used) + varintBytes(body.length));
    writeVarint(head, writeVarint(head, 0, used), body.length);
    const block = Buffer.concat([head, body]);
    const many = new Uint8Array(Buffer.concat(new Array<Buffer>(1000).fill(block)));
    const reader = new BlockReader();
    const first = reader.push(many).next();
    expect(first.done).toBe(false);
    expect(first.value?.keys.length).toBeGreaterThan(100_000);
  });
});

describe('the byte queue', () => {
  test('gives out what came in, whatever is dropped on the way', () => {
    const steps = fc.array(fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.nat({ max: 30 })));
    fc.assert(
      fc.property(steps, (turns) => {
        const queue = new ByteQueue();
        let model: number[] = [];
        for (const [chunk, drop] of turns) {
          queue.append(chunk);
          model.push(...chunk);
          const dropped = Math.min(drop, model.length);
          queue.drop(dropped);
          model = model.slice(dropped);
          queue.settle();
          chunk.fill(0);
          expect([...queue.bytes]).toEqual(model);
        }
      }),
    );
  });
});

describe('a spill', () => {
  test('is accepted in any chunking, with the digest and the sections of its writer', () => {
    fc.assert(
      fc.property(entries, partitions, cuts, (records, count, places) => {
        const { spill, digest, sections } = writeSpill(records, count);
        const verified = verify(chunksOf(spill, places), count);
        expect(verified.digest).toBe(digest);
        expect(verified.sections).toEqual(sections);
        expect(verified.storedBytes).toBe(spill.length);
        expect(verified.trailer).toEqual(trailerOf(records.length));
        const packed = packSections(sections);
        expect(sections.map((_, i) => unpackSection(packed, i * 12))).toEqual(sections);
        sections.forEach(({ offset, storedBytes, records: inSection }, partition) => {
          const read = readBlocks([spill.subarray(offset, offset + storedBytes)]);
          expect(read).toEqual(records.filter(([key]) => partitionOf(key, count) === partition));
          expect(read).toHaveLength(inSection);
        });
      }),
      { numRuns: 300 },
    );
  });

  test('is accepted byte by byte', () => {
    const { spill, digest } = writeSpill(
      sorted([
        ['b', '1'],
        ['a', '"é"'],
        ['c', 'null'],
      ]),
      3,
    );
    expect(
      verify(
        Array.from(spill, (byte) => Uint8Array.of(byte)),
        3,
      ).digest,
    ).toBe(digest);
  });

  test('with any byte changed is refused, has another digest, or means the very same', () => {
    fc.assert(
      fc.property(
        entries,
        partitions,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (records, count, place, mask) => {
          const { spill, digest, sections } = writeSpill(records, count, {
            userCounters: { seen: 7 },
          });
          const at = place % spill.length;
          spill[at] = (spill[at] ?? 0) ^ mask;
          let changed: ReturnType<typeof verify>;
          try {
            changed = verify([spill], count);
          } catch (error) {
            expect(error).toBeInstanceOf(SpillFormatError);
            return;
          }
          if (changed.digest !== digest) return;
          // Bits that pad a deflated block: what unpacks is what was written.
          expect(changed.sections).toEqual(sections);
          expect(changed.trailer).toEqual(trailerOf(records.length, { userCounters: { seen: 7 } }));
          const { offset = 0 } = sections[0] ?? {};
          const read = readBlocks([spill.subarray(offset)]);
          expect(read).toHaveLength(records.length);
          expect(new Map(read)).toEqual(new Map(records));
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('cut off anywhere, or with anything behind it, is refused', () => {
    fc.assert(
      fc.property(
        entries,
        partitions,
        fc.nat(),
        fc.uint8Array({ minLength: 1, maxLength: 9 }),
        (records, count, place, more) => {
          const { spill } = writeSpill(records, count);
          const shorter = spill.subarray(0, place % spill.length);
          expect(() => verify([shorter], count)).toThrow(SpillFormatError);
          const longer = new Uint8Array(Buffer.concat([spill, more]));
          expect(() => verify([longer], count)).toThrow(SpillFormatError);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('of arbitrary bytes is refused, and with nothing but a SpillFormatError', () => {
    const { spill } = writeSpill([['a', '1']], 1);
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.nat({ max: spill.length }),
        (noise, keep) => {
          const bytes = new Uint8Array(Buffer.concat([spill.subarray(0, keep), noise]));
          if (Buffer.compare(bytes, spill) === 0) return;
          try {
            verify([bytes], 1);
          } catch (error) {
            expect(error).toBeInstanceOf(SpillFormatError);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  const refused = (name: string, make: (writer: SpillWriter) => SpillTrailer, message: RegExp) =>
    test(`${name} is refused`, () => {
      const writer = new SpillWriter(2);
      const trailer = make(writer);
      expect(() => verify([writer.finish(trailer).spill], 2)).toThrow(message);
    });
  const inPartition = (partition: number) =>
    Array.from({ length: 50 }, (_, i) => `k${i}`).filter(
      (key) => partitionOf(key, 2) === partition,
    );

  refused(
    'with a key in another partition than its own',
    (writer) => {
      writer.add(0, inPartition(1)[0] ?? '', '1');
      return trailerOf(1);
    },
    /another partition/,
  );
  refused(
    'with keys out of order',
    (writer) => {
      for (const key of sortKeys(inPartition(0)).reverse()) writer.add(0, key, '1');
      return trailerOf(inPartition(0).length);
    },
    /not in order/,
  );
  refused(
    'whose trailer counts other records than it holds',
    (writer) => {
      writer.add(0, inPartition(0)[0] ?? '', '1');
      return trailerOf(2);
    },
    /trailer says 2 records, the sections hold 1/,
  );

  test('has one digest whatever the engine calls its errors', () => {
    const listed = (error: string) => ({
      badRecords: 1,
      badRecordsListed: [{ task: 0, offset: 5, error }],
    });
    const one = writeSpill([['a', '1']], 2, listed('not JSON: Unexpected token'));
    const other = writeSpill([['a', '1']], 2, listed('not JSON: unexpected character'));
    const elsewhere = writeSpill([['a', '1']], 2, {
      badRecords: 1,
      badRecordsListed: [{ task: 0, offset: 6, error: 'not JSON: Unexpected token' }],
    });
    expect(other.digest).toBe(one.digest);
    expect(elsewhere.digest).not.toBe(one.digest);
    expect(verify([other.spill], 2).digest).toBe(one.digest);
  });

  test('that unpacks past its bound is refused, by its writer and by its reader', () => {
    const text = `"${'x'.repeat(100_000)}"`;
    const fill = (writer: SpillWriter) => {
      for (let i = 0; i < 20; i++) writer.add(0, 'k', text);
      return writer.finish(trailerOf(20)).spill;
    };
    expect(() => fill(new SpillWriter(1, MIB))).toThrow(SpillTooLargeError);
    const bomb = fill(new SpillWriter(1, 3 * MIB));
    expect(bomb.length).toBeLessThan(MIB);
    const verifier = new SpillVerifier(1, MIB);
    expect(() => verifier.push(bomb)).toThrow(/unpacks to over 1048576 bytes/);
  });
});
