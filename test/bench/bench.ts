// `npm run bench`: how fast it is, beside things that do the same on the same machine in the same run.
// Medians of several rounds and their spread; never a test, for a busy machine is no bug.
import { mkdtemp, open, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIB } from '../../shared/limits.ts';
import { buildPageIfStale } from '../../worker/local/build.ts';
import { generateLog } from '../../worker/local/log-generator.ts';
import { readOptions } from '../../worker/local/options.ts';
import { onShutdown, shutDown } from '../../worker/local/shutdown.ts';
import { table } from '../../worker/local/terminal.ts';
import { launchChromium } from '../support/chromium.ts';
import { computeBound } from './compute-bound.ts';
import { dag } from './dag.ts';
import { dataBound } from './data-bound.ts';
import { joining } from './join.ts';
import type { Row } from './measure.ts';
import { reduceMemory } from './memory.ts';
import { nexmark } from './nexmark.ts';
import { scheduler } from './scheduler.ts';
import { streaming } from './streaming.ts';

const HELP = `Usage: npm run bench -- [options]

  --quick        smaller and once: does it still run, roughly how fast
  --only <part>  data, compute, scheduler, memory, streaming, nexmark, join or dag
  --help         this text`;

const PARTS = ['data', 'compute', 'scheduler', 'memory', 'streaming', 'nexmark', 'join', 'dag'];
const FULL = {
  ...{ mib: 256, rounds: 3, primes: 40_000_000, tasks: 5_000, shuffleMiB: 256 },
  ...{ events: 200_000, nexmark: 100_000, products: 100_000, fanOut: 1_000 },
};
const QUICK = {
  ...{ mib: 64, rounds: 1, primes: 12_000_000, tasks: 2_000, shuffleMiB: 64 },
  ...{ events: 50_000, nexmark: 20_000, products: 10_000, fanOut: 200 },
};

const { values } = readOptions(
  {
    options: {
      quick: { type: 'boolean' },
      only: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  },
  HELP,
);
if (values.help || (values.only !== undefined && !PARTS.includes(values.only))) {
  console.log(HELP);
  process.exit(values.help ? 0 : 2);
}
try {
  await bench();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await shutDown();
}

async function bench(): Promise<void> {
  const size = values.quick ? QUICK : FULL;
  const { rounds } = size;
  const wanted = (part: string) => values.only === undefined || values.only === part;

  const folder = await mkdtemp(join(tmpdir(), 'manyhands-bench-log-'));
  onShutdown(() => rm(folder, { recursive: true, force: true }));
  await buildPageIfStale();
  const browser = await launchChromium();
  onShutdown(() => browser.close());

  const rows: Row[] = [];
  if (wanted('data')) {
    const file = join(folder, 'access.log');
    const bytes = await writeLog(file, size.mib * MIB);
    rows.push(...(await dataBound({ browser, file, bytes, rounds }, say)));
  }
  if (wanted('compute'))
    rows.push(await computeBound({ browser, items: size.primes, rounds }, say));
  if (wanted('scheduler')) {
    rows.push(...(await scheduler({ browser, tasks: size.tasks, rounds }, say)));
  }
  if (wanted('memory')) rows.push(...(await reduceMemory(browser, size.shuffleMiB, say)));
  if (wanted('streaming')) rows.push(...(await streaming({ events: size.events, rounds }, say)));
  if (wanted('nexmark')) rows.push(...(await nexmark(size.nexmark, say)));

  if (wanted('join')) rows.push(...(await joining({ products: size.products, rounds }, say)));
  if (wanted('dag')) rows.push(...(await dag({ sequence: 100, fanOut: size.fanOut, rounds }, say)));

  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  console.log(
    `\n${cpus().length} × ${model}, Node ${process.versions.node}, Chromium ${browser.version()}`,
  );
  console.log(`median (lowest–highest) of ${rounds} round${rounds === 1 ? '' : 's'}\n`);
  const cells = ({ what, result, beside, peer, ratio, aim }: Row) => [
    ...[what, result, beside],
    ...[peer, ratio, aim],
  ];
  console.log(table(['what', 'result', 'beside', 'its result', 'ratio', 'aim'], rows.map(cells)));
}

function say(text: string): void {
  console.log(text);
}

/** The log as a file, for the peers that read one. */
async function writeLog(path: string, bytes: number): Promise<number> {
  const file = await open(path, 'w');
  let written = 0;
  for (const chunk of generateLog({ bytes })) {
    await file.write(chunk);
    written += chunk.length;
  }
  await file.close();
  return written;
}
