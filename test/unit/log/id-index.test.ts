// The set of id hashes behaves like a Set, whatever is added and removed; the hash is the published one.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hashId, type IdHashes, IdIndex } from '../../../worker/log/partition/id-index.ts';

const hashOf = (id: string, key: readonly [number, number] = [1, 2]): IdHashes => {
  const hash = new Uint32Array(2);
  hashId(id, key, hash, 0);
  return hash;
};

describe('the hash of an id', () => {
  // The reference vectors: key 00 01 … 07, message 00 01 … of 0, 2, 4, 6, 8 bytes.
  const key = [0x03020100, 0x07060504] as const;
  test.each([
    ['', '218d1f59b9b83cc8'],
    ['\u0100', '064f39ef7c50eb57'],
    ['\u0100\u0302', 'd5e78a175be52ea1'],
    ['\u0100\u0302\u0504', 'ce3e91358aa2bc25'],
    ['\u0100\u0302\u0504\u0706', 'edfee820bce4858c'],
  ])('of %j is HalfSipHash-2-4', (id, expected) => {
    const [high, low] = hashOf(id, key);
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setUint32(0, low ?? 0, true);
    bytes.setUint32(4, high ?? 0, true);
    expect(bytes.getBigUint64(0).toString(16).padStart(16, '0')).toBe(expected);
  });

  test('depends on the key, and on every character', () => {
    const hashes = ['a', 'b', 'ab', 'ba', 'a\0', '\0a', ''].map((id) => hashOf(id).join());
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(hashOf('a', [1, 3])).not.toEqual(hashOf('a', [1, 2]));
  });
});

describe('the index', () => {
  test('behaves like a set', () => {
    const step = fc.record({ remove: fc.boolean(), id: fc.nat({ max: 400 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600 }), fc.boolean(), (steps, crowded) => {
        const index = new IdIndex();
        const set = new Set<number>();
        for (const { remove, id } of steps) {
          // Crowded: all hashes have their home in a few slots at the end, so that runs wrap around.
          const [hashed = 0, low = 0] = hashOf(String(id));
          const high = crowded ? 0xffffffff - (id % 3) : hashed;
          expect(index.has(high, low)).toBe(set.has(id));
          if (remove) {
            index.remove(high, low);
            set.delete(id);
          } else {
            expect(index.add(high, low)).toBe(!set.has(id));
            set.add(id);
          }
          expect(index.size).toBe(set.size);
        }
        for (let id = 0; id <= 400; id++) {
          const [hashed = 0, low = 0] = hashOf(String(id));
          const high = crowded ? 0xffffffff - (id % 3) : hashed;
          expect(index.has(high, low)).toBe(set.has(id));
        }
      }),
    );
  });

  test('takes hashes in bulk, and gives them up', () => {
    const ids = Array.from({ length: 1_000 }, (_, i) => `id-${i}`);
    const hashes = new Uint32Array(ids.length * 2);
    ids.forEach((id, i) => hashId(id, [7, 9], hashes, i * 2));
    const index = new IdIndex(10);
    index.addAll(hashes);
    expect(index.size).toBe(1_000);
    index.removeAll(hashes.slice(0, 1_998));
    expect(index.size).toBe(1);
    expect(index.has(hashes[1_998] ?? 0, hashes[1_999] ?? 0)).toBe(true);
  });
});
