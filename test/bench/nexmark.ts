// Nexmark's queries over 100,000 events: those without state at once, those with state at once; then all again with
// every request sent twice and the edge killed on its way. What comes out has to be what a plain function over the events gives.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestEdge } from '../support/edge.ts';
import { nexmarkEvents } from '../support/nexmark/generator.ts';
import { KEYED_QUERIES, type Query, STATELESS_QUERIES } from '../support/nexmark/queries.ts';
import { type NexmarkResult, runNexmark } from '../support/nexmark/run.ts';
import type { Row } from './measure.ts';

const MAX_MS = 600_000;
const CRASH_AT = [0.2, 0.5, 0.8];
/** Every request is one second of event time. */
const EVENTS_PER_SECOND = 1_000;

export async function nexmark(count: number, say: (text: string) => void): Promise<Row[]> {
  const events = [...nexmarkEvents(count, { eventsPerSecond: EVENTS_PER_SECOND })];
  say(`nexmark, ${count.toLocaleString('en-US')} events`);
  const rate = ({ ms }: NexmarkResult) =>
    `${Math.round(count / (ms / 1000)).toLocaleString('en-US')} events/s`;
  const rows: Row[] = [];
  for (const queries of [STATELESS_QUERIES, KEYED_QUERIES]) {
    const folder = await mkdtemp(join(tmpdir(), 'manyhands-nexmark-'));
    let edge = await startTestEdge();
    try {
      const run = { events, eventsARequest: EVENTS_PER_SECOND, queries, maxMs: MAX_MS };
      const plain = await runNexmark({ ...run, client: () => edge.client, disorder: null });
      await edge.stop();
      say(`  once: ${told(plain)}`);
      rows.push(row('once', queries, plain, rate(plain)));
      edge = await startTestEdge({ persistDir: folder });
      const { port } = new URL(edge.url);
      const crash = async () => {
        await edge.stop();
        edge = await startTestEdge({ persistDir: folder, port: Number(port) });
      };
      const disorder = { crashAt: CRASH_AT, crash };
      const disordered = await runNexmark({ ...run, client: () => edge.client, disorder });
      const how = `sent twice, edge killed ${CRASH_AT.length} times`;
      say(`  ${how}: ${told(disordered)}`);
      rows.push(row(how, queries, disordered, rate(disordered)));
    } finally {
      await edge.stop();
      await rm(folder, { recursive: true, force: true });
    }
  }
  return rows;
}

const told = ({ ms, duplicates, queries }: NexmarkResult) =>
  `${Math.round(ms)} ms, ${duplicates} duplicates dropped; ` +
  queries
    .map(({ name, equal, difference }) => `${name} ${equal ? 'equal' : difference}`)
    .join(', ');

const row = (
  how: string,
  asked: readonly Query[],
  { queries }: NexmarkResult,
  result: string,
): Row => ({
  what: `Nexmark ${asked.map(({ name }) => name).join(', ')} at once, ${how}`,
  result,
  beside: 'a plain function over the events in memory',
  peer: queries.every(({ equal }) => equal) ? 'equal outputs' : 'DIFFERENT outputs',
  ratio: '',
  aim: 'equal',
});
