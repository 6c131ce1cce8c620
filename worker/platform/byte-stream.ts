// Streams out of generators, pulled as fast as the client reads and stopped when it goes away; and back.
import { KIB } from '../../shared/limits.ts';

/** A stream of what `pieces` gives. */
export function streamOf(pieces: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await pieces.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

const READ_BYTES = 256 * KIB;

/** Large chunks, each in a buffer of its own: what a plain read of a body gives is 4 KiB at a time. */
export async function* largeChunks(
  body: ReadableStream<Uint8Array>,
  bytes = Infinity,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader({ mode: 'byob' });
  try {
    for (let left = bytes; left > 0;) {
      const size = Math.min(READ_BYTES, left);
      const { value, done } = await reader.readAtLeast(size, new Uint8Array(size));
      if (value && value.length > 0) {
        left -= value.length;
        yield value as Uint8Array<ArrayBuffer>;
      }
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
