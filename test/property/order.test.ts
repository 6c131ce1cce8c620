// Laws of keys: one order on both sides (UTF-8 bytes), one hash, one sort.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hashKey, partitionOf } from '../../shared/mapreduce/hash.ts';
import { compareKeys, sortKeys } from '../../shared/mapreduce/order.ts';
import { wellFormed } from './texts.ts';

const bytes = (text: string) => Buffer.from(text, 'utf8');

/** FNV-1a over bytes, then MurmurHash3's finalizer, written down a second time with big integers. */
function referenceHash(text: string): number {
  const word = (n: bigint) => n & 0xffffffffn;
  let hash = 0x811c9dc5n;
  for (const byte of bytes(text)) hash = word((hash ^ BigInt(byte)) * 0x01000193n);
  hash = word((hash ^ (hash >> 16n)) * 0x85ebca6bn);
  hash = word((hash ^ (hash >> 13n)) * 0xc2b2ae35n);
  return Number(hash ^ (hash >> 16n));
}

describe('keys', () => {
  test('are ordered by their UTF-8 bytes', () => {
    fc.assert(
      fc.property(wellFormed(), wellFormed(), (a, b) => {
        expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(bytes(a), bytes(b)));
      }),
      { numRuns: 2000 },
    );
  });

  test('are sorted by that order, with surrogates among them or not', () => {
    fc.assert(
      fc.property(fc.array(wellFormed()), (keys) => {
        const expected = [...keys].sort((a, b) => Buffer.compare(bytes(a), bytes(b)));
        expect(sortKeys([...keys])).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  test('hash over their UTF-8 bytes', () => {
    fc.assert(
      fc.property(wellFormed(), fc.integer({ min: 1, max: 512 }), (key, partitions) => {
        expect(hashKey(key)).toBe(referenceHash(key));
        expect(partitionOf(key, partitions)).toBe(referenceHash(key) % partitions);
      }),
      { numRuns: 1000 },
    );
  });

  test('keep the partitions that older spills have put them in', () => {
    const known = ['', 'a', '/index.html', 'é', '€', '😀', '192.168.0.1'].map(hashKey);
    expect(known).toMatchInlineSnapshot(`
      [
        2872998923,
        444641715,
        528702661,
        2387039943,
        199267061,
        855877642,
        486062047,
      ]
    `);
  });

  test.each([3, 4, 7, 64])('spread evenly over %i partitions', (partitions) => {
    const counts = new Array<number>(partitions).fill(0);
    const keys = 64_000;
    for (let i = 0; i < keys; i++) {
      const partition = partitionOf(`/page/${i}.html`, partitions);
      counts[partition] = (counts[partition] ?? 0) + 1;
    }
    const expected = keys / partitions;
    // Five standard deviations of a fair spread.
    const bound = 5 * Math.sqrt(expected);
    for (const count of counts) expect(Math.abs(count - expected)).toBeLessThan(bound);
  });
});
