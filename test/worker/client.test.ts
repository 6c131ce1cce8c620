// The client, against the edge itself: every kind of call, answer and body.
import { SELF } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { ApiProblem, createClient, type Fetch, listAll, ndjson } from '../../shared/client.ts';
import type { Problem } from '../../shared/schemas/problem.ts';
import type { StateEntry } from '../../shared/schemas/processor.ts';
import { ORIGIN } from './rest.ts';

const served: Fetch = (url, init) => SELF.fetch(url, init);
const client = createClient(`${ORIGIN}/`, { fetch: served });

const refusal = async (call: Promise<unknown>): Promise<Problem> => {
  const error: unknown = await call.catch((thrown: unknown) => thrown);
  if (!(error instanceof ApiProblem)) throw new Error(`no problem: ${String(error)}`);
  return error.problem;
};

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const COUNT = 'export function map(line, emit) { emit(line, 1) }\nexport const reduce = "sum"';

describe('the client', () => {
  it('says and hears JSON: names, body and query in their places', async () => {
    expect(await client.swarm.health()).toMatchObject({ ok: true });
    const stream = await client.streams.put('client-orders', { partitions: 2 });
    expect(stream.partitions).toHaveLength(2);
    const events = [1, 2, 3].map((total) => ({ type: 'Placed', key: 'u1', payload: { total } }));
    const { accepted, offsets } = await client.streams.append('client-orders', events);
    expect(accepted).toBe(3);
    const partition = offsets[0]?.partition ?? -1;
    const page = await client.streams.events('client-orders', {
      partition,
      from: 1,
      resolve: true,
    });
    expect(page.events.map(({ payload }) => payload)).toEqual([{ total: 2 }, { total: 3 }]);
    const lines = '{"type":"Placed"}\n{"type":"Placed"}\n';
    expect((await client.streams.appendLines('client-orders', lines)).accepted).toBe(2);
    expect(await client.streams.delete('client-orders')).toBeUndefined();
  });

  it('throws what the edge refuses, with its code', async () => {
    const told: Problem[] = [];
    const telling = createClient(ORIGIN, { fetch: served, onProblem: (one) => told.push(one) });
    const problem = await refusal(telling.streams.get('client-none'));
    expect(problem).toMatchObject({ status: 404, code: 'not_found' });
    expect(told).toEqual([problem]);
    const wrong = await refusal(client.streams.put('client-wrong', { partitions: 0 }));
    expect(wrong).toMatchObject({ code: 'invalid_request', errors: [{ path: 'partitions' }] });
  });

  it('throws a problem, too, when there is no edge, or something else in its place', async () => {
    const away = createClient(ORIGIN, { fetch: () => Promise.reject(new TypeError('refused')) });
    const error: unknown = await away.jobs.list().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ problem: { status: 0, code: 'unavailable' } });
    expect((error as Error).cause).toEqual(new TypeError('refused'));
    const proxy = new Response('<h1>Bad gateway</h1>', { status: 502 });
    const behind = createClient(ORIGIN, { fetch: async () => proxy });
    expect(await refusal(behind.jobs.list())).toMatchObject({ status: 502, code: 'internal' });
  });

  it('throws the reason of a signal, not a problem', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(client.jobs.list({ signal })).rejects.toThrow('enough');
  });

  it('sends its token, and finds it anew for each call', async () => {
    const sent: (string | null)[] = [];
    let token = '';
    const fetching: Fetch = (url, init) => {
      sent.push(new Headers(init?.headers).get('authorization'));
      return served(url, init);
    };
    const asking = createClient(ORIGIN, { token: () => token, fetch: fetching });
    await asking.jobs.list();
    token = 'secret';
    await asking.jobs.list();
    expect(sent).toEqual([null, 'Bearer secret']);
  });

  it('writes addresses for links', () => {
    expect(client.jobs.result.url('a/b', { format: 'csv' })).toBe(
      `${ORIGIN}/api/jobs/a%2Fb/result?format=csv`,
    );
    expect(createClient('').processors.states.url('p', { prefix: '', format: 'ndjson' })).toBe(
      '/api/processors/p/state?prefix=&format=ndjson',
    );
    expect(createClient('').swarm.socket.url()).toBe('/api/volunteer');
  });
});

