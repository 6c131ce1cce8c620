// Data-bound: hits per page of a big log, end to end, beside (a) only downloading the same bytes by the
// same route, (b) a plain Node script, (c) awk. One round measures all of them; rounds repeat.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { LentBrowser } from '../../worker/local/volunteers.ts';
import { HITS_PER_PAGE } from '../../worker/local/hits-per-page.ts';
import type { Rest } from '../../worker/local/rest.ts';
import { download } from './lease-downloads.ts';
import { median, medianRatio, spread, timedMs } from './measure.ts';
import type { Row } from './measure.ts';

const run = promisify(execFile);
const COUNT_PAGES = fileURLToPath(new URL('peers/count-pages.ts', import.meta.url));

export interface DataBound {
  rest: Rest;
  volunteers: LentBrowser[];
  dataset: string;
  file: string;
  bytes: number;
  splitBytes: number;
  leases: string[];
  rounds: number;
}

export async function dataBound(setup: DataBound, say: (text: string) => void): Promise<Row[]> {
  const { rest, volunteers, file, bytes } = setup;
  const pages = volunteers.map(({ page }) => page);
  const speeds = { job: [], download: [], node: [], awk: [] } as Record<string, number[]>;
  const note = (peer: string, ms: number) => {
    const megabytesPerSecond = bytes / 1e3 / ms;
    speeds[peer]?.push(megabytesPerSecond);
    say(`  ${peer} ${megabytesPerSecond.toFixed(0)} MB/s`);
  };
  // One of each before anything counts: caches, compilers, connections.
  await hitsPerPage(setup);
  await download(pages, setup.leases);
  for (let round = 1; round <= setup.rounds; round += 1) {
    say(`data-bound, round ${round} of ${setup.rounds}`);
    note('job', await hitsPerPage(setup));
    note(
      'download',
      await timedMs(async () => {
        const came = await download(pages, setup.leases);
        if (came !== bytes) throw new Error(`${came} of ${bytes} bytes were downloaded`);
      }),
    );
    note('node', await timedMs(() => run(process.execPath, [COUNT_PAGES, file])));
    note(
      'awk',
      await timedMs(() => run('awk', [AWK, file], { env: { ...process.env, LC_ALL: 'C' } })),
    );
  }
  await rest.health();
  const of = (peer: string) => speeds[peer] ?? [];
  const row = (peer: string, beside: string, aim: string): Row => ({
    what: 'hits per page, two volunteers',
    result: `${spread(of('job'))} MB/s`,
    beside,
    peer: `${spread(of(peer))} MB/s`,
    ratio: medianRatio(of('job'), of(peer)).toFixed(2),
    aim,
  });
  say(`  median of the job: ${median(of('job')).toFixed(0)} MB/s`);
  return [
    row('download', 'the same browsers, only downloading', '≥ 0.8'),
    row('node', 'one Node thread over the file', ''),
    row('awk', 'awk over the file', ''),
  ];
}

const AWK = '{ hits[$7]++ } END { for (page in hits) print hits[page], page }';

/** From submission to the last committed part, by the edge's clock. */
async function hitsPerPage({ rest, dataset, splitBytes, bytes }: DataBound): Promise<number> {
  const { id } = await rest.submit({
    name: 'benchmark: hits per page',
    input: { dataset },
    code: HITS_PER_PAGE,
    mappers: 'volunteers',
    splitBytes,
  });
  const job = await rest.waitFor(id, 'done');
  if (job.counters.bytesIn !== bytes) throw new Error(`${id} read ${job.counters.bytesIn} bytes`);
  return Date.parse(job.finishedAt ?? '') - Date.parse(job.createdAt);
}
