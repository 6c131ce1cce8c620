// Streams against a bare Worker → Queue → Worker pipeline with a message an event, in the same local runtime:
// how many events a second get from publication to output, how long one takes at a modest rate, and what a
// million of them cost on Cloudflare.
import { PRICE_PER_MILLION_USD, usd } from '../../shared/pricing.ts';
import type { Appended } from '../../shared/schemas/stream.ts';
import type { Client } from '../../shared/client.ts';
import { startTestEdge } from '../support/edge.ts';
import { nexmarkEvents } from '../support/nexmark/generator.ts';
import { STATELESS_QUERIES } from '../support/nexmark/queries.ts';
import { medianRatio, spread } from './measure.ts';
import type { Row } from './measure.ts';
import { packed, post, publish, publishPaced, until } from './publish.ts';
import { type Sending, type Sink, startQueuePipeline } from './peers/queue-pipeline.ts';

const PARTITIONS = 4;
const EVENTS_A_REQUEST = 1_000;
/** For latency: a rate that neither side has to queue for. */
const PACED_EVENTS_A_REQUEST = 10;
const PACED_REQUESTS = 200;
const PACED_EVERY_MS = 25;
/** Queue: one operation to write, one to read, one to delete. */
const QUEUE_OPERATIONS = 3;

const CODE = STATELESS_QUERIES.find(({ name }) => name === 'q1')?.stages[0]?.code ?? '';

interface Measured {
  eventsPerSecond: number;
  p50: number;
  p99: number;
}

export interface Streaming {
  events: number;
  rounds: number;
}

export async function streaming(setup: Streaming, say: (text: string) => void): Promise<Row[]> {
  const { events, rounds } = setup;
  const bids = [...nexmarkEvents(Math.ceil(events / 0.9))]
    .filter(({ type }) => type === 'Bid')
    .slice(0, events);
  const requests = packed(bids, EVENTS_A_REQUEST);
  const paced = packed(
    bids.slice(0, PACED_EVENTS_A_REQUEST * PACED_REQUESTS),
    PACED_EVENTS_A_REQUEST,
  );
  const ours: Measured[] = [];
  const theirs: Record<Sending, Measured[]> = { batches: [], singly: [] };
  let costUsd = 0;
  for (let round = 1; round <= rounds; round += 1) {
    say(`streaming, round ${round} of ${rounds}`);
    const measured = await measureStreams(requests, paced, bids.length);
    ours.push(measured);
    costUsd = measured.usdPerMillion;
    say(`  streams ${text(measured)}; a million events ${costUsd.toFixed(4)} dollars`);
    for (const sending of ['batches', 'singly'] as const) {
      const peer = await measureQueues(sending, requests, paced, bids.length);
      theirs[sending].push(peer);
      say(`  bare queue, sent ${sending}: ${text(peer)}`);
    }
  }
  const rates = (of: Measured[]) => of.map(({ eventsPerSecond }) => eventsPerSecond);
  const latency = (of: Measured[]) =>
    `${spread(of.map(({ p50 }) => p50))} / ${spread(of.map(({ p99 }) => p99))} ms`;
  const queueUsd = QUEUE_OPERATIONS * PRICE_PER_MILLION_USD.queueOperation;
  const rateRow = (sending: Sending, beside: string): Row => ({
    what: `${events.toLocaleString('en-US')} events, published 1,000 a request, to output`,
    result: `${spread(rates(ours))} events/s`,
    beside,
    peer: `${spread(rates(theirs[sending]))} events/s`,
    ratio: medianRatio(rates(ours), rates(theirs[sending])).toFixed(1),
    aim: '≥ 5',
  });
  const pacedRate = (PACED_EVENTS_A_REQUEST * 1000) / PACED_EVERY_MS;
  return [
    rateRow('singly', 'Worker → Queue → Worker, `send` for each event'),
    rateRow('batches', 'the same, `sendBatch` of 100'),
    {
      what: `append to output at ${pacedRate} events/s, p50 / p99`,
      result: latency(ours),
      beside: 'Worker → Queue → Worker, `sendBatch`',
      peer: latency(theirs.batches),
      ratio: '',
      aim: '',
    },
    {
      what: 'a million events on Cloudflare, in and out, from counted operations',
      result: `$${costUsd.toFixed(3)}`,
      beside: 'the messages of such a pipeline',
      peer: `$${queueUsd.toFixed(2)}`,
      ratio: (queueUsd / costUsd).toFixed(1),
      aim: '≤ $0.15 against $1.20',
    },
  ];
}

