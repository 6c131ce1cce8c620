// Nexmark's stateless queries over 100,000 events, all four at once; then again with every request sent twice
// and the edge killed on its way. What comes out has to be what a plain function over the events gives.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestEdge } from '../support/edge.ts';
import { nexmarkEvents } from '../support/nexmark/generator.ts';
import { QUERIES } from '../support/nexmark/queries.ts';
import { type NexmarkResult, runNexmark } from '../support/nexmark/run.ts';
import type { Row } from './measure.ts';

const MAX_MS = 600_000;
const CRASH_AT = [0.2, 0.5, 0.8];

export async function nexmark(count: number, say: (text: string) => void): Promise<Row[]> {
  const events = [...nexmarkEvents(count)];
  say(`nexmark, ${count.toLocaleString('en-US')} events`);
  const persistDir = await mkdtemp(join(tmpdir(), 'manyhands-nexmark-'));
  let edge = await startTestEdge();
  try {
    const run = { rest: () => edge.rest, events, queries: QUERIES, maxMs: MAX_MS };
    const plain = await runNexmark({ ...run, disorder: null });
    await edge.stop();
    say(`  once: ${told(plain)}`);
    edge = await startTestEdge({ persistDir });
    const { port } = new URL(edge.url);
    const crash = async () => {
      await edge.stop();
      edge = await startTestEdge({ persistDir, port: Number(port) });
    };
    const disorder = { crashAt: CRASH_AT, crash };
    const disordered = await runNexmark({ ...run, disorder });
    say(`  sent twice, killed ${CRASH_AT.length} times: ${told(disordered)}`);
    const rate = (ms: number) =>
      `${Math.round(count / (ms / 1000)).toLocaleString('en-US')} events/s`;
    return [
      row('once', plain, rate(plain.ms)),
      row(`sent twice, edge killed ${CRASH_AT.length} times`, disordered, rate(disordered.ms)),
    ];
  } finally {
    await edge.stop();
    await rm(persistDir, { recursive: true, force: true });
  }
}

const told = ({ ms, duplicates, queries }: NexmarkResult) =>
  `${Math.round(ms)} ms, ${duplicates} duplicates dropped; ` +
  queries
    .map(({ name, equal, difference }) => `${name} ${equal ? 'equal' : difference}`)
    .join(', ');

const row = (how: string, { queries }: NexmarkResult, result: string): Row => ({
  what: `Nexmark q0, q1, q2, q13 at once, ${how}`,
  result,
  beside: 'a plain function over the events in memory',
  peer: queries.every(({ equal }) => equal) ? 'equal outputs' : 'DIFFERENT outputs',
  ratio: '',
  aim: 'equal',
});
