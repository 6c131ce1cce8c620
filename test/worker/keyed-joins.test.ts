// Joins inside workerd, through the REST API: the product example in every order, what waits, what is late, what
// times out, and what is drained, redriven, replayed and deleted.
import { describe, expect, it } from 'vitest';
import type { List } from '../../shared/schemas/common.ts';
import type { JoinRules, LateEvent, WaitingKey } from '../../shared/schemas/processor.ts';
import type { EventInput } from '../../shared/schemas/stream.ts';
import {
  act,
  caughtUp,
  deadLetters,
  get,
  type KeyedInput,
  payloads,
  processor,
  publish,
  readAll,
  rowsOf,
  shown,
  SOON,
  state,
  stream,
  streams,
  placesOf,
} from './keyed.ts';
import { call } from './rest.ts';

type Join = Omit<Extract<KeyedInput, { kind: 'join' }>, 'kind'>;
const join = (name: string, spec: Join) => processor(name, { kind: 'join', ...spec });

const TYPES = ['ProductUploaded', 'VideoEncoded', 'ImageEncoded'];
const rules = (more: Partial<JoinRules> = {}) => ({
  types: TYPES,
  timeoutMs: 3_600_000,
  onTimeout: 'drop' as const,
  ...more,
});
const CREATE = `export function process(joined, ctx) {
  const ids = Object.fromEntries(Object.entries(joined).map(([type, event]) => [type, event && event.id]));
  return { type: 'ProductCreated', key: ctx.key, payload: { productId: ctx.key, ids } };
}`;
const FAST = { maxAttempts: 3, baseMs: 5, maxMs: 20 };

const part = (productId: string, type: string, id = `${productId}-${type}`): EventInput => ({
  type,
  id,
  payload: { productId },
});
const idsOf = (productId: string) =>
  Object.fromEntries(TYPES.map((type) => [type, `${productId}-${type}`]));
const waiting = (name: string, query = '') =>
  get<List<WaitingKey>>(`/processors/${name}/waiting${query}`);
const late = async (name: string) => (await get<List<LateEvent>>(`/processors/${name}/late`)).items;

interface Created {
  productId: string;
  ids: Record<string, string | null>;
}

describe('the product example', () => {
  it('fires once for each product, in whatever order its events come, also over several streams', async () => {
    await streams('products', 'media', 'created');
    await join('creator', {
      stream: ['products', 'media'],
      keyBy: 'payload.productId',
      output: 'created',
      code: CREATE,
      join: rules(),
    });
    const orders = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ];
    for (let step = 0; step < 3; step++) {
      for (const [product, order] of orders.entries()) {
        const type = TYPES[order[step] ?? 0] ?? '';
        await publish(type === 'ProductUploaded' ? 'products' : 'media', [
          part(`p${product}`, type),
        ]);
      }
    }
    const created = () => payloads<Created>('created');
    await expect.poll(async () => (await created()).length, SOON).toBe(6);
    await caughtUp('creator');
    const byProduct = (await created()).sort((a, b) => (a.productId < b.productId ? -1 : 1));
    expect(byProduct).toEqual(
      orders.map((_, product) => ({ productId: `p${product}`, ids: idsOf(`p${product}`) })),
    );
    expect((await shown('creator')).counters).toMatchObject({
      processed: 18,
      fired: 6,
      emitted: 6,
      late: 0,
      timedOut: 0,
    });
    const [event] = await readAll('created');
    expect(event?.source).toMatchObject({ processor: 'creator', version: 1 });
  });
});

