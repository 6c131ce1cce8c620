// Data-bound: hits per page of a big log, end to end, beside (a) only downloading the same bytes by the
// same route, (b) a plain Node script, (c) awk. One round measures all of them; rounds repeat.
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { MIB, SPLIT_DEFAULT_BYTES } from '../../shared/limits.ts';
import { HITS_PER_PAGE } from '../../worker/local/hits-per-page.ts';
import type { Client } from '../../shared/client.ts';
import { download, leaseSplits } from './lease-downloads.ts';
import { medianRatio, spread, timedMs } from './measure.ts';
import type { Row } from './measure.ts';
import { openSwarm, POLL_MS } from './swarm.ts';
import { waitFor } from '../support/jobs.ts';

const run = promisify(execFile);
const COUNT_PAGES = fileURLToPath(new URL('peers/count-pages.ts', import.meta.url));

export interface DataBound {
  browser: Browser;
  /** The log as a file, for the peers that read one. */
  file: string;
  bytes: number;
  rounds: number;
}

const DATASET = 'bench-access.log';

export async function dataBound(setup: DataBound, say: (text: string) => void): Promise<Row[]> {
  const { browser, file, bytes, rounds } = setup;
  const swarm = await openSwarm(browser);
  const { client } = swarm;
  await client.datasets.put(DATASET, createReadStream(file, { highWaterMark: MIB }), {
    headers: { 'content-length': String(bytes) },
  });
  const half = Math.floor(bytes / SPLIT_DEFAULT_BYTES / 2);
  const leases = await leaseSplits(client, DATASET, half);
  // Twice each: as many bytes as the job reads, by the same route.
  leases.push(...leases);
  await swarm.lend();
  const pages = swarm.volunteers.map(({ page }) => page);
  const speeds = { job: [], download: [], node: [], awk: [] } as Record<string, number[]>;
  const note = (peer: string, ms: number, read = bytes) => {
    const megabytesPerSecond = read / 1e3 / ms;
    speeds[peer]?.push(megabytesPerSecond);
    say(`  ${peer} ${megabytesPerSecond.toFixed(0)} MB/s`);
  };
  // One of each before anything counts: caches, compilers, connections.
  await hitsPerPage(client, bytes);
  await download(pages, leases);
  for (let round = 1; round <= rounds; round += 1) {
    say(`data-bound, round ${round} of ${rounds}`);
    note('job', await hitsPerPage(client, bytes));
    let came = 0;
    const downloadMs = await timedMs(async () => (came = await download(pages, leases)));
    note('download', downloadMs, came);
    note('node', await timedMs(() => run(process.execPath, [COUNT_PAGES, file])));
    note(
      'awk',
      await timedMs(() => run('awk', [AWK, file], { env: { ...process.env, LC_ALL: 'C' } })),
    );
  }
  await swarm.stop();
  const of = (peer: string) => speeds[peer] ?? [];
  const row = (peer: string, beside: string, aim: string): Row => ({
    what: 'hits per page, two volunteers',
    result: `${spread(of('job'))} MB/s`,
    beside,
    peer: `${spread(of(peer))} MB/s`,
    ratio: medianRatio(of('job'), of(peer)).toFixed(2),
    aim,
  });
  return [
    row('download', 'the same browsers, only downloading', '≥ 0.8'),
    row('node', 'one Node thread over the file', ''),
    row('awk', 'awk over the file', ''),
  ];
}

const AWK = '{ hits[$7]++ } END { for (page in hits) print hits[page], page }';

/** From submission to the last committed part, by the edge's clock. */
async function hitsPerPage(client: Client, bytes: number): Promise<number> {
  const { id } = await client.jobs.submit({
    kind: 'mapreduce',
    name: 'benchmark: hits per page',
    input: { dataset: DATASET },
    code: HITS_PER_PAGE,
    mappers: 'volunteers',
    verify: { mode: 'none' }, // The peers do not check themselves either.
  });
  const job = await waitFor(client, id, 'done', { pollMs: POLL_MS });
  if (job.counters.bytesIn !== bytes) throw new Error(`${id} read ${job.counters.bytesIn} bytes`);
  return Date.parse(job.finishedAt ?? '') - Date.parse(job.createdAt);
}