const text = ({ eventsPerSecond, p50, p99 }: Measured) =>
  `${Math.round(eventsPerSecond).toLocaleString('en-US')} events/s, p50 ${p50} ms, p99 ${p99} ms`;

async function measureStreams(
  requests: readonly string[],
  paced: readonly string[],
  events: number,
): Promise<Measured & { usdPerMillion: number }> {
  const edge = await startTestEdge();
  try {
    const { client } = edge;
    await define(client, 'fast');
    const beganMs = performance.now();
    await publish(`${edge.url}/api/streams/fast/events`, requests);
    await until(async () => (await outputsOf(client, 'fast-out')) >= events);
    const eventsPerSecond = events / ((performance.now() - beganMs) / 1000);
    const usdPerMillion = (await costOf(client, 'fast', requests)) * (1_000_000 / events);
    // Another processor, since latencies are a processor's last minutes. Its first events load the code.
    await define(client, 'paced');
    const url = `${edge.url}/api/streams/paced/events`;
    await post(url, JSON.stringify({ type: 'Warm', payload: {} }));
    await until(async () => (await processor(client, 'paced')).lag.every(({ lag }) => lag === 0));
    await publishPaced(url, paced.map(withoutIds), PACED_EVERY_MS);
    const { accepted } = JSON.parse(await post(url, '{"type":"Last"}')) as Appended;
    if (accepted !== 1) throw new Error('the last event was not taken');
    await until(async () => (await processor(client, 'paced')).lag.every(({ lag }) => lag === 0));
    const { p50, p99 } = (await processor(client, 'paced')).latencyMs;
    return { eventsPerSecond, p50: p50 ?? NaN, p99: p99 ?? NaN, usdPerMillion };
  } finally {
    await edge.stop();
  }
}

const withoutIds = (request: string) => request.replaceAll(/"id":"bid-\d+",/g, '');

async function define(client: Client, name: string): Promise<void> {
  await client.streams.put(name, { partitions: PARTITIONS });
  await client.streams.put(`${name}-out`, { partitions: PARTITIONS });
  await client.processors.put(name, {
    kind: 'stateless',
    stream: name,
    output: `${name}-out`,
    types: ['Bid'],
    code: CODE,
  });
}

const processor = (client: Client, name: string) => client.processors.get(name);

async function outputsOf(client: Client, stream: string): Promise<number> {
  const { partitions } = await client.streams.get(stream);
  return partitions.reduce((sum, { next, first }) => sum + next - first, 0);
}

/** What the run would have cost: the operations of both streams and of the processor, and the requests. */
async function costOf(client: Client, name: string, requests: readonly string[]): Promise<number> {
  const [input, output, reader] = await Promise.all([
    client.streams.get(name),
    client.streams.get(`${name}-out`),
    processor(client, name),
  ]);
  const published = usd({ workerRequest: requests.length });
  return input.cost.usd + output.cost.usd + reader.cost.usd + published;
}

async function measureQueues(
  sending: Sending,
  requests: readonly string[],
  paced: readonly string[],
  events: number,
): Promise<Measured> {
  const pipeline = await startQueuePipeline(CODE, sending);
  const sink = async (method = 'GET') =>
    (await (await fetch(pipeline.url, { method })).json()) as Sink;
  try {
    const beganMs = performance.now();
    await publish(pipeline.url, requests);
    await until(async () => (await sink()).events >= events);
    const eventsPerSecond = events / ((performance.now() - beganMs) / 1000);
    await sink('DELETE');
    await publishPaced(pipeline.url, paced, PACED_EVERY_MS);
    await until(async () => (await sink()).events >= PACED_EVENTS_A_REQUEST * PACED_REQUESTS);
    const { p50, p99 } = await sink();
    return { eventsPerSecond, p50, p99 };
  } finally {
    await pipeline.stop();
  }
}
