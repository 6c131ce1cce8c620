import fc from 'fast-check';
import { expect, test } from 'vitest';
import { textPieces } from '../../../worker/platform/text-pieces.ts';

test('pieces are whole characters, no longer than they may be, and make up the text', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'ä', '😀', '\n'), maxLength: 40 });
  fc.assert(
    fc.property(text, fc.integer({ min: 2, max: 9 }), (text, maxChars) => {
      const pieces = textPieces(text, maxChars);
      expect(pieces.length).toBeGreaterThan(0);
      expect(pieces.join('')).toBe(text);
      for (const piece of pieces) {
        expect(piece.length).toBeLessThanOrEqual(maxChars);
        expect(piece.isWellFormed()).toBe(true);
      }
    }),
  );
});
