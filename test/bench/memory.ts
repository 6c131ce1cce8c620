// Memory: the most that the edge's process holds while one reducer merges a shuffle into one partition,
// beside the same with a quarter of the shuffle: bounded means that it hardly grows. Browsers map, and
// the edge starts anew shortly before the reduce, for the local runtime gives back little of the memory
// that the uploads took. The local R2 lives in the same process and counts.
import type { Browser } from 'playwright-core';
import type { Job } from '../../shared/schemas/job.ts';
import type { Row } from './measure.ts';
import { resetPeak, residentMiB, runtimePid } from './runtime-memory.ts';
import { openSwarm, POLL_MS } from './swarm.ts';
import { waitFor, waitUntil } from '../support/jobs.ts';

/**
 * The local runtime knows no memory limit and lets garbage pile up, which would be most of the figure. These
 * make it collect all of it early, as a runtime does near its limit; Miniflare hands them to V8.
 */
const EAGER_COLLECTION = '--max-semi-space-size=1 --gc-global';
const VALUE_CHARS = 1_000;
const RECORDS_PER_SPLIT = 8_000;
/** Mapped after the restart, so that the reduce begins by itself. */
const TASKS_LEFT = 6;
const JOB_MAX_MS = 300_000;

/** Random values of one key each: nothing to combine, and the result is as large as the shuffle. */
const SHUFFLE = `
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
export function map(n, emit, ctx) {
  let value = '';
  while (value.length < ctx.params.chars) value += LETTERS[(ctx.random() * 64) | 0];
  emit('key ' + ((n * 2654435761) % 4294967296), value);
}
export const reduce = 'first';`;

export async function reduceMemory(
  browser: Browser,
  shuffleMiB: number,
  say: (text: string) => void,
): Promise<Row[]> {
  process.env['MINIFLARE_WORKERD_V8_FLAGS'] = EAGER_COLLECTION;
  const quarter = await measure(browser, shuffleMiB / 4, say);
  const whole = await measure(browser, shuffleMiB, say);
  delete process.env['MINIFLARE_WORKERD_V8_FLAGS'];
  if (quarter === undefined || whole === undefined) {
    say('memory: not measured, this system has no /proc');
    return [];
  }
  const show = ({ beforeMiB, peakMiB }: Memory) =>
    `peak ${peakMiB.toFixed(0)} MiB, ${beforeMiB.toFixed(0)} before`;
  return [
    {
      what: `the edge reducing ${shuffleMiB} MiB of shuffle into one partition`,
      result: show(whole),
      beside: 'a quarter of that shuffle',
      peer: show(quarter),
      ratio: (quarter.peakMiB / whole.peakMiB).toFixed(2),
      aim: 'near 1: bounded',
    },
  ];
}

interface Memory {
  /** Resident just after the restart. */
  beforeMiB: number;
  peakMiB: number;
}

async function measure(
  browser: Browser,
  shuffleMiB: number,
  say: (text: string) => void,
): Promise<Memory | undefined> {
  const swarm = await openSwarm(browser);
  await swarm.lend();
  const { client } = swarm;
  const records = Math.ceil((shuffleMiB * 1024 * 1024) / VALUE_CHARS);
  const { id } = await client.jobs.submit({
    kind: 'mapreduce',
    name: 'benchmark: memory of a reduce',
    input: { range: { from: 0, to: records }, splitItems: RECORDS_PER_SPLIT },
    code: SHUFFLE,
    params: { chars: VALUE_CHARS },
    mappers: 'volunteers',
    verify: { mode: 'none' },
    partitions: 1,
  });
  const isNearlyMapped = ({ progress: { mapped, splits } }: Job) =>
    splits > 0 && mapped >= splits - TASKS_LEFT;
  await waitUntil(client, id, 'nearly all mapped', isNearlyMapped, {
    maxMs: JOB_MAX_MS,
    pollMs: POLL_MS,
  });
  await swarm.restart();
  const pid = await runtimePid();
  if (pid === undefined) return undefined;
  const beforeMiB = (await residentMiB(pid)).now;
  await resetPeak(pid);
  const job = await waitFor(client, id, 'done', { maxMs: JOB_MAX_MS, pollMs: POLL_MS });
  const peakMiB = (await residentMiB(pid)).peak;
  if (job.counters.keysOut !== records) throw new Error(`${job.counters.keysOut} keys came out`);
  const storedMiB = job.counters.bytesShuffled / 1024 / 1024;
  say(
    `memory: ${shuffleMiB} MiB of shuffle (${storedMiB.toFixed(0)} stored): ` +
      `${beforeMiB.toFixed(0)} MiB before, peak ${peakMiB.toFixed(0)} MiB`,
  );
  await swarm.stop();
  return { beforeMiB, peakMiB };
}
