// A three-way join: products whose upload, image and video arrive in any order, against the way a join is usually
// written (an object a key, a message an event). How many events a second, how long from arrival to output at a
// modest rate, and what a million of them write and cost on Cloudflare.
import { seededRandom } from '../../shared/sandbox/determinism.ts';
import { usd } from '../../shared/pricing.ts';
import type { EventInput } from '../../shared/schemas/stream.ts';
import type { Client } from '../../shared/client.ts';
import { startTestEdge } from '../support/edge.ts';
import { medianRatio, type Row, spread } from './measure.ts';
import { type Joined, startObjectJoin } from './peers/object-per-key.ts';
import { packed, publish, publishPaced, until } from './publish.ts';

const TYPES = ['ProductUploaded', 'ImageEncoded', 'VideoEncoded'] as const;
const PARTITIONS = 4;
const EVENTS_A_REQUEST = 1_000;
/** An object for each is slow, and each is a file: fewer products tell its rate well enough. */
const PEER_PRODUCTS = 2_000;
const PACED_PRODUCTS = 600;
const PACED_EVENTS_A_REQUEST = 9;
const PACED_EVERY_MS = 25;
const TIMEOUT_MS = 3_600_000;

const CODE = `export function process({ ProductUploaded, ImageEncoded, VideoEncoded }) {
  const { productId, title } = ProductUploaded.payload;
  return { type: 'ProductCreated', key: productId, payload: { productId, title, image: ImageEncoded.payload, video: VideoEncoded.payload } };
}`;

export interface Joining {
  products: number;
  rounds: number;
}

interface Measured {
  eventsPerSecond: number;
  p50: number;
  p99: number;
}

export async function joining(
  { products, rounds }: Joining,
  say: (text: string) => void,
): Promise<Row[]> {
  const events = products * TYPES.length;
  const requests = packed(shuffledEvents(products, 'p'), EVENTS_A_REQUEST);
  const paced = packed(shuffledEvents(PACED_PRODUCTS, 'paced'), PACED_EVENTS_A_REQUEST);
  const fewer = packed(shuffledEvents(PEER_PRODUCTS, 'p'), EVENTS_A_REQUEST);
  const ours: Measured[] = [];
  const theirs: Measured[] = [];
  let cost = { rows: 0, usd: 0 };
  for (let round = 1; round <= rounds; round += 1) {
    say(`join, round ${round} of ${rounds}`);
    const measured = await measureJoin(requests, paced, products);
    cost = measured.perMillion;
    ours.push(measured);
    say(`  join processor ${text(measured)}; a million events ${JSON.stringify(cost)}`);
    const peer = await measurePeer(fewer, paced);
    theirs.push(peer);
    say(`  an object a key ${text(peer)}`);
  }
  const rates = (of: Measured[]) => of.map(({ eventsPerSecond }) => eventsPerSecond);
  const latency = (of: Measured[]) =>
    `${spread(of.map(({ p50 }) => p50))} / ${spread(of.map(({ p99 }) => p99))} ms`;
  const pacedRate = Math.round((PACED_EVENTS_A_REQUEST * 1000) / PACED_EVERY_MS);
  const beside = 'Worker → Queue (`sendBatch` of 100) → an object for each product';
  return [
    {
      what: `join of ${products.toLocaleString('en-US')} products, ${events.toLocaleString('en-US')} events shuffled, to output`,
      result: `${spread(rates(ours))} events/s`,
      beside: `${beside}, ${PEER_PRODUCTS.toLocaleString('en-US')} products`,
      peer: `${spread(rates(theirs))} events/s`,
      ratio: medianRatio(rates(ours), rates(theirs)).toFixed(1),
      aim: '',
    },
    {
      what: `arrival to joined output at ${pacedRate} events/s, p50 / p99`,
      result: latency(ours),
      beside,
      peer: latency(theirs),
      ratio: '',
      aim: '',
    },
    {
      what: 'a million joined events on Cloudflare, from counted operations: rows written, dollars',
      result: `${Math.round(cost.rows).toLocaleString('en-US')} rows, $${cost.usd.toFixed(3)}`,
      beside: '',
      peer: '',
      ratio: '',
      aim: '',
    },
  ];
}