describe('what waits', () => {
  it('can be read: by key, the longest waiting first, and by what is missing', async () => {
    await streams('arriving', 'arrived');
    await join('waits', {
      stream: 'arriving',
      output: 'arrived',
      keyBy: 'payload.productId',
      code: CREATE,
      join: rules(),
    });
    const products = Array.from({ length: 12 }, (_, i) => `p${String(i).padStart(2, '0')}`);
    for (const product of products) {
      await publish('arriving', [part(product, 'ProductUploaded')]);
      await caughtUp('waits');
    }
    await publish(
      'arriving',
      products.slice(0, 5).map((product) => part(product, 'VideoEncoded')),
    );
    await caughtUp('waits');
    const all = await waiting('waits');
    expect(all.items.map(({ key }) => key)).toEqual(products);
    expect(all.next).toBeNull();
    const paged: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page: List<WaitingKey> = await waiting('waits', `?limit=5${query}`);
      paged.push(...page.items.map(({ key }) => key));
      cursor = page.next;
    }
    expect(paged).toEqual(products);
    const video = await waiting('waits', '?missing=VideoEncoded');
    expect(video.items.map(({ key }) => key)).toEqual(products.slice(5));
    expect((await waiting('waits', '?missing=Nothing')).items).toEqual([]);

    const { keyed } = await shown('waits');
    expect(keyed).toMatchObject({ shards: 4, keys: 12 });
    expect(keyed?.missing).toEqual([
      { type: 'ProductUploaded', count: 0 },
      { type: 'VideoEncoded', count: 7 },
      { type: 'ImageEncoded', count: 12 },
    ]);
    const one = await state('waits', 'p00');
    expect(one.waiting).toMatchObject({ key: 'p00', state: 'waiting', missing: ['ImageEncoded'] });
    expect(one.waiting?.arrived.map(({ type }) => type).sort()).toEqual([
      'ProductUploaded',
      'VideoEncoded',
    ]);
    expect((await state('waits', 'nobody')).waiting).toBeNull();

    await publish('arriving', [part('p00', 'ImageEncoded')]);
    await caughtUp('waits');
    expect((await state('waits', 'p00')).waiting).toMatchObject({ state: 'fired' });
    expect((await shown('waits')).keyed?.keys).toBe(11);
  });
});

describe('what comes too late', () => {
  it('is listed with the reason, and goes to its own stream; the same event again is only repeated', async () => {
    await streams('tardy', 'joined', 'tooLate');
    await join('strict', {
      stream: 'tardy',
      keyBy: 'payload.productId',
      output: 'joined',
      late: 'tooLate',
      code: CREATE,
      join: rules({ types: ['ProductUploaded', 'VideoEncoded'] }),
    });
    await publish('tardy', [part('p', 'ProductUploaded')]);
    await publish('tardy', [part('p', 'ProductUploaded', 'second')]);
    await caughtUp('strict');
    await publish('tardy', [part('p', 'VideoEncoded')]);
    await publish('tardy', [part('p', 'VideoEncoded', 'third'), part('p', 'Other', 'other')]);
    await caughtUp('strict');
    const events = await late('strict');
    expect(events.map(({ event, reason }) => [event.id, reason])).toEqual([
      ['third', 'fired'],
      ['second', 'type-taken'],
    ]);
    const copies = await readAll('tooLate');
    expect(copies.map(({ type, payload, source }) => [type, payload, source?.late]).sort()).toEqual(
      [
        ['ProductUploaded', { productId: 'p' }, 'type-taken'],
        ['VideoEncoded', { productId: 'p' }, 'fired'],
      ].sort(),
    );
    expect(copies[0]?.source).toMatchObject({ processor: 'strict', stream: 'tardy' });
    const [only, ...others] = await payloads<Created>('joined');
    expect(others).toEqual([]);
    expect(only?.ids).toEqual({
      ProductUploaded: 'p-ProductUploaded',
      VideoEncoded: 'p-VideoEncoded',
    });
    expect((await shown('strict')).counters).toMatchObject({ late: 2, fired: 1, passedOver: 1 });
  });
});

