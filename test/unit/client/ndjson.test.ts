// The lines of an answer come out whole, however its bytes arrive.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ndjson } from '../../../shared/client.ts';

/** An answer whose body comes in chunks of `size` bytes. */
function answerOf(text: string, size: number): Response {
  const bytes = new TextEncoder().encode(text);
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size)
        controller.enqueue(bytes.slice(at, at + size));
      controller.close();
    },
  });
  return new Response(body);
}

test('every line is a value, also the last one without its end; empty lines are left out', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 7 }), async (size) => {
      const values: unknown[] = [];
      for await (const value of ndjson(answerOf('{"key":"ä"}\n\n{"key":"b"}\n"last"', size))) {
        values.push(value);
      }
      expect(values).toEqual([{ key: 'ä' }, { key: 'b' }, 'last']);
    }),
  );
});
