// `npm run demo`: the whole system in one command. A local edge, an access log, a job, two headless
// browsers as volunteers, and what came out of it.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { MIB } from '../../shared/limits.ts';
import { messageOf } from '../../shared/message-of.ts';
import type { Job } from '../../shared/schemas/job.ts';
import { buildPageIfStale, ROOT } from './build.ts';
import { findChromium, launchChromiumAt } from './chromium.ts';
import { demoReport, mappersOf } from './demo-report.ts';
import { DEFAULT_PORT, startEdgeOnFreePort } from './edge.ts';
import { HITS_PER_PAGE } from './hits-per-page.ts';
import { generateLog } from './log-generator.ts';
import { readOptions, readPort, readWholeNumber } from './options.ts';
import { type Client, createClient, ENDED, listAll } from '../../shared/client.ts';
import { waitForVolunteers, waitUntil } from './waiting.ts';
import { onShutdown, shutDown } from './shutdown.ts';
import { megabytes, progressBar, rate } from './terminal.ts';
import { openVolunteer } from './volunteers.ts';

const HELP = `Usage: npm run demo -- [log file] [options]

Counts the hits per page of an access log: mapped by headless browsers and the edge of this machine.
Without a file a realistic log is made.

  --mb <n>           size of the log that is made, in MB (default 64)
  --volunteers <n>   browsers to open (default 2; 0: the edge maps alone)
  --port <n>         port on 127.0.0.1 (default ${DEFAULT_PORT}; the next free one if it is in use)
  --exit             end when the job is done, instead of leaving the page up
  --help             this text

CHROME_PATH chooses the browser.`;

const TOP_PAGES = 12;
/** Enough splits that two volunteers share well and the bar moves, not so many that they are tiny. */
const SPLITS_AIM = 32;
const JOB_MAX_MS = 3600_000;

interface Log {
  dataset: string;
  about: string;
  bytes: number;
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

const { values, positionals } = readOptions(
  {
    allowPositionals: true,
    options: {
      mb: { type: 'string' },
      volunteers: { type: 'string' },
      port: { type: 'string' },
      exit: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  },
  HELP,
);
if (values.help) {
  console.log(HELP);
} else {
  await demo().catch(async (error: unknown) => {
    console.error(`\n${messageOf(error)}`);
    await shutDown();
    process.exit(1);
  });
}

async function demo(): Promise<void> {
  const port = readPort(values.port, DEFAULT_PORT);
  const megabytesAsked = readWholeNumber('mb', values.mb, 64, { min: 1, max: 100_000 });
  const volunteers = readWholeNumber('volunteers', values.volunteers, 2, { min: 0, max: 32 });
  const log = await openLog(positionals[0], megabytesAsked * 1e6);

  await buildPageIfStale();
  const edge = await startEdgeOnFreePort({ port, persistDir: `${ROOT}.manyhands/edge` });
  onShutdown(() => edge.stop());
  console.log(`Manyhands is up at ${edge.url}`);
  const client = createClient(edge.url);

  await upload(client, log);
  await openVolunteers(client, volunteers);
  const { id } = await client.jobs.submit({
    kind: 'mapreduce',
    name: `hits per page of ${log.dataset}`,
    input: { dataset: log.dataset, format: 'lines' },
    code: HITS_PER_PAGE,
    splitBytes: Math.min(8 * MIB, Math.max(256 * 1024, Math.ceil(log.bytes / SPLITS_AIM))),
  });
  console.log(`The job: ${edge.url}/jobs/${id}`);
  const { job, elapsedMs } = await follow(client, id);
  if (job.state !== 'done') {
    throw new Error(`The job ended "${job.state}": ${job.error?.message ?? job.reason}`);
  }

  const [top, tasks, people] = await Promise.all([
    client.jobs.top(id, { n: TOP_PAGES }),
    listAll((page) => client.jobs.tasks(id, page)),
    listAll(client.swarm.volunteers),
  ]);
  const names = new Map(people.map((person) => [person.id, person.name]));
  console.log(`\n${demoReport(job, top, mappersOf(tasks, names), elapsedMs)}`);

  if (values.exit) {
    await shutDown();
  } else {
    console.log(`\nOpen ${edge.url}/jobs/${id}, or lend this machine at ${edge.url}/volunteer`);
    console.log('Ctrl-C ends it.');
  }
}

async function openLog(path: string | undefined, bytes: number): Promise<Log> {
  if (path === undefined) {
    const about = `a made-up access log of ${megabytes(bytes)}`;
    return { dataset: 'demo-access.log', about, bytes, chunks: generateLog({ bytes }) };
  }
  const file = await stat(path).catch(() => undefined);
  if (!file?.isFile()) throw new Error(`There is no file ${path}.`);
  // Dataset names are letters, digits, dot, dash and underscore, beginning with a letter or digit.
  const dataset = basename(path)
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(-100);
  const chunks = createReadStream(path, { highWaterMark: MIB });
  return { dataset: dataset || 'log', about: path, bytes: file.size, chunks };
}

async function upload(client: Client, log: Log): Promise<void> {
  console.log(`Uploading ${log.about} as the dataset "${log.dataset}"`);
  const bar = progressBar('upload');
  const startedMs = performance.now();
  await client.datasets.put(log.dataset, log.chunks, {
    headers: { 'content-length': String(log.bytes) },
    onProgress(sentBytes) {
      const ms = performance.now() - startedMs;
      bar.show(sentBytes / log.bytes, rate(sentBytes, ms));
    },
  });
  bar.end(rate(log.bytes, performance.now() - startedMs));
}

async function openVolunteers(client: Client, count: number): Promise<void> {
  if (count === 0) return;
  const path = findChromium();
  if (path === undefined) {
    console.log(
      'No Chromium or Chrome was found (CHROME_PATH can name one), so the edge maps alone. ' +
        `Open ${client.url}/volunteer in any browser to help.`,
    );
    return;
  }
  const browser = await launchChromiumAt(path);
  onShutdown(() => browser.close());
  console.log(`Opening ${count} headless volunteer${count === 1 ? '' : 's'} with ${path}`);
  await Promise.all(Array.from({ length: count }, () => openVolunteer(browser, client.url)));
  await waitForVolunteers(client, count);
}

/** Shows the job until it ends. The time counts from submission, as a client sees it. */
async function follow(client: Client, id: string): Promise<{ job: Job; elapsedMs: number }> {
  const bar = progressBar('job   ');
  const startedMs = performance.now();
  const note = ({ state, reason, progress, counters }: Job, ms: number) =>
    state === 'mapping'
      ? `mapping ${progress.mapped}/${progress.splits} splits, ${rate(counters.bytesIn, ms)}` +
        (reason === '' ? '' : ` (${reason})`)
      : state === 'reducing'
        ? `reducing ${progress.reduced}/${progress.partitions} partitions`
        : `${state}${reason === '' ? '' : ` (${reason})`}`;
  const job = await waitUntil(
    client,
    id,
    'its end',
    (now) => {
      if (ENDED.has(now.state)) return true;
      bar.show(fractionOf(now), note(now, performance.now() - startedMs));
      return false;
    },
    { maxMs: JOB_MAX_MS },
  );
  const elapsedMs = performance.now() - startedMs;
  bar.end(`${job.state}, ${rate(job.inputBytes, elapsedMs)}`);
  return { job, elapsedMs };
}

/** Mapping is most of the work: nine tenths of the bar. */
function fractionOf({ progress: { splits, mapped, partitions, reduced } }: Job): number {
  return (0.9 * mapped) / Math.max(1, splits) + (0.1 * reduced) / Math.max(1, partitions);
}
