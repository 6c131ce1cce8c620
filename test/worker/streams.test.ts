// Streams over HTTP: what is published is read back, once and in order; what is refused says why; a tail follows.
import { env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import {
  APPEND_MAX_BYTES,
  APPEND_MAX_CLAIMS,
  APPEND_MAX_EVENTS,
  KIB,
} from '../../shared/limits.ts';
import type { List } from '../../shared/schemas/common.ts';
import type { Claim } from '../../shared/schemas/claim.ts';
import type { Problem } from '../../shared/schemas/problem.ts';
import type { Appended, EventsPage, Stream, StreamEvent } from '../../shared/schemas/stream.ts';
import { claimKey } from '../../worker/platform/keys.ts';
import { logObject } from '../../worker/platform/objects.ts';
import { appendEvents } from '../../worker/streaming/append.ts';
import { parseEventBody } from '../../worker/streaming/events.ts';
import { readEvents, streamRange } from '../../worker/streaming/read.ts';
import { streamNamed } from '../../worker/streaming/streams.ts';
import { call, postJson, problemOf } from './rest.ts';

const put = (name: string, spec: unknown = {}) =>
  call(`/streams/${name}`, {
    method: 'PUT',
    body: JSON.stringify(spec),
    headers: { 'content-type': 'application/json' },
  });

async function create(name: string, spec: unknown = {}): Promise<Stream> {
  const response = await put(name, spec);
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

const show = async (name: string): Promise<Stream> => (await call(`/streams/${name}`)).json();

async function refusal(response: Response, status: number): Promise<Problem> {
  expect(response.status).toBe(status);
  return problemOf(response);
}

const postLines = (name: string, lines: string[], headers: Record<string, string> = {}) =>
  call(`/streams/${name}/events`, {
    method: 'POST',
    body: lines.join('\n'),
    headers: { 'content-type': 'application/x-ndjson', ...headers },
  });

const post = (name: string, body: unknown, headers: Record<string, string> = {}) =>
  postJson(`/streams/${name}/events`, body, headers);

async function publish(name: string, body: unknown): Promise<Appended> {
  const response = await post(name, body);
  if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

const page = (name: string, query = '') => call(`/streams/${name}/events${query}`);

async function read(name: string, query = ''): Promise<EventsPage> {
  const response = await page(name, query);
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

/** All events of a stream, partition after partition. */
async function readAll(name: string): Promise<StreamEvent[]> {
  const { partitions } = await show(name);
  const pages = await Promise.all(
    partitions.map(({ partition }) => read(name, `?partition=${partition}&limit=1000`)),
  );
  return pages.flatMap(({ events }) => events);
}

const numbered = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('a stream', () => {
  it('is made with defaults, shown, listed, and changed where it may', async () => {
    const response = await put('made');
    expect(response.status).toBe(201);
    expect(response.headers.get('location')).toBe('/api/streams/made');
    const stream = await response.json<Stream>();
    expect(stream).toMatchObject({
      name: 'made',
      claimCheckBytes: 96 * KIB,
      retention: { hours: 168 },
      consumers: [],
      claims: { events: 0, bytes: 0 },
    });
    expect(stream.partitions.map(({ partition, first, next }) => [partition, first, next])).toEqual(
      [0, 1, 2, 3].map((partition) => [partition, 0, 0]),
    );
    const { items } = await (await call('/streams')).json<List<Stream>>();
    expect(items.map(({ name }) => name)).toContain('made');
    const changed = await put('made', { retention: { hours: 1 }, claimCheckBytes: 2_048 });
    expect(changed.status).toBe(200);
    expect(await changed.json<Stream>()).toMatchObject({
      claimCheckBytes: 2_048,
      retention: { hours: 1 },
      createdAt: stream.createdAt,
    });
  });

  it('keeps its number of partitions: another one is a conflict that says why', async () => {
    await create('fixed', { partitions: 2 });
    const problem = await refusal(await put('fixed', { partitions: 3 }), 409);
    expect(problem.detail).toContain('2 partitions');
    expect(problem.detail).toContain('order');
    expect((await put('fixed', { partitions: 2 })).status).toBe(200);
  });

  it('is refused with a bad name or a bad definition', async () => {
    await refusal(await put('-x'), 400);
    await refusal(await put('bad', { partitions: 0 }), 400);
    await refusal(await put('bad', { partition: 2 }), 400);
    await refusal(await call('/streams/bad'), 404);
  });

  it('that nobody made is unknown to every call', async () => {
    await refusal(await post('nobody', { type: 'A' }), 404);
    await refusal(await page('nobody'), 404);
    await refusal(await call('/streams/nobody'), 404);
    await refusal(await call('/streams/nobody/events/live'), 404);
    await refusal(await call('/streams/nobody', { method: 'DELETE' }), 404);
  });

  it('that is deleted and made again is another stream', async () => {
    await create('again', { partitions: 2 });
    await publish(
      'again',
      numbered(20).map((i) => ({ type: 'Old', id: `i${i}` })),
    );
    expect((await call('/streams/again', { method: 'DELETE' })).status).toBe(204);
    await refusal(await page('again'), 404);
    await refusal(await post('again', { type: 'A' }), 404);
    await create('again', { partitions: 3 });
    expect(await readAll('again')).toEqual([]);
    // The same ids are no duplicates there.
    const appended = await publish(
      'again',
      numbered(20).map((i) => ({ type: 'New', id: `i${i}` })),
    );
    expect(appended).toMatchObject({ accepted: 20, duplicates: 0 });
    expect((await readAll('again')).every(({ type }) => type === 'New')).toBe(true);
  });

  it('that was made again while an append held on to the old one takes the events', async () => {
    await create('swapped', { partitions: 1 });
    const old = await streamNamed(env, 'swapped');
    await call('/streams/swapped', { method: 'DELETE' });
    await create('swapped', { partitions: 4 });
    const events = parseEventBody(numbered(30).map((i) => ({ type: 'A', key: `k${i}` })));
    const appended = await appendEvents(env, old, events);
    expect(appended.accepted).toBe(30);
    expect(await readAll('swapped')).toHaveLength(30);
  });

  it('cannot be deleted while a processor uses it', async () => {
    await create('used');
    const catalog = env.CATALOG.get(env.CATALOG.idFromName('catalog'));
    const entry = { name: 'reader', kind: 'stateless', streams: ['used'], output: null };
    await catalog.putProcessor(entry);
    const problem = await refusal(await call('/streams/used', { method: 'DELETE' }), 409);
    expect(problem.detail).toContain('reader');
    // A processor that does not answer does not hide the stream.
    expect((await show('used')).name).toBe('used');
    await catalog.deleteProcessor('reader');
    expect((await call('/streams/used', { method: 'DELETE' })).status).toBe(204);
  });
});

describe('publishing', () => {
  it('takes one event, and tells where it lies', async () => {
    await create('one', { partitions: 1 });
    const event = { type: 'A', key: 'k', payload: { x: [1, null, 'ü\n'] } };
    expect(await publish('one', event)).toEqual({
      accepted: 1,
      duplicates: 0,
      offsets: [{ partition: 0, first: 0, last: 0 }],
    });
    const { events, next } = await read('one');
    expect(next).toBe(1);
    const [stored] = events;
    expect(stored).toMatchObject({ partition: 0, offset: 0, ...event });
    expect(stored?.id).toMatch(/^event_/);
    expect(Date.parse(stored?.time ?? '')).toBeGreaterThan(Date.now() - 60_000);
    expect(events.length).toBe(1);
  });

  it('takes a list, and NDJSON of thousands of events, keeping each key’s order', async () => {
    await create('many', { partitions: 4 });
    const events = numbered(5_000).map((i) => ({ type: 'N', key: `k${i % 17}`, payload: i }));
    expect((await publish('many', events.slice(0, 100))).accepted).toBe(100);
    const lines = events.slice(100).map((event) => JSON.stringify(event));
    const response = await postLines('many', lines);
    expect(response.status).toBe(202);
    const appended = await response.json<Appended>();
    expect(appended.accepted).toBe(4_900);
    expect(appended.offsets.map(({ partition }) => partition)).toEqual([0, 1, 2, 3]);
    const { partitions } = await show('many');
    const stored: StreamEvent[] = [];
    for (const { partition, next } of partitions) {
      let from = 0;
      while (from < next) {
        const got = await read('many', `?partition=${partition}&from=${from}&limit=1000`);
        got.events.forEach((event, i) => expect(event.offset).toBe(from + i));
        stored.push(...got.events);
        from = got.next;
      }
    }
    expect(stored).toHaveLength(5_000);
    expect(new Set(stored.map(({ id }) => id)).size).toBe(5_000);
    for (const key of numbered(17).map((i) => `k${i}`)) {
      const ofKey = stored.filter((event) => event.key === key);
      expect(new Set(ofKey.map(({ partition }) => partition)).size).toBe(1);
      expect(ofKey.map(({ payload }) => payload)).toEqual(
        events.filter((event) => event.key === key).map(({ payload }) => payload),
      );
    }
  });

  it('counts an id that is there already as a duplicate, within a request and later', async () => {
    await create('dups', { partitions: 2 });
    const a = { type: 'A', id: 'a' };
    expect(await publish('dups', [a, { type: 'B', id: 'b' }, a])).toMatchObject({
      accepted: 2,
      duplicates: 1,
    });
    expect(await publish('dups', [a, { type: 'C', id: 'c' }])).toMatchObject({
      accepted: 1,
      duplicates: 1,
    });
    expect((await readAll('dups')).map(({ id }) => id).sort()).toEqual(['a', 'b', 'c']);
    expect((await show('dups')).duplicates).toBe(2);
  });

  it('with a bad line 7 of 1,000 names it and appends none', async () => {
    await create('line7');
    const lines = numbered(1_000).map((i) => `{"type":"A","payload":${i}}`);
    const invalid = await refusal(await postLines('line7', lines.with(6, '{"type":"A"')), 400);
    expect(invalid.errors[0]?.path).toBe('line 7');
    expect(invalid.detail).toContain('line 7');
    expect(invalid.detail).toContain('none of the events was appended');
    const wrong = await refusal(await postLines('line7', lines.with(6, '{"key":"k"}')), 400);
    expect(wrong.errors[0]).toMatchObject({ path: 'line 7' });
    expect(wrong.errors[0]?.message).toContain('type');
    const listed = lines.map((line) => JSON.parse(line) as unknown).with(6, { type: 5 });
    expect((await refusal(await post('line7', listed), 400)).errors[0]?.path).toBe('[6]');
    expect(await readAll('line7')).toEqual([]);
  });

  it('is refused with what is no JSON, no UTF-8, or too much', async () => {
    await create('bounds', { partitions: 1 });
    const send = (body: BodyInit, type = 'application/json') =>
      call('/streams/bounds/events', {
        method: 'POST',
        body,
        headers: { 'content-type': type },
      });
    await refusal(await send('{'), 400);
    await refusal(await send(''), 400);
    await refusal(await send('"text"'), 400);
    const broken = new Uint8Array([...new TextEncoder().encode('{"type":"A'), 0xff, 0x22, 0x7d]);
    expect((await refusal(await send(broken), 400)).detail).toContain('UTF-8');
    const large = await refusal(await send(new Uint8Array(APPEND_MAX_BYTES + 1)), 413);
    expect(large.detail).toContain(String(APPEND_MAX_BYTES));
    expect(large.detail).toContain('POST /api/claims');
    const endless = new ReadableStream({
      type: 'bytes',
      pull: (controller) => controller.enqueue(new Uint8Array(1024 * KIB)),
    });
    await refusal(await send(endless, 'application/x-ndjson'), 413);
    const lines = Array.from({ length: APPEND_MAX_EVENTS + 1 }, () => '{"type":"A"}');
    const many = await refusal(await postLines('bounds', lines), 413);
    expect(many.detail).toContain(String(APPEND_MAX_EVENTS));
    expect(await readAll('bounds')).toEqual([]);
    expect(await (await postLines('bounds', [])).json()).toMatchObject({ accepted: 0 });
  });

  it('says how many of the events a full stream took, and goes on where it stopped', async () => {
    await create('full', { partitions: 2, partitionMaxBytes: 2 * KIB });
    const events = numbered(40).map((i) => ({ type: 'A', id: `i${i}`, payload: 'x'.repeat(200) }));
    const first = await publish('full', events.slice(0, 30));
    expect(first.accepted).toBe(30);
    const problem = await refusal(await post('full', events), 507);
    expect(problem.code).toBe('stream_full');
    expect(problem.detail).toMatch(/0 of the 40 events were appended/);
    await put('full', { partitionMaxBytes: 100 * KIB });
    expect(await publish('full', events)).toMatchObject({ accepted: 10, duplicates: 30 });
    expect(await readAll('full')).toHaveLength(40);
  });
});

describe('an Idempotency-Key', () => {
  const key = (value: string) => ({ 'idempotency-key': value });
  const events = numbered(200).map((i) => ({ type: 'A', payload: i }));

  it('makes the same request have the same answer, and append nothing twice', async () => {
    await create('same');
    const first = await post('same', events, key('k'));
    const second = await post('same', events, key('k'));
    expect([first.status, second.status]).toEqual([202, 202]);
    const appended = await first.json<Appended>();
    expect(appended.accepted).toBe(200);
    expect(await second.json()).toEqual(appended);
    expect(await readAll('same')).toHaveLength(200);
    // Another key is another request.
    expect((await (await post('same', events, key('l'))).json<Appended>()).accepted).toBe(200);
  });

  it('with another body is a conflict', async () => {
    await create('other');
    await post('other', events, key('k'));
    await refusal(await post('other', [{ type: 'B' }], key('k')), 409);
    expect(await readAll('other')).toHaveLength(200);
  });

  it('holds for requests at the same time', async () => {
    await create('twice');
    const responses = await Promise.all([1, 2, 3].map(() => post('twice', events, key('k'))));
    const answers = await Promise.all(responses.map((response) => response.json<Appended>()));
    expect(answers[0]?.accepted).toBe(200);
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
    expect(await readAll('twice')).toHaveLength(200);
  });

  it('completes a request that failed half-way', async () => {
    const name = 'half';
    await create(name, { partitions: 4, partitionMaxBytes: 100 * KIB });
    // One partition is full.
    const filling = await publish(name, { type: 'F', key: 'x', payload: 'x'.repeat(90 * KIB) });
    const [range] = filling.offsets;
    await put(name, { partitionMaxBytes: 20 * KIB });
    const problem = await refusal(await post(name, events, key('k')), 507);
    expect(problem.detail).toContain(`partition ${range?.partition} is full`);
    const there = (await readAll(name)).length - 1;
    expect(there).toBeGreaterThan(0);
    expect(there).toBeLessThan(200);
    expect(problem.detail).toContain(`${there} of the 200 events`);
    await put(name, { partitionMaxBytes: 200 * KIB });
    expect((await (await post(name, events, key('k'))).json<Appended>()).accepted).toBe(200);
    const payloads = (await readAll(name)).filter(({ type }) => type === 'A');
    expect(payloads.map(({ payload }) => payload as number).sort((a, b) => a - b)).toEqual(
      numbered(200),
    );
  });
});

describe('claim-check', () => {
  const large = { text: 'ü'.repeat(100 * KIB) };

  it('takes an event of 200 KB to R2 by itself, and gives it back', async () => {
    await create('large', { partitions: 1 });
    await publish('large', [
      { type: 'S', payload: 1 },
      { type: 'L', payload: large },
    ]);
    const { events } = await read('large');
    expect(events[0]).toMatchObject({ payload: 1 });
    const claim = events[1]?.claim as Claim;
    expect(claim).toMatchObject({
      bytes: new TextEncoder().encode(JSON.stringify(large)).length,
      contentType: 'application/json',
    });
    expect(events[1]).not.toHaveProperty('payload');
    expect(await (await call(`/claims/${claim.token}`)).json()).toEqual(large);
    const resolved = await read('large', '?resolve=true');
    expect(resolved.events[1]).toMatchObject({ offset: 1, type: 'L', payload: large });
    expect(resolved.events[1]).not.toHaveProperty('claim');
    expect(resolved.next).toBe(2);
    expect((await show('large')).claims).toEqual({ events: 1, bytes: claim.bytes });
  });

  it('ends a page before it holds too many opened payloads', async () => {
    await create('pages', { partitions: 1 });
    const payload = 'x'.repeat(1_500 * KIB);
    await publish(
      'pages',
      numbered(5).map(() => ({ type: 'L', payload })),
    );
    const first = await read('pages', '?resolve=true');
    expect(first.events).toHaveLength(2);
    const second = await read('pages', `?resolve=true&from=${first.next}`);
    expect(second.events.map(({ offset }) => offset)).toEqual([2, 3]);
  });

  it('takes claims that were stored before, as they were stored', async () => {
    await create('given', { partitions: 1 });
    const stored = await call('/claims', {
      method: 'POST',
      body: 'raw bytes',
      headers: { 'content-type': 'text/plain' },
    });
    const claim = await stored.json<Claim>();
    await publish('given', { type: 'A', claim: { ...claim, contentType: 'text/html' } });
    const { events } = await read('given', '?resolve=true');
    // Not JSON: it stays a claim.
    expect(events[0]?.claim).toEqual(claim);
    const lie = { ...claim, bytes: 1 };
    const problem = await refusal(
      await post('given', [{ type: 'A' }, { type: 'B', claim: lie }]),
      400,
    );
    expect(problem.errors[0]?.path).toBe('[1].claim');
    const forged = { ...claim, sha256: '0'.repeat(64) };
    await refusal(await post('given', { type: 'A', claim: forged }), 400);
    const unknown = { ...claim, token: 'claim_nobody' };
    await refusal(await post('given', { type: 'A', claim: unknown }), 404);
    await refusal(await post('given', { type: 'A', claim, payload: 1 }), 400);
    expect((await read('given')).next).toBe(1);
  });

  it('finds out that a payload is not what was stored', async () => {
    await create('tampered', { partitions: 1 });
    await publish('tampered', { type: 'L', payload: large });
    const claim = (await read('tampered')).events[0]?.claim as Claim;
    await env.BUCKET.put(claimKey(claim.token), JSON.stringify({ text: 'ö'.repeat(100 * KIB) }));
    const problem = await refusal(await page('tampered', '?resolve=true'), 500);
    expect(problem.detail).toContain('SHA-256');
  });

  it('has a bound on the payloads of one request', async () => {
    await create('bound', { partitions: 1, claimCheckBytes: KIB });
    const line = JSON.stringify({ type: 'L', payload: 'x'.repeat(KIB) });
    const lines = Array.from({ length: APPEND_MAX_CLAIMS + 1 }, () => line);
    const problem = await refusal(await postLines('bound', lines), 413);
    expect(problem.detail).toContain(String(APPEND_MAX_CLAIMS));
  });
});

describe('reading', () => {
  it('begins where it is told, and says where to go on', async () => {
    await create('read', { partitions: 1 });
    await publish(
      'read',
      numbered(10).map((i) => ({ type: 'A', payload: i })),
    );
    const payloads = async (query: string) =>
      (await read('read', query)).events.map(({ payload }) => payload);
    expect(await payloads('?from=3&limit=2')).toEqual([3, 4]);
    expect(await payloads('?from=earliest')).toEqual(numbered(10));
    expect(await read('read', '?from=latest')).toEqual({ events: [], next: 10 });
    expect(await read('read', '?from=10')).toEqual({ events: [], next: 10 });
    await refusal(await page('read', '?partition=1'), 400);
    await refusal(await page('read', '?from=-1'), 400);
    await refusal(await page('read', '?limit=0'), 400);
  });

  it('is the same out of rows and out of sealed segments, and across both', async () => {
    const { uid } = await definitionOf('sealed');
    const ref = { stream: 'sealed', uid, partition: 0 };
    const lines = (events: StreamEvent[]) =>
      events.map((event) => JSON.stringify(event)).join('\n');
    const before = lines((await read('sealed', '?limit=1000')).events);
    await logObject(env, ref).pin('test', 0, 300, 10_000);
    await publish(
      'sealed',
      numbered(100).map((i) => ({ type: 'B', payload: i })),
    );
    const status = await logObject(env, ref).status();
    expect(status?.segments).toBe(1);
    expect(lines((await read('sealed', '?limit=300')).events)).toBe(before);
    const some = await readEvents(env, ref, 217, { maxEvents: 10, maxBytes: 1e6 });
    expect(some).toMatchObject({ kind: 'events', first: 217, count: 10, next: 400 });
    if (some.kind !== 'events') throw new Error(some.kind);
    expect(some.text).toBe(before.split('\n').slice(217, 227).join('\n'));
    expect(some.appendedAt[0]?.offset).toBe(217);
    const one = await readEvents(env, ref, 5, { maxEvents: 10, maxBytes: 1 });
    expect(one).toMatchObject({ count: 1 });
    const all = [
      ...before.split('\n'),
      ...lines((await read('sealed', '?from=300')).events).split('\n'),
    ];
    for (const [from, to] of [
      [0, 400],
      [1, 2],
      [250, 350],
      [299, 300],
      [300, 301],
      [7, 7],
    ] as const) {
      const expected = all
        .slice(from, to)
        .map((line) => `${line}\n`)
        .join('');
      expect(await textOf(streamRange(env, ref, from, to))).toBe(expected);
    }
    await expect(textOf(streamRange(env, ref, 390, 401))).rejects.toThrow('ends at 400');
  });

  async function definitionOf(name: string) {
    await create(name, { partitions: 1 });
    await publish(
      name,
      numbered(300).map((i) => ({ type: 'A', payload: `${i} ü`.repeat(50) })),
    );
    return streamNamed(env, name);
  }

  async function textOf(pieces: AsyncGenerator<Uint8Array>): Promise<string> {
    let text = '';
    const decoder = new TextDecoder();
    for await (const piece of pieces) text += decoder.decode(piece, { stream: true });
    return text;
  }
});

/** Reads server-sent events as they come. */
class Sse {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = '';
  id: string | null = null;

  constructor(response: Response) {
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    if (!response.body) throw new Error('no body');
    this.#reader = response.body.getReader();
  }

  /** The next `count` events' data; what only sets the id, and comments, are passed over. */
  async take(count: number): Promise<StreamEvent[]> {
    const events: StreamEvent[] = [];
    while (events.length < count) {
      const frame = await this.#frame();
      for (const line of frame.split('\n')) {
        if (line.startsWith('id: ')) this.id = line.slice(4);
        if (line.startsWith('data: ')) events.push(JSON.parse(line.slice(6)) as StreamEvent);
      }
    }
    return events;
  }

  /** Reads the frame that says where the tail begins. */
  async begin(): Promise<void> {
    const [, id] = /^id: (.*)$/.exec(await this.#frame()) ?? [];
    this.id = id ?? null;
  }

  async isClosed(): Promise<boolean> {
    return (await this.#reader.read()).done;
  }

  async close(): Promise<void> {
    await this.#reader.cancel();
  }

  async #frame(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end >= 0) {
        const frame = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return frame;
      }
      const { value, done } = await this.#reader.read();
      if (done) throw new Error('the stream ended');
      this.#text += this.#decoder.decode(value, { stream: true });
    }
  }
}

describe('the live tail', () => {
  const live = async (name: string, query = '', headers: Record<string, string> = {}) =>
    new Sse(await call(`/streams/${name}/events/live${query}`, { headers }));

  it('shows what comes from now on, from all partitions', async () => {
    await create('live');
    await publish(
      'live',
      numbered(10).map((i) => ({ type: 'Before', payload: i })),
    );
    const tail = await live('live');
    await tail.begin();
    await publish(
      'live',
      numbered(20).map((i) => ({ type: 'After', payload: i })),
    );
    const events = await tail.take(20);
    expect(events.every(({ type }) => type === 'After')).toBe(true);
    expect(new Set(events.map(({ partition }) => partition)).size).toBeGreaterThan(1);
    await publish('live', { type: 'Last' });
    expect((await tail.take(1))[0]?.type).toBe('Last');
    await tail.close();
  });

  it('resumes after the last event that was seen: none is missed, none comes twice', async () => {
    await create('resume');
    const tail = await live('resume', '?from=earliest');
    await publish(
      'resume',
      numbered(30).map((i) => ({ type: 'A', payload: i })),
    );
    const seen = await tail.take(11);
    await tail.close();
    await publish(
      'resume',
      numbered(10).map((i) => ({ type: 'A', payload: 30 + i })),
    );
    const id = tail.id ?? '';
    const rest = await live('resume', '', { 'last-event-id': id });
    const later = await rest.take(29);
    await rest.close();
    const byQuery = await live('resume', `?lastEventId=${encodeURIComponent(id)}`);
    expect(await byQuery.take(29)).toEqual(later);
    await byQuery.close();
    const payloads = [...seen, ...later].map(({ payload }) => payload as number);
    expect(payloads.toSorted((a, b) => a - b)).toEqual(numbered(40));
  });

  it('can be resumed before anything came', async () => {
    await create('quiet');
    const tail = await live('quiet');
    await tail.begin();
    await tail.close();
    await publish('quiet', { type: 'Meanwhile' });
    const rest = await live('quiet', '', { 'last-event-id': tail.id ?? '' });
    expect((await rest.take(1))[0]?.type).toBe('Meanwhile');
    await rest.close();
  });

  it('follows one partition alone, from its beginning', async () => {
    await create('single', { partitions: 2 });
    await publish(
      'single',
      numbered(500).map((i) => ({ type: 'A', payload: i })),
    );
    const { partitions } = await show('single');
    const tail = await live('single', '?partition=1&from=earliest');
    const events = await tail.take(partitions[1]?.next ?? 0);
    expect(events.map(({ offset }) => offset)).toEqual(numbered(events.length));
    expect(events.every(({ partition }) => partition === 1)).toBe(true);
    expect(tail.id).toBe(`1:${events.length}`);
    await tail.close();
  });

  it('ends when the stream is deleted', async () => {
    await create('ending');
    const tail = await live('ending');
    await tail.begin();
    const closed = tail.isClosed();
    await call('/streams/ending', { method: 'DELETE' });
    expect(await closed).toBe(true);
  });

  it('is refused with an id that is none, or a partition that is not there', async () => {
    await create('ids', { partitions: 2 });
    const refused = (headers: Record<string, string>) =>
      call('/streams/ids/events/live', { headers });
    for (const id of ['x', '0:1,0:2', '2:0', '-1:0', '0']) {
      const problem = await refusal(await refused({ 'last-event-id': id }), 400);
      expect(problem.errors[0]?.path).toBe('lastEventId');
    }
    await refusal(await call('/streams/ids/events/live?partition=2'), 400);
  });
});
