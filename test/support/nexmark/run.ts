// Runs Nexmark queries on a local edge: publishes the events, waits until the processors have caught up, and
// compares what came out with the reference. With `disorder` every request is sent twice at once (the events'
// ids make the second a duplicate) and the edge is killed and started again on its way.
import { setTimeout as pause } from 'node:timers/promises';
import type { ProcessorSpecInput } from '../../../shared/schemas/processor.ts';
import type { EventInput } from '../../../shared/schemas/stream.ts';
import type { Client } from '../../../shared/client.ts';
import { type Query, referenceOf, type Stage, STREAM_OF } from './queries.ts';

const PARTITIONS = 4;
const PUBLISHERS = 2;
const POLL_MS = 100;

export interface NexmarkRun {
  /** The edge as it is at the moment: another one after a restart. */
  client(): Client;
  events: readonly EventInput[];
  /** Events that are sent at once; the publishers run ahead of each other by a few times as much. */
  eventsARequest: number;
  queries: readonly Query[];
  /** Sends everything twice, and calls `crash` when these shares of the events were published. */
  disorder: { crashAt: number[]; crash(): Promise<void> } | null;
  maxMs: number;
}

export interface NexmarkResult {
  /** From the first publication until the last query had caught up. */
  ms: number;
  /** As the answers said; the answers of an edge that was killed are not among them. */
  duplicates: number;
  queries: { name: string; outputs: number; equal: boolean; difference: string }[];
}

export async function runNexmark(run: NexmarkRun): Promise<NexmarkResult> {
  const { events, queries } = run;
  for (const stream of Object.values(STREAM_OF)) {
    await run.client().streams.put(stream, { partitions: PARTITIONS });
  }
  for (const { name, ...stage } of queries.flatMap(({ stages }) => stages)) {
    await run.client().streams.put(name, { partitions: PARTITIONS });
    const spec: ProcessorSpecInput = { ...stage, output: name, startFrom: 'earliest' };
    await run.client().processors.put(name, spec);
  }
  const beganMs = performance.now();
  const duplicates = await publish(run);
  for (const stages of byDepth(queries)) await settled(run, stages);
  const ms = performance.now() - beganMs;
  const results: NexmarkResult['queries'] = [];
  for (const query of queries) {
    const found = (await resultOf(run.client(), query)).sort();
    const difference = firstDifference(found, referenceOf(query, events));
    results.push({
      name: query.name,
      outputs: found.length,
      equal: difference === '',
      difference,
    });
  }
  return { ms, duplicates, queries: results };
}

/** A stage reads what those before it put out. */
function byDepth(queries: readonly Query[]): Stage[][] {
  const depth = Math.max(...queries.map(({ stages }) => stages.length));
  return Array.from({ length: depth }, (_, nth) =>
    queries.flatMap(({ stages }) => stages.slice(nth, nth + 1)),
  );
}

/** The duplicates that the answers told of. */
async function publish({
  client,
  events,
  eventsARequest,
  disorder,
  maxMs,
}: NexmarkRun): Promise<number> {
  const requests: { stream: string; body: string }[][] = [];
  for (let first = 0; first < events.length; first += eventsARequest) {
    const some = events.slice(first, first + eventsARequest);
    requests.push(
      Object.entries(STREAM_OF).flatMap(([type, stream]) => {
        const lines = some
          .filter((event) => event.type === type)
          .map((event) => JSON.stringify(event));
        return lines.length > 0 ? [{ stream, body: lines.join('\n') }] : [];
      }),
    );
  }
  const crashAt = (disorder?.crashAt ?? []).map((share) => Math.floor(share * requests.length));
  const untilMs = Date.now() + maxMs;
  let duplicates = 0;
  /** Until it is answered: an edge that was killed may or may not have appended it. */
  const send = async ({ stream, body }: { stream: string; body: string }): Promise<void> => {
    for (;;) {
      try {
        const appended = await client().streams.appendLines(stream, body);
        duplicates += appended.duplicates;
        return;
      } catch (error) {
        if (!disorder || Date.now() > untilMs) throw error;
        await pause(POLL_MS);
      }
    }
  };
  let next = 0;
  let crashing: Promise<void> = Promise.resolve();
  const publisher = async () => {
    while (next < requests.length) {
      const index = next++;
      const bodies = requests[index] ?? [];
      if (disorder && crashAt.includes(index)) crashing = crashing.then(() => disorder.crash());
      await Promise.all((disorder ? [...bodies, ...bodies] : bodies).map(send));
    }
  };
  await Promise.all(Array.from({ length: PUBLISHERS }, publisher));
  await crashing;
  return duplicates;
}

/** Until these have committed everything that their streams hold; then their last windows are closed. */
async function settled({ client, maxMs }: NexmarkRun, stages: readonly Stage[]): Promise<void> {
  const untilMs = Date.now() + maxMs;
  for (;;) {
    const states = await Promise.all(stages.map(({ name }) => client().processors.get(name)));
    const behind = states.filter(({ lag }) => lag.some((partition) => partition.lag > 0));
    if (behind.length === 0) break;
    if (Date.now() > untilMs) throw new Error(`not caught up: ${JSON.stringify(behind)}`);
    await pause(POLL_MS);
  }
  for (const { name, kind } of stages) {
    if (kind === 'window') await client().processors.drain(name);
  }
}

/** The query's result as JSON texts. */
async function resultOf(client: Client, query: Query): Promise<string[]> {
  if (query.result === 'outputs') return readOutputs(client, query.name);
  const states: string[] = [];
  for await (const { state } of client.processors.exportStates(query.name)) {
    states.push(JSON.stringify(state));
  }
  return states;
}

/** All payloads of a stream, as JSON texts. */
async function readOutputs(client: Client, stream: string): Promise<string[]> {
  const outputs: string[] = [];
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    for (let from = 0; ;) {
      const page = await client.streams.events(stream, { partition, from, limit: 1000 });
      if (page.events.length === 0) break;
      for (const { payload } of page.events) outputs.push(JSON.stringify(payload));
      from = page.next;
    }
  }
  return outputs;
}

function firstDifference(found: readonly string[], wanted: readonly string[]): string {
  const index = wanted.findIndex((text, at) => text !== found[at]);
  if (index < 0 && found.length === wanted.length) return '';
  const at = index < 0 ? wanted.length : index;
  return `${found.length} outputs for ${wanted.length}; number ${at} is ${found[at]} for ${wanted[at]}`;
}