const text = ({ eventsPerSecond, p50, p99 }: Measured) =>
  `${Math.round(eventsPerSecond).toLocaleString('en-US')} events/s, p50 ${p50} ms, p99 ${p99} ms`;

function shuffledEvents(products: number, prefix: string): EventInput[] {
  const events = Array.from({ length: products }, (_, n) => `${prefix}${n}`).flatMap((productId) =>
    TYPES.map((type) => ({
      type,
      id: `${type}-${productId}`,
      key: productId,
      payload: {
        productId,
        title: `Product ${productId}`,
        bytes: 48_113,
        width: 1280,
        height: 960,
      },
    })),
  );
  const random = seededRandom('join');
  for (let last = events.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    const event = events[last] as (typeof events)[number];
    events[last] = events[other] as (typeof events)[number];
    events[other] = event;
  }
  return events;
}

async function measureJoin(
  requests: readonly string[],
  paced: readonly string[],
  products: number,
): Promise<Measured & { perMillion: { rows: number; usd: number } }> {
  const edge = await startTestEdge();
  const { client } = edge;
  const created = async (name: string) => {
    const { partitions } = await client.streams.get(`${name}-created`);
    return partitions.reduce((sum, { next, first }) => sum + next - first, 0);
  };
  try {
    await define(client, 'all');
    const beganMs = performance.now();
    await publish(`${edge.url}/api/streams/all/events`, requests);
    await until(async () => (await created('all')) >= products);
    const events = products * TYPES.length;
    const eventsPerSecond = events / ((performance.now() - beganMs) / 1000);
    const { counters, cost } = await client.processors.get('all');
    if (counters.fired !== products) throw new Error(`fired ${counters.fired} of ${products}`);
    const streams = ['all', 'all-created'].map((name) => client.streams.get(name));
    const costs = [cost, ...(await Promise.all(streams)).map((stream) => stream.cost)];
    const sum = (of: (one: typeof cost) => number) =>
      costs.reduce((total, one) => total + of(one), 0);
    const million = 1_000_000 / events;
    const perMillion = {
      rows: million * sum(({ operations }) => operations['rowWritten'] ?? 0),
      usd: million * (sum((one) => one.usd) + usd({ workerRequest: requests.length })),
    };
    await define(client, 'paced');
    await publishPaced(`${edge.url}/api/streams/paced/events`, paced, PACED_EVERY_MS);
    await until(async () => (await created('paced')) >= PACED_PRODUCTS);
    const { latencyMs } = await client.processors.get('paced');
    return { eventsPerSecond, p50: latencyMs.p50 ?? NaN, p99: latencyMs.p99 ?? NaN, perMillion };
  } finally {
    await edge.stop();
  }
}

async function define(client: Client, name: string): Promise<void> {
  await client.streams.put(name, { partitions: PARTITIONS });
  await client.streams.put(`${name}-created`, { partitions: PARTITIONS });
  await client.processors.put(name, {
    kind: 'join',
    stream: name,
    output: `${name}-created`,
    keyBy: 'payload.productId',
    join: { types: [...TYPES], timeoutMs: TIMEOUT_MS, onTimeout: 'dead-letter' },
    code: CODE,
  });
}

async function measurePeer(
  requests: readonly string[],
  paced: readonly string[],
): Promise<Measured> {
  const whole = await startObjectJoin(TYPES);
  const joined = async (url: string) => (await (await fetch(url)).json()) as Joined;
  let eventsPerSecond: number;
  try {
    const beganMs = performance.now();
    await publish(whole.url, requests);
    await until(async () => (await joined(whole.url)).products >= PEER_PRODUCTS);
    eventsPerSecond = (PEER_PRODUCTS * TYPES.length) / ((performance.now() - beganMs) / 1000);
  } finally {
    await whole.stop();
  }
  // Another one, since its latencies are those of all that it joined.
  const slow = await startObjectJoin(TYPES);
  try {
    await publishPaced(slow.url, paced, PACED_EVERY_MS);
    await until(async () => (await joined(slow.url)).products >= PACED_PRODUCTS);
    const { p50, p99 } = await joined(slow.url);
    return { eventsPerSecond, p50, p99 };
  } finally {
    await slow.stop();
  }
}
