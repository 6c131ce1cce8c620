// A burst of messages costs one update; what was stopped hands nothing on.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { LiveMessage } from '../../../shared/client.ts';
import { readInBatches } from '../../../web/lib/live.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const message = (data: number): LiveMessage<number> => ({ id: `${data}`, event: 'message', data });

/** Messages, with waits in milliseconds between them; then the end, or what is thrown. */
async function* played(...steps: (number | { waitMs: number } | Error)[]) {
  for (const step of steps) {
    if (step instanceof Error) throw step;
    if (typeof step === 'number') yield message(step);
    else await new Promise((resolve) => setTimeout(resolve, step.waitMs));
  }
}

function read(messages: AsyncIterable<LiveMessage<number>>) {
  const batches: number[][] = [];
  const stop = new AbortController();
  const end = readInBatches(messages, stop.signal, (batch) => batches.push(batch));
  return { batches, stop, end };
}

test('what comes within a moment is one batch, and the end brings the rest at once', async () => {
  const { batches, end } = read(played(1, 2, { waitMs: 150 }, 3, { waitMs: 10 }, 4));
  await vi.advanceTimersByTimeAsync(99);
  expect(batches).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(batches).toEqual([[1, 2]]);
  await vi.advanceTimersByTimeAsync(60);
  await end;
  expect(batches).toEqual([
    [1, 2],
    [3, 4],
  ]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(batches).toHaveLength(2);
});

test('a stream that fails hands on what came, and throws', async () => {
  const { batches, end } = read(played(1, new Error('gone')));
  await expect(end).rejects.toThrow('gone');
  expect(batches).toEqual([[1]]);
});

test('after the signal nothing is handed on', async () => {
  const { batches, stop, end } = read(played(1, { waitMs: 50 }, 2));
  await vi.advanceTimersByTimeAsync(20);
  stop.abort();
  await vi.advanceTimersByTimeAsync(200);
  await end;
  expect(batches).toEqual([]);
});
