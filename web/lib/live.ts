// What a live stream brings, in batches: a burst costs the page one update.
import type { LiveMessage } from '../../shared/client.ts';

const BATCH_MS = 100;

/** Resolves at the stream's end. After the signal nothing is handed on, also not what came before it. */
export async function readInBatches<Data>(
  messages: AsyncIterable<LiveMessage<Data>>,
  signal: AbortSignal,
  onBatch: (batch: Data[]) => void,
): Promise<void> {
  let pending: Data[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    const batch = pending;
    pending = [];
    if (batch.length > 0 && !signal.aborted) onBatch(batch);
  };
  try {
    for await (const { data } of messages) {
      pending.push(data);
      timer ??= setTimeout(flush, BATCH_MS);
    }
  } finally {
    flush();
  }
}
