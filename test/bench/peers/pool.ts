// The compute peer: the job's own program over the same ranges in a Node worker_threads pool. A worker
// asks for its next range as soon as it is done, as volunteers do.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

interface Range {
  from: number;
  to: number;
}

export interface PoolRun {
  code: string;
  ranges: Range[];
  threads: number;
  params: unknown;
}

/** Sums of what the program emitted, by key, as its "sum" combine and reduce would give. */
export async function runPool({ code, ranges, threads, params }: PoolRun) {
  const sums = new Map<string, number>();
  let next = 0;
  await Promise.all(
    Array.from({ length: threads }, async () => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { code, params } });
      await new Promise<void>((resolve, reject) => {
        worker.once('error', reject);
        worker.on('message', (emitted: [string, number][]) => {
          for (const [key, value] of emitted) sums.set(key, (sums.get(key) ?? 0) + value);
          const range = ranges[next++];
          if (range === undefined) resolve();
          else worker.postMessage(range);
        });
      });
      await worker.terminate();
    }),
  );
  return sums;
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  const { code, params } = workerData as { code: string; params: unknown };
  const { map } = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
    map: (record: number, emit: (key: string, value: number) => void, ctx: object) => void;
  };
  port.on('message', ({ from, to }: Range) => {
    const sums = new Map<string, number>();
    const emit = (key: string, value: number) => sums.set(key, (sums.get(key) ?? 0) + value);
    for (let record = from; record < to; record += 1) map(record, emit, { params });
    port.postMessage([...sums]);
  });
  port.postMessage([]); // Ready for the first range.
}
