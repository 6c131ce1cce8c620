// What streams are measured against: a Worker that puts each event on a queue, and a consumer that runs the same
// function on each and keeps the outputs in memory. One message an event, consumed in the largest batches that
// the platform takes, and sent in such batches or one by one; no log, no stored output, no order, no replay, no dedup.
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';

/** Events published, as NDJSON, by `POST /`; `GET /` says what the consumer has seen. */
export interface Pipeline {
  url: string;
  stop(): Promise<void>;
}

export interface Sink {
  events: number;
  /** Milliseconds from publication to the output: the middle and the 99th of a hundred. */
  p50: number;
  p99: number;
}

/** Messages sent by one call: the platform's most, or one. */
export const SENDING = { batches: 100, singly: 1 } as const;
export type Sending = keyof typeof SENDING;

const worker = (processCode: string, sending: Sending) => `
${processCode.replace('export function process', 'function processEvent')}
const SEND_MAX = ${SENDING[sending]};
const latencies = [];
const IN_FLIGHT = 6;
async function sendAll(queue, bodies) {
  if (SEND_MAX === 1) {
    const waiting = bodies.values();
    const sender = async () => { for (const body of waiting) await queue.send(body); };
    return Promise.all(Array.from({ length: IN_FLIGHT }, sender));
  }
  for (let first = 0; first < bodies.length; first += SEND_MAX) {
    await queue.sendBatch(bodies.slice(first, first + SEND_MAX).map((body) => ({ body })));
  }
}
export default {
  async fetch(request, env) {
    if (request.method === 'POST') {
      const publishedMs = Date.now();
      const lines = (await request.text()).split('\\n');
      await sendAll(env.EVENTS, lines.map((line) => ({ publishedMs, event: JSON.parse(line) })));
      return new Response(String(lines.length), { status: 202 });
    }
    if (request.method === 'DELETE') latencies.length = 0;
    const sorted = latencies.toSorted((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    return Response.json({ events: sorted.length, p50: at(0.5), p99: at(0.99) });
  },
  async queue(batch) {
    const outputs = batch.messages.map(({ body }) => processEvent(body.event, { params: {} }));
    const nowMs = Date.now();
    for (const [index, { body }] of batch.messages.entries()) {
      if (outputs[index]) latencies.push(nowMs - body.publishedMs);
    }
  },
};`;

/** `processCode` is one line of \`export function process(event, ctx)\`, as a processor has it. */
export async function startQueuePipeline(processCode: string, sending: Sending): Promise<Pipeline> {
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      name: 'queue-pipeline',
      modules: [{ type: 'ESModule', path: 'worker.js', contents: worker(processCode, sending) }],
      compatibilityDate: '2026-10-01',
      queueProducers: { EVENTS: 'events' },
      queueConsumers: { events: { maxBatchSize: 100, maxBatchTimeout: 0, maxRetries: 3 } },
      host: '127.0.0.1',
      port: 0,
      cf: false,
    }),
  );
  const url = String(await miniflare.ready);
  return { url, stop: () => miniflare.dispose() };
}
