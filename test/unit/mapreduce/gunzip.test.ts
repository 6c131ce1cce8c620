// Unpacking gzip: every byte of whole files, nothing of damaged ones taken for whole.
import { crc32 as nodeCrc32, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { crc32, gunzip } from '../../../shared/mapreduce/gunzip.ts';

const unpack = (packed: Uint8Array) => Buffer.concat([...gunzip(packed)]);
const bytes = fc.uint8Array({ maxLength: 300_000, size: 'max' });

it('gives back files of one and of several members', () => {
  fc.assert(
    fc.property(fc.array(bytes, { minLength: 1, maxLength: 3 }), (members) => {
      const packed = Buffer.concat(members.map((member) => gzipSync(member)));
      expect(unpack(packed).equals(Buffer.concat(members))).toBe(true);
    }),
    { numRuns: 30 },
  );
});

it('computes the CRC-32 of gzip, in pieces too', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), fc.nat(500), (whole, cut) => {
      expect(crc32(whole.subarray(cut), crc32(whole.subarray(0, cut)))).toBe(nodeCrc32(whole));
    }),
  );
});

const text = Buffer.from(Array.from({ length: 20_000 }, (_, i) => `line ${i}`).join('\n'));

it.each([0.1, 0.5, 0.99])('refuses a file cut off at %d of its length', (share) => {
  const packed = gzipSync(text);
  expect(() => unpack(packed.subarray(0, Math.floor(packed.length * share)))).toThrow('damaged');
});

it('refuses a cut trailer; a flipped byte behind the header is refused or changes nothing', () => {
  const packed = gzipSync(text);
  expect(() => unpack(packed.subarray(0, packed.length - 1))).toThrow('damaged');
  fc.assert(
    fc.property(
      fc.integer({ min: 10, max: packed.length - 1 }),
      fc.integer({ min: 1, max: 255 }),
      (at, mask) => {
        const flipped = Uint8Array.from(packed);
        flipped[at] = (flipped[at] as number) ^ mask;
        // Deflate's last byte may have bits that mean nothing.
        const same = (() => {
          try {
            return unpack(flipped).equals(text);
          } catch (error) {
            return String(error).includes('damaged');
          }
        })();
        expect(same).toBe(true);
      },
    ),
    { numRuns: 100 },
  );
});

it('refuses damage in the first of two members', () => {
  const first = gzipSync(text);
  first.writeUInt32LE(1, first.length - 8);
  expect(() => unpack(Buffer.concat([first, gzipSync(text)]))).toThrow('damaged');
});
