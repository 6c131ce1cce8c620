// Compute-bound: counting primes by trial division, two volunteers of one core each, beside the same
// program over the same ranges in a Node worker pool of two.
import type { Browser } from 'playwright-core';
import type { Client } from '../../shared/client.ts';
import { medianRatio, spread, timedMs } from './measure.ts';
import type { Row } from './measure.ts';
import { runPool } from './peers/pool.ts';
import { openSwarm, POLL_MS } from './swarm.ts';
import { recordsOf, waitFor } from '../support/jobs.ts';

const PRIMES = `
export function map(n, emit) {
  if (n < 2) return;
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return;
  emit('primes', 1);
}
export const combine = 'sum';
export const reduce = 'sum';`;

const THREADS = 2;

const SPLITS = 80;

export interface ComputeBound {
  browser: Browser;
  items: number;
  rounds: number;
}

export async function computeBound(setup: ComputeBound, say: (text: string) => void): Promise<Row> {
  const { browser, items, rounds } = setup;
  const splitItems = Math.ceil(items / SPLITS);
  const ranges = Array.from({ length: Math.ceil(items / splitItems) }, (_, split) => ({
    from: split * splitItems,
    to: Math.min(items, (split + 1) * splitItems),
  }));
  const swarm = await openSwarm(browser);
  await swarm.lend();
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    say(`compute-bound, round ${round} of ${rounds}`);
    let poolCount: number | undefined;
    const poolMs = await timedMs(async () => {
      const sums = await runPool({ code: PRIMES, ranges, threads: THREADS, params: {} });
      poolCount = sums.get('primes');
    });
    const { ms, count } = await primes(swarm.client, items, splitItems);
    if (count !== poolCount) throw new Error(`${count} primes, and the pool has ${poolCount}`);
    ours.push(items / ms);
    theirs.push(items / poolMs);
    say(`  job ${(ms / 1000).toFixed(2)} s, pool ${(poolMs / 1000).toFixed(2)} s`);
  }
  await swarm.stop();
  return {
    what: `primes below ${items.toLocaleString('en-US')}, two volunteers`,
    result: `${spread(ours)} k numbers/s`,
    beside: 'a Node worker pool of two',
    peer: `${spread(theirs)} k numbers/s`,
    ratio: medianRatio(ours, theirs).toFixed(2),
    aim: '≥ 0.9',
  };
}

async function primes(client: Client, items: number, splitItems: number) {
  const { id } = await client.jobs.submit({
    kind: 'mapreduce',
    name: 'benchmark: primes',
    input: { range: { from: 0, to: items }, splitItems },
    code: PRIMES,
    mappers: 'volunteers',
    verify: { mode: 'none' }, // The peers do not check themselves either.
    partitions: 1,
  });
  const job = await waitFor(client, id, 'done', { pollMs: POLL_MS });
  const [record] = await recordsOf(client, id);
  return {
    ms: Date.parse(job.finishedAt ?? '') - Date.parse(job.createdAt),
    count: record?.value,
  };
}