describe('a join that is not complete in time', () => {
  const open = async (name: string, onTimeout: JoinRules['onTimeout'], timeoutMs = 60) => {
    await streams(`${name}In`, `${name}Out`);
    await join(name, {
      stream: `${name}In`,
      keyBy: 'payload.productId',
      output: `${name}Out`,
      code: CREATE,
      retry: FAST,
      join: rules({ onTimeout, timeoutMs }),
    });
    await publish(`${name}In`, [part('p', 'ProductUploaded'), part('p', 'VideoEncoded')]);
  };
  const timedOut = (name: string) =>
    expect.poll(async () => (await shown(name)).counters.timedOut, SOON).toBe(1);

  it('is emitted with what has come', async () => {
    await open('partial', 'emit-partial');
    await expect
      .poll(() => payloads<Created>('partialOut'), SOON)
      .toEqual([
        {
          productId: 'p',
          ids: {
            ProductUploaded: 'p-ProductUploaded',
            VideoEncoded: 'p-VideoEncoded',
            ImageEncoded: null,
          },
        },
      ]);
    await timedOut('partial');
    expect((await state('partial', 'p')).waiting).toMatchObject({ state: 'timedOut' });
    await publish('partialIn', [part('p', 'ImageEncoded')]);
    await expect
      .poll(async () => (await late('partial')).map(({ reason }) => reason), SOON)
      .toEqual(['timed-out']);
  });

  it('is dropped', async () => {
    await open('dropped', 'drop');
    await timedOut('dropped');
    expect(await payloads('droppedOut')).toEqual([]);
    expect(await deadLetters('dropped')).toEqual([]);
    expect((await shown('dropped')).keyed?.keys).toBe(0);
  });

  it('becomes dead letters, which a redrive puts back, to be joined after all', async () => {
    await open('lost', 'dead-letter');
    await timedOut('lost');
    await expect.poll(async () => (await deadLetters('lost')).length, SOON).toBe(2);
    const dead = await deadLetters('lost');
    expect(dead.map(({ event }) => event?.id).sort()).toEqual([
      'p-ProductUploaded',
      'p-VideoEncoded',
    ]);
    expect((await shown('lost')).counters.deadLettered).toBe(2);
    await join('lost', {
      stream: 'lostIn',
      keyBy: 'payload.productId',
      output: 'lostOut',
      code: CREATE,
      retry: FAST,
      join: rules({ onTimeout: 'dead-letter' }),
    });
    await act('lost', 'dead-letters/redrive', { all: true });
    await expect.poll(async () => (await shown('lost')).deadLetters, SOON).toBe(0);
    await publish('lostIn', [part('p', 'ImageEncoded')]);
    await expect
      .poll(() => payloads<Created>('lostOut'), SOON)
      .toEqual([{ productId: 'p', ids: idsOf('p') }]);
  });

  it('can be made to end now', async () => {
    await open('drained', 'emit-partial', 3_600_000);
    await caughtUp('drained');
    expect((await shown('drained')).keyed?.keys).toBe(1);
    await act('drained', 'drain');
    await expect.poll(async () => (await payloads('drainedOut')).length, SOON).toBe(1);
    expect((await shown('drained')).keyed?.keys).toBe(0);
  });

  it('waits while the processor is paused', async () => {
    await open('paused', 'emit-partial', 400);
    await caughtUp('paused');
    await act('paused', 'pause');
    await expect
      .poll(async () => {
        const { dueAt } = (await state('paused', 'p')).waiting ?? {};
        return typeof dueAt === 'string' && Date.parse(dueAt) < Date.now();
      }, SOON)
      .toBe(true);
    expect(await payloads('pausedOut')).toEqual([]);
    await act('paused', 'resume');
    await expect.poll(async () => (await payloads('pausedOut')).length, SOON).toBe(1);
  });
});

