// Reading streams: pages, rows and segments alike, what retention took, and the live tail.
import { env, runDurableObjectAlarm } from 'cloudflare:test';
import { describe, expect, it, vi } from 'vitest';
import type { StreamEvent } from '../../shared/schemas/stream.ts';
import type { Env } from '../../worker/platform/env.ts';
import { logObject } from '../../worker/stubs.ts';
import { logName } from '../../worker/contracts/names.ts';
import { readEvents, streamRange } from '../../worker/log/read.edge.ts';
import { streamNamed } from '../../worker/log/streams.edge.ts';
import { call } from './rest.ts';
import { create, live, numbered, page, publish, put, read, refusal, show } from './stream-calls.ts';

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

  it('of an offset that retention took is gone, and says which is the first that is there', async () => {
    await create('expired', { partitions: 1 });
    await publish(
      'expired',
      numbered(50).map((i) => ({ type: 'Old', payload: i })),
    );
    await expire('expired', 50);
    await publish(
      'expired',
      numbered(3).map((i) => ({ type: 'New', payload: i })),
    );
    const response = await page('expired', '?from=49');
    expect(response.headers.get('first-offset')).toBe('50');
    const problem = await refusal(response, 410);
    expect(problem.code).toBe('gone');
    expect(problem.detail).toContain('the first that is there is 50');
    expect(problem.errors[0]?.path).toBe('from');
    expect((await read('expired', '?from=earliest')).events.map(({ offset }) => offset)).toEqual([
      50, 51, 52,
    ]);
    // A tail that was left for too long says what it misses, and goes on.
    const tail = await live('expired', '', { 'last-event-id': '0:10' });
    expect(await tail.take(4)).toMatchObject([
      { partition: 0, from: 10, to: 50 },
      { offset: 50 },
      { offset: 51 },
      { offset: 52 },
    ]);
    await tail.close();
    const { uid } = await streamNamed(env, 'expired');
    const ref = { stream: 'expired', uid, partition: 0 };
    await expect(textOf(streamRange(env, ref, 0, 53))).rejects.toMatchObject({ code: 'gone' });
  });

  it('looks again for a segment that went while it was on its way there', async () => {
    const { uid } = await definitionOf('racing');
    const ref = { stream: 'racing', uid, partition: 0 };
    await logObject(env, ref).pin('test', 0, 300, 10_000);
    let gets = 0;
    const missing = (times: number): Env => ({
      ...env,
      BUCKET: new Proxy(env.BUCKET, {
        get(bucket, name) {
          if (name !== 'get') return Reflect.get(bucket, name, bucket) as unknown;
          return (key: string, options: R2GetOptions) =>
            ++gets <= times ? null : bucket.get(key, options);
        },
      }),
    });
    const bounds = { maxEvents: 2, maxBytes: 1e6 };
    expect(await readEvents(missing(1), ref, 4, bounds)).toMatchObject({ first: 4, count: 2 });
    expect(gets).toBe(2);
    gets = 0;
    await expect(readEvents(missing(9), ref, 4, bounds)).rejects.toThrow('is gone');
    gets = 0;
    expect((await textOf(streamRange(missing(1), ref, 4, 6))).split('\n')).toHaveLength(3);
    gets = 0;
    await expect(textOf(streamRange(missing(9), ref, 4, 6))).rejects.toThrow('is gone');
  });

  /** Seals all that is there, and lets retention take it. */
  async function expire(name: string, next: number): Promise<void> {
    const { uid } = await streamNamed(env, name);
    const log = logObject(env, { uid, partition: 0 });
    await log.pin('test', 0, next, 10_000);
    await log.unpin('test');
    // A few milliseconds.
    await put(name, { retention: { hours: 1e-6 } });
    const stub = env.LOGS.get(env.LOGS.idFromName(logName({ uid, partition: 0 })));
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(stub);
      expect((await log.status())?.first).toBe(next);
    });
    await put(name, { retention: { hours: 1 } });
  }

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

describe('the live tail', () => {
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
