// Runs Nexmark queries on a local edge: publishes the events, waits until the processors have caught up, and
// compares what came out with the reference. With `disorder` every request is sent twice at once (the events'
// ids make the second a duplicate) and the edge is killed and started again on its way.
import { setTimeout as pause } from 'node:timers/promises';
import type { Processor, ProcessorSpecInput } from '../../../shared/schemas/processor.ts';
import type { Appended, EventInput, EventsPage } from '../../../shared/schemas/stream.ts';
import type { Rest } from '../../../worker/local/rest.ts';
import type { Query } from './queries.ts';
import { referenceOf } from './queries.ts';

const PARTITIONS = 4;
const EVENTS_A_REQUEST = 1_000;
const PUBLISHERS = 2;
const POLL_MS = 100;

export interface NexmarkRun {
  /** The edge as it is at the moment: another one after a restart. */
  rest(): Rest;
  events: readonly EventInput[];
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
  await run.rest().put('/api/streams/nexmark', { partitions: PARTITIONS });
  for (const { name, processor } of queries) {
    await run.rest().put(`/api/streams/${name}`, { partitions: PARTITIONS });
    await run.rest().put(`/api/processors/${name}`, {
      kind: 'stateless',
      stream: 'nexmark',
      output: name,
      startFrom: 'earliest',
      ...processor,
    } satisfies ProcessorSpecInput);
  }
  const beganMs = performance.now();
  const duplicates = await publish(run);
  await caughtUp(run);
  const ms = performance.now() - beganMs;
  const results: NexmarkResult['queries'] = [];
  for (const query of queries) {
    const outputs = await readOutputs(run.rest(), query.name);
    const difference = firstDifference(outputs, referenceOf(query, events));
    results.push({
      name: query.name,
      outputs: outputs.length,
      equal: difference === '',
      difference,
    });
  }
  return { ms, duplicates, queries: results };
}

/** The duplicates that the answers told of. */
async function publish({ rest, events, disorder, maxMs }: NexmarkRun): Promise<number> {
  const requests: string[] = [];
  for (let first = 0; first < events.length; first += EVENTS_A_REQUEST) {
    const some = events.slice(first, first + EVENTS_A_REQUEST);
    requests.push(some.map((event) => JSON.stringify(event)).join('\n'));
  }
  const crashAt = (disorder?.crashAt ?? []).map((share) => Math.floor(share * requests.length));
  const untilMs = Date.now() + maxMs;
  let duplicates = 0;
  /** Until it is answered: an edge that was killed may or may not have appended it. */
  const send = async (body: string): Promise<void> => {
    for (;;) {
      try {
        const answer = await rest().call('POST', '/api/streams/nexmark/events', {
          body,
          headers: { 'content-type': 'application/x-ndjson' },
        });
        const appended = (await answer.json()) as Appended;
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
      const body = requests[index] ?? '';
      if (disorder && crashAt.includes(index)) crashing = crashing.then(() => disorder.crash());
      await Promise.all(disorder ? [send(body), send(body)] : [send(body)]);
    }
  };
  await Promise.all(Array.from({ length: PUBLISHERS }, publisher));
  await crashing;
  return duplicates;
}

/** Until every query has committed every event. */
async function caughtUp({ rest, events, queries, maxMs }: NexmarkRun): Promise<void> {
  const untilMs = Date.now() + maxMs;
  for (;;) {
    const states = await Promise.all(
      queries.map(({ name }) => rest().json<Processor>(`/api/processors/${name}`)),
    );
    const behind = states.filter(({ counters, lag }) => {
      const seen = counters.processed + counters.passedOver + counters.deadLettered;
      return seen < events.length || lag.some((partition) => partition.lag > 0);
    });
    if (behind.length === 0) return;
    if (Date.now() > untilMs) throw new Error(`not caught up: ${JSON.stringify(behind)}`);
    await pause(POLL_MS);
  }
}

/** All payloads of a stream, as sorted JSON texts. */
async function readOutputs(rest: Rest, stream: string): Promise<string[]> {
  const outputs: string[] = [];
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    for (let from = 0; ;) {
      const path = `/api/streams/${stream}/events?partition=${partition}&from=${from}&limit=1000`;
      const page = await rest.json<EventsPage>(path);
      if (page.events.length === 0) break;
      for (const { payload } of page.events) outputs.push(JSON.stringify(payload));
      from = page.next;
    }
  }
  return outputs.sort();
}

function firstDifference(found: readonly string[], wanted: readonly string[]): string {
  const index = wanted.findIndex((text, at) => text !== found[at]);
  if (index < 0 && found.length === wanted.length) return '';
  const at = index < 0 ? wanted.length : index;
  return `${found.length} outputs for ${wanted.length}; number ${at} is ${found[at]} for ${wanted[at]}`;
}
