// `wrangler dev` alone is how a Cloudflare developer would start the project: it must build the page,
// serve it, and run a job, with no other command before it.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../../worker/local/build.ts';
import { createClient, type Client } from '../../shared/client.ts';
import { HITS_PER_PATH } from '../support/access-log.ts';
import { freePort } from '../support/port.ts';
import { recordsOf, waitFor } from '../support/jobs.ts';

const BOOT_MAX_MS = 100_000;
const POLL_MS = 200;
const STOP_MAX_MS = 10_000;

let wrangler: ChildProcess;
let client: Client;
let persistDir: string;
let output = '';

beforeAll(async () => {
  persistDir = await mkdtemp(join(tmpdir(), 'manyhands-wrangler-'));
  const port = await freePort();
  const arguments_ = [
    join(ROOT, 'node_modules/wrangler/bin/wrangler.js'),
    'dev',
    ...['--ip', '127.0.0.1', '--port', String(port), '--inspector-port', String(await freePort())],
    ...['--persist-to', persistDir],
  ];
  wrangler = spawn(process.execPath, arguments_, {
    cwd: ROOT,
    env: {
      ...process.env,
      PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`,
      CI: '1',
      WRANGLER_SEND_METRICS: 'false',
      // An edge of this process asks for less.
      WRANGLER_LOG: 'log',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // A process group of its own, so that its children can be ended with it.
  });
  wrangler.stdout?.on('data', (text) => (output += String(text)));
  wrangler.stderr?.on('data', (text) => (output += String(text)));
  client = createClient(`http://127.0.0.1:${port}`);
  await untilReady();
});

afterAll(async () => {
  if (wrangler?.pid !== undefined && wrangler.exitCode === null) {
    const exited = once(wrangler, 'exit');
    const group = -wrangler.pid;
    process.kill(group, 'SIGINT');
    const hard = setTimeout(() => process.kill(group, 'SIGKILL'), STOP_MAX_MS);
    await exited;
    clearTimeout(hard);
  }
  await rm(persistDir, { recursive: true, force: true });
});

/** Polls: what wrangler prints when it is ready is nobody's contract. */
async function untilReady(): Promise<void> {
  const deadline = Date.now() + BOOT_MAX_MS;
  for (;;) {
    const answer = await client.swarm.health().catch(() => undefined);
    if (answer !== undefined) return;
    if (wrangler.exitCode !== null) throw new Error(`wrangler dev ended:\n${output}`);
    if (Date.now() > deadline) throw new Error(`wrangler dev took too long to start:\n${output}`);
    await pause(POLL_MS);
  }
}

test('it answers', async () => {
  expect(await client.swarm.health()).toMatchObject({ ok: true });
});

test('it serves the page, and pages of the page’s own routing', async () => {
  for (const path of ['/', '/jobs/new', '/volunteer']) {
    const response = await client.request(path);
    expect(response.headers.get('content-type')).toContain('text/html');
    expect(await response.text()).toContain('<script');
  }
});

test('a job sent by REST is mapped and reduced at the edge', async () => {
  const line = (path: string) =>
    `10.0.0.1 - - [05/Jan/2026:00:00:00 +0000] "GET ${path} HTTP/1.1"\n`;
  await client.datasets.put('small.log', [
    Buffer.from([line('/a'), line('/b'), line('/a')].join('')),
  ]);
  const { id } = await client.jobs.submit({
    kind: 'mapreduce',
    input: { dataset: 'small.log' },
    code: HITS_PER_PATH,
    mappers: 'edge',
  });
  await waitFor(client, id, 'done');
  expect(await recordsOf(client, id)).toEqual([
    { key: '/a', value: 2 },
    { key: '/b', value: 1 },
  ]);
});

test('code at the edge that never ends is stopped: local mode reaches plain wrangler dev', async () => {
  const { id } = await client.jobs.submit({
    kind: 'mapreduce',
    input: { inline: 'x' },
    code: 'export function map() { for (;;) {} }',
    mappers: 'edge',
  });
  const job = await waitFor(client, id, 'failed');
  expect(job.error?.code).toBe('loop_guard');
});

test('an event goes through a processor, and a claim through a stream', async () => {
  await client.streams.put('greetings', { partitions: 1 });
  await client.streams.put('answers', { partitions: 1 });
  await client.processors.put('answer', {
    kind: 'stateless',
    stream: 'greetings',
    output: 'answers',
    code: `export async function process(event, ctx) {
      const text = await ctx.payload(event);
      return { type: 'Answer', key: event.key, payload: text.length };
    }`,
  });
  const large = 'x'.repeat(200_000);
  await client.streams.append('greetings', [
    { type: 'Greeting', key: 'a', payload: 'hello' },
    { type: 'Greeting', key: 'a', payload: large },
  ]);
  const deadline = Date.now() + STOP_MAX_MS * 3;
  const read = () => client.streams.events('answers', { partition: 0, from: 0, limit: 10 });
  let page = await read();
  while (page.events.length < 2 && Date.now() < deadline) {
    await pause(POLL_MS);
    page = await read();
  }
  expect(page.events.map(({ payload }) => payload)).toEqual([5, 200_000]);
  const greetings = await client.streams.events('greetings', { partition: 0, from: 0, limit: 10 });
  expect(greetings.events[1]?.claim).toMatchObject({ bytes: large.length + 2 });
});

// Last, so that a loop of builds would have had the time of all tests above to show itself.
test('its build does not start itself again', () => {
  expect(output.match(/Running: npm run build/g)).toHaveLength(1);
});
