// What the join is measured against: how a join is usually written on this platform. A Worker puts each event on a
// queue, and a consumer hands each one to an object of its key, which stores it, and when all types are there hands
// the joined product on to a counter. Sent a hundred at a time. No log, no order, no time-out, no dead letters.
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';

export interface ObjectJoin {
  /** `POST /` takes events as NDJSON; `GET /` says what has been joined. */
  url: string;
  stop(): Promise<void>;
}

export interface Joined {
  products: number;
  /** Milliseconds from the publication of a product's last event until it was joined. */
  p50: number;
  p99: number;
}

const worker = (types: readonly string[]) => `
import { DurableObject } from 'cloudflare:workers';
const TYPES = ${JSON.stringify(types)};
const latencies = [];
export class Join extends DurableObject {
  async arrive(event) {
    if (await this.ctx.storage.get('fired')) return null;
    await this.ctx.storage.put(event.type, event);
    const events = await this.ctx.storage.get(TYPES);
    if (events.size < TYPES.length) return null;
    await this.ctx.storage.put('fired', true);
    await this.ctx.storage.delete(TYPES);
    return Object.fromEntries(events);
  }
}
export default {
  async fetch(request, env) {
    if (request.method === 'POST') {
      const publishedMs = Date.now();
      const bodies = (await request.text()).split('\\n').map((line) => ({ publishedMs, event: JSON.parse(line) }));
      for (let first = 0; first < bodies.length; first += 100) {
        await env.EVENTS.sendBatch(bodies.slice(first, first + 100).map((body) => ({ body })));
      }
      return new Response(String(bodies.length), { status: 202 });
    }
    const sorted = latencies.toSorted((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    return Response.json({ products: sorted.length, p50: at(0.5), p99: at(0.99) });
  },
  async queue(batch, env) {
    await Promise.all(batch.messages.map(async ({ body: { publishedMs, event } }) => {
      const joined = await env.JOIN.get(env.JOIN.idFromName(event.key)).arrive(event);
      if (joined) latencies.push(Date.now() - publishedMs);
    }));
  },
};`;

export async function startObjectJoin(types: readonly string[]): Promise<ObjectJoin> {
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      name: 'object-per-key',
      modules: [{ type: 'ESModule', path: 'worker.js', contents: worker(types) }],
      compatibilityDate: '2026-10-01',
      durableObjects: { JOIN: { className: 'Join', useSQLite: true } },
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
