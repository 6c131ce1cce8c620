// Streams over HTTP: how they are made and end, and what is published: once, in order, or refused with a reason.
import { env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { APPEND_MAX_BYTES, APPEND_MAX_EVENTS, KIB } from '../../shared/limits.ts';
import type { List } from '../../shared/schemas/common.ts';
import type { Appended, Stream, StreamEvent } from '../../shared/schemas/stream.ts';
import type { Env } from '../../worker/platform/env.ts';
import { appendEvents } from '../../worker/log/append.edge.ts';
import { parseEventBody } from '../../worker/log/events.ts';
import { streamNamed } from '../../worker/log/streams.edge.ts';
import { call } from './rest.ts';
import {
  create,
  numbered,
  page,
  post,
  postLines,
  publish,
  put,
  read,
  readAll,
  refusal,
  show,
} from './stream-calls.ts';

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

describe('a partition that cannot be reached', () => {
  const failing = (reason: object): Env => ({
    ...env,
    LOGS: new Proxy(env.LOGS, {
      get(logs, name) {
        const method = Reflect.get(logs, name, logs) as (...args: unknown[]) => unknown;
        if (name !== 'get') return method.bind(logs);
        return () => ({
          append: async () => {
            throw Object.assign(new Error('the object moved'), reason);
          },
        });
      },
    }),
  });

  it('makes the append unavailable, to be tried again; a fault of ours stays one', async () => {
    await create('moved', { partitions: 1 });
    const stream = await streamNamed(env, 'moved');
    const append = (reason: object) =>
      appendEvents(failing(reason), stream, parseEventBody({ type: 'A' }));
    await expect(append({ retryable: true })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('0 of the 1 events were appended') as string,
    });
    await expect(append({ overloaded: true })).rejects.toMatchObject({ code: 'unavailable' });
    await expect(append({})).rejects.toThrow('the object moved');
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

  it('holds for payloads that go to R2, too', async () => {
    await create('twice-large', { partitions: 1 });
    const body = [{ type: 'S' }, { type: 'L', payload: 'x'.repeat(200 * KIB) }];
    const first = await post('twice-large', body, key('k'));
    // By then other payloads are large.
    await put('twice-large', { claimCheckBytes: 300 * KIB });
    const second = await post('twice-large', body, key('k'));
    expect(await second.json()).toEqual(await first.json());
    expect((await read('twice-large')).events.map(({ type }) => type)).toEqual(['S', 'L']);
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
