// The scheduler alone: tasks that do nothing, and a million records that do next to nothing.
import type { Browser } from 'playwright-core';
import type { MapReduceSpecInput } from '../../shared/schemas/job.ts';
import type { Client } from '../../shared/client.ts';
import { spread } from './measure.ts';
import type { Row } from './measure.ts';
import { openSwarm, POLL_MS } from './swarm.ts';
import { waitFor } from '../support/jobs.ts';

const JOB_MAX_MS = 300_000;

export interface Scheduler {
  browser: Browser;
  tasks: number;
  rounds: number;
}

export async function scheduler(setup: Scheduler, say: (text: string) => void): Promise<Row[]> {
  const { browser, tasks, rounds } = setup;
  const swarm = await openSwarm(browser);
  await swarm.lend();
  const { client } = swarm;
  const tasksPerSecond: number[] = [];
  const itemsPerSecond: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    say(`scheduler, round ${round} of ${rounds}`);
    const emptyMs = await runJob(client, {
      name: 'benchmark: empty tasks',
      input: { range: { from: 0, to: tasks }, splitItems: 1 },
      code: 'export function map() {}',
      partitions: 1,
    });
    tasksPerSecond.push(tasks / (emptyMs / 1000));
    const itemsMs = await runJob(client, {
      name: 'benchmark: a million items',
      input: { range: { from: 0, to: 1_000_000 } },
      code: `export function map(n, emit) { emit('of ' + (n % 100), 1) }
        export const combine = 'sum'; export const reduce = 'sum'`,
      partitions: 1,
    });
    itemsPerSecond.push(1_000_000 / (itemsMs / 1000));
    say(`  empty tasks ${emptyMs} ms, a million items ${itemsMs} ms`);
  }
  await swarm.stop();
  const alone = { beside: '', peer: '', ratio: '', aim: '' };
  return [
    {
      ...alone,
      what: `${tasks.toLocaleString('en-US')} empty tasks through one job`,
      result: `${spread(tasksPerSecond)} tasks/s`,
    },
    {
      ...alone,
      what: 'a million range items, trivial map',
      result: `${spread(itemsPerSecond)} items/s`,
    },
  ];
}

async function runJob(client: Client, spec: Omit<MapReduceSpecInput, 'kind'>): Promise<number> {
  const { id } = await client.jobs.submit({
    kind: 'mapreduce',
    ...spec,
    mappers: 'volunteers',
    verify: { mode: 'none' },
  });
  const job = await waitFor(client, id, 'done', { maxMs: JOB_MAX_MS, pollMs: POLL_MS });
  return Date.parse(job.finishedAt ?? '') - Date.parse(job.createdAt);
}
