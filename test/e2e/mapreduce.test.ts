// The main job, end to end: a local edge, real Chromium tabs as volunteers, REST from outside; the result
// is always compared with a count made without the system.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { JobEvent } from '../../shared/schemas/job.ts';
import { ROOT } from '../../worker/local/build.ts';
import { generateLog } from '../../worker/local/log-generator.ts';
import { openVolunteer } from '../../worker/local/volunteers.ts';
import type { LentBrowser } from '../../worker/local/volunteers.ts';
import { countPages, HITS_PER_PATH, SLOW_HITS_PER_PATH } from '../support/access-log.ts';
import {
  eventsOf,
  recordsOf,
  tasksOf,
  waitFor,
  waitForVolunteers,
  waitUntil,
} from '../support/jobs.ts';
import { browserOfFile, edgeOfFile } from '../support/suite.ts';

const MIB = 1024 * 1024;
/** Beside the repository, where a real server's log may lie. */
const REAL_LOG = join(ROOT, '../shared/data/apache_logs');

const log = Buffer.concat([...generateLog({ bytes: 16 * MIB })]);
const truth = countPages(log);

const edge = edgeOfFile();
const browser = await browserOfFile();
let volunteers: LentBrowser[] = [];

const volunteer = async () => {
  const lent = await openVolunteer(browser, edge.url);
  volunteers.push(lent);
  return lent;
};
const ofType = (events: JobEvent[], type: JobEvent['type']) =>
  events.filter((event) => event.type === type);

beforeAll(() => edge.client.datasets.put('access.log', log));
afterEach(async () => {
  await Promise.all(volunteers.map(({ context }) => context.close()));
  volunteers = [];
  await expect.poll(async () => (await edge.client.swarm.now()).volunteers).toBe(0);
});

test('two volunteers finish a log, and the result is the independent count', async () => {
  await Promise.all([volunteer(), volunteer()]);
  await waitForVolunteers(edge.client, 2);
  const { id } = await edge.client.jobs.submit({
    kind: 'mapreduce',
    input: { dataset: 'access.log', format: 'lines' },
    code: HITS_PER_PATH,
    mappers: 'volunteers',
    splitBytes: 512 * 1024,
    partitions: 3,
  });
  const job = await waitFor(edge.client, id, 'done');

  expect(await recordsOf(edge.client, id)).toEqual(truth);
  expect(job.counters.recordsIn).toBe(log.toString('latin1').split('\n').length - 1);
  expect(job.counters.bytesIn).toBe(log.length);
  expect(job.counters.keysOut).toBe(truth.length);
  const tasks = (await tasksOf(edge.client, id)).filter(({ stage }) => stage === 'map');
  expect(tasks).toHaveLength(32);
  const committers = new Set(
    tasks.map(({ attempts }) => attempts.find(({ state }) => state === 'committed')?.by),
  );
  expect(committers.size).toBe(2);
  expect(committers.has('edge')).toBe(false);
});

test('a volunteer killed half-way: its leases return at once and the result is the same', async () => {
  const [dying] = await Promise.all([volunteer(), volunteer()]);
  await waitForVolunteers(edge.client, 2);
  const { id } = await edge.client.jobs.submit({
    kind: 'mapreduce',
    input: { dataset: 'access.log', format: 'lines' },
    code: SLOW_HITS_PER_PATH,
    mappers: 'volunteers',
    splitBytes: 256 * 1024,
  });
  await waitUntil(edge.client, id, 'a quarter mapped', ({ progress }) => progress.mapped >= 16);
  await dying.context.close();
  const closedMs = Date.now();
  const job = await waitFor(edge.client, id, 'done');

  expect(await recordsOf(edge.client, id)).toEqual(truth);
  expect(job.progress.mapped).toBe(64);
  const returned = ofType(await eventsOf(edge.client, id), 'returned');
  expect(returned.length).toBeGreaterThan(0);
  // At once: not when the shortest lease (15 s) runs out.
  const delayMs = Date.parse(returned[0]?.time ?? '') - closedMs;
  expect(delayMs).toBeLessThan(5_000);
  expect(job.counters.volunteerTasks).toBe(64);
});

test('without any browser the edge maps, and the result is the same', async () => {
  const { id } = await edge.client.jobs.submit({
    kind: 'mapreduce',
    input: { dataset: 'access.log', format: 'lines' },
    code: HITS_PER_PATH,
    splitBytes: 2 * MIB,
  });
  const job = await waitFor(edge.client, id, 'done');

  expect(await recordsOf(edge.client, id)).toEqual(truth);
  expect(job.counters.edgeTasks).toBe(8);
  expect(job.counters.volunteerTasks).toBe(0);
  expect(ofType(await eventsOf(edge.client, id), 'edge').length).toBeGreaterThan(0);
});

test('the last volunteer leaves in the middle and the edge finishes its work', async () => {
  const only = await volunteer();
  await waitForVolunteers(edge.client, 1);
  const { id } = await edge.client.jobs.submit({
    kind: 'mapreduce',
    input: { dataset: 'access.log', format: 'lines' },
    code: SLOW_HITS_PER_PATH,
    splitBytes: MIB,
    verify: { mode: 'none' },
  });
  await waitUntil(edge.client, id, 'some mapped', ({ progress }) => progress.mapped >= 2);
  await only.context.close();
  const job = await waitFor(edge.client, id, 'done');

  expect(await recordsOf(edge.client, id)).toEqual(truth);
  expect(job.counters.edgeTasks).toBeGreaterThan(0);
  expect(job.counters.volunteerTasks).toBeGreaterThan(0);
  expect(job.counters.edgeTasks + job.counters.volunteerTasks).toBe(16);
});

test('a job with two copies of every task agrees with itself', async () => {
  await edge.client.datasets.put('beginning.log', log.subarray(0, 4 * MIB));
  await Promise.all([volunteer(), volunteer()]);
  await waitForVolunteers(edge.client, 2);
  const { id } = await edge.client.jobs.submit({
    kind: 'mapreduce',
    input: { dataset: 'beginning.log', format: 'lines' },
    code: HITS_PER_PATH,
    splitBytes: 512 * 1024,
    verify: { mode: 'quorum', copies: 2 },
  });
  const job = await waitFor(edge.client, id, 'done');

  expect(await recordsOf(edge.client, id)).toEqual(countPages(log.subarray(0, 4 * MIB)));
  expect(job.counters.attempts).toBeGreaterThanOrEqual(16);
  expect(job.counters.disagreements).toBe(0);
});

describe.skipIf(!existsSync(REAL_LOG))('a real server’s log (skipped where it is not)', () => {
  test('its ten most frequent paths are the known ones', async () => {
    const real = readFileSync(REAL_LOG);
    const known = readFileSync(`${REAL_LOG}.top10`, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/));
    await edge.client.datasets.put('apache_logs', real);
    await Promise.all([volunteer(), volunteer()]);
    await waitForVolunteers(edge.client, 2);
    const { id } = await edge.client.jobs.submit({
      kind: 'mapreduce',
      input: { dataset: 'apache_logs', format: 'lines' },
      code: HITS_PER_PATH,
      mappers: 'volunteers',
      splitBytes: 100_000,
    });
    await waitFor(edge.client, id, 'done');

    const top = await edge.client.jobs.top(id, { n: 10 });
    expect(top.map(({ key, value }) => [String(value), key])).toEqual(known);
    expect(await recordsOf(edge.client, id)).toEqual(countPages(real));
  });
});