describe('a join that times out into a full stream', () => {
  it('says why it does not get on, and ends each once when there is room', async () => {
    await streams('flood');
    await stream('narrow', 1, { partitionMaxBytes: 1_024 });
    const code = `export const process = (joined, ctx) => ({ type: 'Late', key: ctx.key, payload: { fill: 'x'.repeat(300) } })`;
    await join('floods', {
      stream: 'flood',
      keyBy: 'payload.productId',
      output: 'narrow',
      code,
      retry: FAST,
      join: rules({ onTimeout: 'emit-partial', timeoutMs: 1 }),
    });
    await publish(
      'flood',
      Array.from({ length: 30 }, (_, i) => part(`p${i}`, 'ProductUploaded')),
    );
    await expect.poll(async () => (await shown('floods')).reason, SOON).toMatch(/shard \d: .*full/);
    await stream('narrow', 1, { partitionMaxBytes: 1_024 * 1_024 });
    await expect.poll(async () => (await readAll('narrow', 1)).length, SOON).toBe(30);
    await expect.poll(async () => (await shown('floods')).reason, SOON).toBe('');
    const keys = (await readAll('narrow', 1)).map(({ key }) => key);
    expect(new Set(keys).size).toBe(30);
    expect((await shown('floods')).counters).toMatchObject({ timedOut: 30, emitted: 30 });
  });
});

describe('a join whose code fails', () => {
  it('fails with the event that made it complete, and fires when that is redriven', async () => {
    await streams('fragile', 'mended');
    const code = `export function process(joined, ctx) {
      if (ctx.params.broken) throw new Error('broken');
      return { type: 'Joined', key: ctx.key, payload: {} };
    }`;
    const spec = {
      stream: 'fragile',
      keyBy: 'payload.productId',
      output: 'mended',
      code,
      retry: FAST,
      join: rules({ types: ['ProductUploaded', 'VideoEncoded'] }),
    };
    await join('breaks', { ...spec, params: { broken: true } });
    await publish('fragile', [part('p', 'ProductUploaded')]);
    await caughtUp('breaks');
    await publish('fragile', [part('p', 'VideoEncoded')]);
    await expect.poll(async () => (await deadLetters('breaks')).length, SOON).toBe(1);
    expect((await deadLetters('breaks'))[0]).toMatchObject({
      event: { id: 'p-VideoEncoded' },
      error: { message: 'Error: broken' },
      attempts: 3,
    });
    expect((await state('breaks', 'p')).waiting).toMatchObject({ missing: ['VideoEncoded'] });
    await join('breaks', { ...spec, params: { broken: false } });
    await act('breaks', 'dead-letters/redrive', { all: true });
    await expect.poll(async () => (await readAll('mended')).length, SOON).toBe(1);
    expect((await shown('breaks')).counters).toMatchObject({
      fired: 1,
      deadLettered: 1,
      redriven: 1,
    });
  });
});

describe('a join', () => {
  it('that is replayed joins again under another version, and leaves nothing when it is deleted', async () => {
    await streams('again', 'twice');
    const spec = {
      stream: 'again',
      keyBy: 'payload.productId',
      output: 'twice',
      code: CREATE,
      join: rules(),
    };
    await join('rejoins', spec);
    const parts = ['a', 'b', 'c'].flatMap((product) => TYPES.map((type) => part(product, type)));
    await publish('again', [...parts, part('open', 'ProductUploaded')]);
    await caughtUp('rejoins');
    expect(await payloads('twice')).toHaveLength(3);
    const old = await placesOf('rejoins');
    await act('rejoins', 'replay', { from: 'earliest' });
    await expect.poll(async () => (await shown('rejoins')).version, SOON).toBe(2);
    const versions = (await readAll('twice')).map(({ source }) => source?.version);
    expect(versions.sort()).toEqual([1, 1, 1, 2, 2, 2]);
    expect((await state('rejoins', 'open')).waiting).toMatchObject({ state: 'waiting' });
    await expect
      .poll(async () => Promise.all(old.shards.map((ref) => rowsOf('join', ref))), SOON)
      .toEqual([0, 0, 0, 0]);
    const fresh = await placesOf('rejoins');
    expect((await call('/processors/rejoins', { method: 'DELETE' })).status).toBe(204);
    for (const ref of fresh.shards) expect(await rowsOf('join', ref)).toBe(0);
  });
});