describe('a job', () => {
  it('is submitted, followed, waited for and read', async () => {
    const submitted = await client.jobs.submit({
      kind: 'mapreduce',
      input: { inline: 'b\na\nb\n' },
      code: COUNT,
      mappers: 'edge',
    });
    // Typed by the kind that was submitted.
    expect(submitted.progress.mapped).toBe(0);
    const types: string[] = [];
    for await (const { data } of client.jobs.follow(submitted.id)) types.push(data.type);
    expect([types[0], types.at(-1)]).toEqual(['submitted', 'done']);
    expect((await client.jobs.waitFor(submitted)).state).toBe('done');
    const records = await all(client.jobs.records(submitted.id, { order: 'key' }));
    expect(records).toEqual([
      { key: 'a', value: 1 },
      { key: 'b', value: 2 },
    ]);
    const [top] = await client.jobs.top(submitted.id, { n: 1 });
    expect(top).toEqual({ key: 'b', value: 2 });
    const tasks = await listAll((page) => client.jobs.tasks(submitted.id, page));
    expect(tasks.length).toBeGreaterThan(0);
    await client.jobs.delete(submitted.id);
    expect(await refusal(client.jobs.get(submitted.id))).toMatchObject({ code: 'not_found' });
  });

  it('is followed from an event on', async () => {
    const { id } = await client.jobs.submit({
      kind: 'dag',
      steps: { answer: { run: 'edge', code: 'export default () => 42' } },
    });
    await client.jobs.waitFor(id);
    const events = await all(client.jobs.follow(id, { lastEventId: '2' }));
    expect(events[0]).toMatchObject({ id: '3', event: 'message', data: { seq: 3 } });
    expect(await client.jobs.outputs(id)).toEqual({ answer: 42 });
  });

  it('takes a signal of any JSON, or none', async () => {
    const { id } = await client.jobs.submit({
      kind: 'dag',
      steps: { first: { run: 'wait', signal: 'go' }, second: { run: 'wait', signal: 'on' } },
    });
    expect(await client.jobs.signal(id, 'go')).toEqual({ signal: 'go' });
    await client.jobs.signal(id, 'on', { by: 'ada' });
    await client.jobs.waitFor(id);
    expect(await client.jobs.outputs(id)).toEqual({ first: null, second: { by: 'ada' } });
  });
});

describe('a live stream', () => {
  it('goes on where its reader left', async () => {
    await client.streams.put('client-live', { partitions: 1 });
    await client.streams.append('client-live', [{ type: 'A' }, { type: 'B' }, { type: 'C' }]);
    let lastEventId = '';
    for await (const { id, data } of client.streams.follow('client-live', { from: 'earliest' })) {
      expect(data.type).toBe('A');
      lastEventId = id;
      break;
    }
    const types: string[] = [];
    for await (const { data } of client.streams.follow('client-live', { lastEventId })) {
      types.push(data.type);
      if (types.length === 2) break;
    }
    expect(types).toEqual(['B', 'C']);
  });
});

describe('bytes', () => {
  it('go whole, with their type and how far they are, and come back by range', async () => {
    const sent: number[] = [];
    const file = new Blob(['hello, world'], { type: 'text/plain' });
    const onProgress = (bytes: number) => sent.push(bytes);
    const dataset = await client.datasets.upload('client-hello', file, { onProgress });
    expect(dataset).toMatchObject({ bytes: 12, contentType: 'text/plain' });
    expect(sent.at(-1)).toBe(12);
    const headers = { range: 'bytes=7-' };
    const part = await client.datasets.bytes('client-hello', { headers });
    expect([part.status, await part.text()]).toEqual([206, 'world']);
  });

  it('go in parts, and as a stream', async () => {
    await client.datasets.putPart('client-parts', new Uint8Array([1, 2, 3]), { part: 1 });
    expect((await client.datasets.parts('client-parts')).items).toMatchObject([{ bytes: 3 }]);
    expect(await client.datasets.complete('client-parts')).toMatchObject({ bytes: 3 });
    const chunks = (async function* () {
      yield new TextEncoder().encode('one ');
      yield new TextEncoder().encode('two');
    })();
    const claim = await client.claims.store(chunks, { contentType: 'text/plain' });
    expect(claim).toMatchObject({ bytes: 7, contentType: 'text/plain' });
    expect(await (await client.claims.bytes(claim.token)).text()).toBe('one two');
  });

  it('of an answer in lines are parsed as they come', async () => {
    await client.streams.put('client-visits', { partitions: 1 });
    await client.processors.put('client-counter', {
      kind: 'stateful',
      stream: 'client-visits',
      code: 'export const process = (event, state) => (state ?? 0) + 1',
      startFrom: 'earliest',
    });
    await client.streams.append('client-visits', [
      { type: 'V', key: 'a' },
      { type: 'V', key: 'a' },
    ]);
    const count = async () => (await client.processors.state('client-counter', 'a')).state;
    await expect.poll(count, { timeout: 20_000, interval: 30 }).toBe(2);
    const { items } = await client.processors.states('client-counter', { prefix: 'a' });
    expect(items).toMatchObject([{ key: 'a', state: 2 }]);
    const url = client.processors.states.url('client-counter', { format: 'ndjson' });
    const lines = ndjson<StateEntry>(await client.request(url.slice(ORIGIN.length)));
    expect(await all(lines)).toMatchObject([{ key: 'a', state: 2 }]);
  });
});
