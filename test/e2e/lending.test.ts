// The person who lends a tab decides: reload, snooze, finish, stop, several tabs, and a lobby that refuses or
// goes away, in real Chromium with the built page.
import type { BrowserContext, Page, WebSocketRoute } from 'playwright-core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { tasksOf, volunteersOf, waitFor, waitForVolunteers, waitUntil } from '../support/jobs.ts';
import { browserOfFile, edgeOfFile } from '../support/suite.ts';

const edge = edgeOfFile();
const browser = await browserOfFile();
let context: BrowserContext;

beforeEach(async () => {
  context = await browser.newContext();
});
afterEach(async () => {
  await context.close();
  for (const { id } of (await edge.client.jobs.list()).items) {
    await edge.client.jobs.delete(id);
  }
  await expect.poll(async () => (await edge.client.swarm.now()).volunteers).toBe(0);
});

const button = (page: Page, name: string | RegExp) =>
  page.getByRole('main').getByRole('button', { name });
const status = (page: Page) => page.getByRole('region', { name: 'Lending' });

async function openPage(): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${edge.url}/volunteer`);
  return page;
}

async function lend(): Promise<Page> {
  const page = await openPage();
  await button(page, 'Start').click();
  return page;
}

const volunteers = async () => (await volunteersOf(edge.client)).map(({ id }) => id).sort();

/** Each record takes about `ms` of work. */
const submitWork = (records: number, ms: number) =>
  edge.client.jobs.submit({
    kind: 'mapreduce',
    name: 'work',
    mappers: 'volunteers',
    verify: { mode: 'none' },
    input: { range: { from: 0, to: records }, splitItems: 1 },
    // Clocks stand still in the sandbox: steps stand for time.
    code: `export function map(n, emit) {
      let x = n;
      for (let i = 0; i < ${ms} * 5e4; i++) x = (x * 31 + i) | 0;
      emit('sum', x === 0.5 ? 0 : 1);
    }
    export const reduce = 'sum';`,
  });

const attemptsOf = async (id: string) =>
  (await tasksOf(edge.client, id)).flatMap(({ attempts }) => attempts);

test('a reload goes on lending, as the same volunteer', async () => {
  const page = await lend();
  await waitForVolunteers(edge.client, 1);
  const before = await volunteers();
  await page.reload();
  await expect.poll(async () => await status(page).innerText()).toContain('No job runs');
  await waitForVolunteers(edge.client, 1);
  expect(await volunteers()).toEqual(before);
  await button(page, 'Stop now').click();
  await expect.poll(volunteers).toEqual([]);
  await page.reload();
  await button(page, 'Start').waitFor();
});

test('every tab is a volunteer of its own, a duplicated one too', async () => {
  const page = await lend();
  await lend();
  await waitForVolunteers(edge.client, 2);
  // A window that a page opens begins with a copy of its session storage.
  await page.evaluate(() => void window.open('/volunteer'));
  await waitForVolunteers(edge.client, 3);
  expect(new Set(await volunteers()).size).toBe(3);
  expect(await status(page).innerText()).not.toContain('another tab');
});

test('snoozing gives everything back at once, and waking goes on', async () => {
  const page = await lend();
  const { id } = await submitWork(40, 600);
  await waitUntil(edge.client, id, 'something mapped', ({ progress }) => progress.mapped >= 1);
  await button(page, /15 min/).click();
  await expect.poll(async () => (await volunteersOf(edge.client))[0]?.state).toBe('snoozed');
  await expect
    .poll(async () => (await attemptsOf(id)).filter(({ state }) => state === 'leased').length)
    .toBe(0);
  const { progress } = await edge.client.jobs.mapReduce(id);
  expect(progress.mapped).toBeLessThan(40);
  await button(page, 'Wake up').click();
  const job = await waitFor(edge.client, id, 'done');
  expect(job.counters.recordsIn).toBe(40);
});

test('finishing ends what runs, reports it, and then leaves', async () => {
  const page = await lend();
  const { id } = await submitWork(400, 300);
  await waitUntil(edge.client, id, 'something mapped', ({ progress }) => progress.mapped >= 1);
  const before = (await edge.client.jobs.mapReduce(id)).progress.mapped;
  await button(page, 'Finish and stop').click();
  await expect.poll(volunteers, { timeout: 20_000 }).toEqual([]);
  await button(page, 'Start').waitFor();
  const { progress } = await edge.client.jobs.mapReduce(id);
  expect(progress.mapped).toBeGreaterThan(before);
  expect(progress.mapped).toBeLessThan(400);
});

test('stopping is at once: the leases are free for others', async () => {
  const page = await lend();
  const { id } = await submitWork(4, 2_000);
  await expect
    .poll(async () => (await attemptsOf(id)).filter(({ state }) => state === 'leased').length)
    .toBeGreaterThan(0);
  await button(page, 'Stop now').click();
  await expect.poll(volunteers).toEqual([]);
  await expect
    .poll(async () => (await attemptsOf(id)).filter(({ state }) => state === 'leased').length)
    .toBe(0);
});

test('a refusal is shown in its own words, and not argued with', async () => {
  let connections = 0;
  const message = 'This page speaks another protocol version. Reload it.';
  await context.routeWebSocket(/\/api\/volunteer/, (socket: WebSocketRoute) => {
    connections++;
    socket.onMessage(() => {
      socket.send(JSON.stringify({ type: 'refused', code: 'protocol_mismatch', message }));
      void socket.close({ code: 4001, reason: 'protocol_mismatch' });
    });
  });
  const page = await lend();
  await expect.poll(async () => await status(page).innerText()).toContain(message);
  await button(page, 'Start').waitFor();
  expect(connections).toBe(1);
});

test('a lobby that goes away is looked for again', async () => {
  const hellos: string[] = [];
  await context.routeWebSocket(/\/api\/volunteer/, (socket: WebSocketRoute) => {
    socket.onMessage((frame) => {
      const hello = JSON.parse(String(frame)) as { type: string; volunteer: string };
      if (hello.type !== 'hello') return;
      hellos.push(hello.volunteer);
      const { volunteer } = hello;
      if (hellos.length < 3) void socket.close({ code: 1012, reason: 'restart' });
      else {
        const welcome = { type: 'welcome', protocol: 1, volunteer, name: 'x', progressMs: 2_000 };
        socket.send(JSON.stringify(welcome));
        socket.send(JSON.stringify({ type: 'idle', reason: 'found again' }));
      }
    });
  });
  const page = await lend();
  await expect
    .poll(async () => await status(page).innerText(), { timeout: 20_000 })
    .toMatch(/found again/i);
  expect(hellos).toHaveLength(3);
  expect(new Set(hellos).size).toBe(1);
});
