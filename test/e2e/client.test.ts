// The client over the network, from Node: as a package would be imported, through a break, and with bytes counted.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ApiProblem, createClient } from '../../shared/client.ts';
import { ROOT } from '../../worker/local/build.ts';
import { buildClient } from '../../worker/local/client-package.ts';
import { startTestEdge, type TestEdge } from '../support/edge.ts';

const MIB = 1024 * 1024;
const TOKEN = 'secret';

let edge: TestEdge;

beforeAll(async () => {
  edge = await startTestEdge({ apiTokens: TOKEN });
});
afterAll(async () => {
  await edge?.stop();
});

const client = () => createClient(edge.url, { token: TOKEN });

test('a token opens what is closed without', async () => {
  const refused: unknown = await edge.client.jobs.list().catch((error: unknown) => error);
  expect(refused).toMatchObject({ problem: { status: 401, code: 'unauthorized' } });
  expect((await client().jobs.list()).items).toEqual([]);
});

test('a program that imports the package talks to the edge, and loads nothing else with it', async () => {
  const files = await buildClient();
  expect(files).toContain('shared/client/calls.ts');
  expect(
    files.filter((file) => !/^shared\/(client|api\/routes|limits|backoff)\b/.test(file)),
  ).toEqual([]);
  const program = `
    import { ApiProblem, createClient } from 'manyhands/client';
    const [url, token] = process.argv.slice(1);
    console.log((await createClient(url, { token }).swarm.health()).ok);
    console.log(await createClient(url).jobs.list().catch((e) => e instanceof ApiProblem && e.problem.code));`;
  const node = ['--input-type=module', '--eval', program, edge.url, TOKEN];
  const { stdout } = await promisify(execFile)(process.execPath, node, { cwd: ROOT });
  expect(stdout).toBe('true\nunauthorized\n');
});

test('a large file goes in parts, and tells how far it is', async () => {
  const file = new Blob([new Uint8Array(70 * MIB).fill(7)], { type: 'application/x-seven' });
  const sent: number[] = [];
  const dataset = await client().datasets.upload('large', file, {
    onProgress: (bytes) => sent.push(bytes),
  });
  expect(dataset).toMatchObject({ bytes: 70 * MIB, contentType: 'application/x-seven' });
  expect(sent).toEqual(sent.toSorted((a, b) => a - b));
  expect(sent.at(-1)).toBe(70 * MIB);
  expect(sent.length).toBeGreaterThan(9);
  // Put together from parts: nobody hashed it whole.
  expect(dataset.sha256).toBeUndefined();
  const range = { headers: { range: `bytes=${70 * MIB - 3}-` } };
  const bytes = await (await client().datasets.bytes('large', range)).arrayBuffer();
  expect([...new Uint8Array(bytes)]).toEqual([7, 7, 7]);
});

test('a small one goes whole, hashed, and an upload can be aborted', async () => {
  const small = await client().datasets.upload('small', new Blob(['abc']));
  expect(small.sha256).toMatch(/^ba7816bf/);
  const stop = new AbortController();
  const endless = (async function* () {
    for (;;) yield new Uint8Array(MIB);
  })();
  const sending = client().datasets.put('endless', endless, {
    signal: stop.signal,
    onProgress: (bytes) => bytes > 4 * MIB && stop.abort(new Error('enough')),
  });
  await expect(sending).rejects.toThrow('enough');
  await expect(client().datasets.get('endless')).rejects.toThrow(ApiProblem);
});

test('a live stream goes on by itself when the edge was away', async () => {
  const port = Number(new URL(edge.url).port);
  const persistDir = await mkdtemp(join(tmpdir(), 'manyhands-client-'));
  await edge.stop();
  edge = await startTestEdge({ port, persistDir, apiTokens: TOKEN });
  await client().streams.put('ticks', { partitions: 1 });
  const states: string[] = [];
  const ticks = client().streams.follow('ticks', { onState: (state) => states.push(state) });
  const next = async () => (await ticks.next()).value?.data.payload;
  const first = next();
  await expect.poll(() => states).toContain('live');
  await client().streams.append('ticks', { type: 'Tick', payload: 1 });
  expect(await first).toBe(1);
  const second = next();
  await edge.stop();
  edge = await startTestEdge({ port, persistDir, apiTokens: TOKEN });
  await client().streams.append('ticks', { type: 'Tick', payload: 2 });
  expect(await second).toBe(2);
  await ticks.return();
  await rm(persistDir, { recursive: true, force: true });
});
