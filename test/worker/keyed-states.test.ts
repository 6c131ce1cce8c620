// Stateful processors inside workerd, through the REST API: state by key and how fresh it is, keys that are none,
// what fails, what is paused, redriven, replayed, listed, exported and deleted.
import { describe, expect, it } from 'vitest';
import { STATE_KEY_MAX_BYTES, STATE_MAX_BYTES, STATE_TTL_MIN_MS } from '../../shared/limits.ts';
import type { List } from '../../shared/schemas/common.ts';
import type { KeyedState, StateEntry } from '../../shared/schemas/processor.ts';
import type { EventInput } from '../../shared/schemas/stream.ts';
import {
  act,
  caughtUp,
  deadLetters,
  get,
  type KeyedInput,
  payloads,
  placesOf,
  processor,
  publish,
  readAll,
  rowsOf,
  shown,
  SOON,
  state,
  stream,
  streams,
} from './keyed.ts';
import { call } from './rest.ts';

type Stateful = Omit<Extract<KeyedInput, { kind: 'stateful' }>, 'kind'>;
const stateful = (name: string, spec: Stateful) => processor(name, { kind: 'stateful', ...spec });

const FAST = { maxAttempts: 3, baseMs: 5, maxMs: 20 };
const COUNT = 'export function process(event, state) { return (state ?? 0) + 1 }';
const SUM = 'export function process(event, state) { return (state ?? 0) + event.payload.n }';
const plus = (key: string, n: number): EventInput => ({ type: 'Plus', key, payload: { n } });
const stateOf = async (name: string, key: string) => (await state(name, key)).state;
const isFresh = ({ asOf }: KeyedState) => asOf.every(({ offset, end }) => offset === end);

describe('the mail example without the service', () => {
  const MAIL = `export function process(event, address, ctx) {
    if (event.type === 'AddressChanged') return { email: event.payload.email };
    ctx.emit({ type: 'Email', key: ctx.key, payload: { to: address?.email ?? null, mail: event.id } });
  }`;
  const moved = (id: string, email: string): EventInput => ({
    type: 'AddressChanged',
    key: id,
    payload: { email },
  });
  const mail = (userId: string, id: string): EventInput => ({
    type: 'MailEvent',
    id,
    payload: { userId },
  });

  it('keeps addresses from one stream, sends what comes on the other, and says how fresh it is', async () => {
    await streams('people', 'letters', 'emails');
    const spec = {
      stream: ['people', 'letters'],
      keyBy: { people: 'key', letters: 'payload.userId' },
      output: 'emails',
      code: MAIL,
    };
    await stateful('mailbox', spec);
    const sent = async () => {
      const emails = await payloads<{ to: string | null; mail: string }>('emails');
      return Object.fromEntries(emails.map((email) => [email.mail, email.to]));
    };
    await publish('people', [moved('u1', 'one@example.org'), moved('u2', 'two@example.org')]);
    await caughtUp('mailbox');
    await publish('letters', [mail('u1', 'm1'), mail('u2', 'm2'), mail('u3', 'm3')]);
    await expect
      .poll(sent, SOON)
      .toEqual({ m1: 'one@example.org', m2: 'two@example.org', m3: null });
    await caughtUp('mailbox');

    const known = await state('mailbox', 'u1');
    expect(known).toMatchObject({ key: 'u1', version: 1, state: { email: 'one@example.org' } });
    expect(known.changedAt).toMatch(/Z$/);
    expect(known.asOf.map(({ stream: name }) => name).sort()).toEqual([
      'letters',
      'letters',
      'people',
      'people',
    ]);
    expect(isFresh(known)).toBe(true);
    const unknown = await state('mailbox', 'u3');
    expect(unknown).toMatchObject({ state: null, changedAt: null, bytes: 0 });

    // What is not applied yet shows: the state is old, and asOf says that something lies between.
    await act('mailbox', 'pause');
    await publish('people', [moved('u1', 'new@example.org')]);
    const stale = await state('mailbox', 'u1');
    expect(stale.state).toEqual({ email: 'one@example.org' });
    expect(isFresh(stale)).toBe(false);
    await act('mailbox', 'resume');
    await expect.poll(() => stateOf('mailbox', 'u1'), SOON).toEqual({ email: 'new@example.org' });
    await expect.poll(async () => isFresh(await state('mailbox', 'u1')), SOON).toBe(true);
    // In whatever order a later definition lists the streams, partitions are what they were.
    const swapped = { ...spec, stream: ['letters', 'people'], code: `${MAIL} // again` };
    expect((await stateful('mailbox', swapped)).version).toBe(2);
    await publish('letters', [mail('u1', 'm4')]);
    await expect.poll(async () => (await sent())['m4'], SOON).toBe('new@example.org');
    expect((await shown('mailbox')).counters).toMatchObject({ emitted: 4, deadLettered: 0 });
    expect((await shown('mailbox')).keyed).toMatchObject({ shards: 4, keys: 2 });
  });
});

describe('a key', () => {
  it('may be a number, a boolean or several parts; what is none makes a dead letter, not a crash', async () => {
    await streams('keys');
    await stateful('byId', { stream: 'keys', keyBy: 'payload.id', code: COUNT, retry: FAST });
    await stateful('byBoth', {
      stream: 'keys',
      keyBy: ['payload.id', 'payload.part'],
      code: COUNT,
      retry: FAST,
    });
    const event = (payload: EventInput['payload'], id: string): EventInput => ({
      type: 'Event',
      id,
      payload: payload ?? null,
    });
    const longest = 'ü'.repeat(STATE_KEY_MAX_BYTES / 2);
    await publish('keys', [
      event({ id: 7, part: 'a|b' }, 'number'),
      event({ id: '7', part: 'a\\b' }, 'text'),
      event({ id: true, part: 1 }, 'boolean'),
      event({ id: longest }, 'longest'),
      event({ id: `${longest}!` }, 'tooLong'),
      event({}, 'missing'),
      event({ id: null }, 'null'),
      event({ id: { a: 1 } }, 'object'),
      event({ id: [1] }, 'list'),
      event('text', 'noObject'),
    ]);
    await caughtUp('byId');
    expect(await stateOf('byId', '7')).toBe(2);
    expect(await stateOf('byId', 'true')).toBe(1);
    expect(await stateOf('byId', longest)).toBe(1);
    const dead = await deadLetters('byId');
    expect(dead.map(({ event: letter }) => letter?.id).sort()).toEqual([
      'list',
      'missing',
      'noObject',
      'null',
      'object',
      'tooLong',
    ]);
    for (const { error } of dead) expect(error.code).toBe('bad_key');
    const missing = dead.find(({ event: letter }) => letter?.id === 'missing');
    expect(missing?.error.message).toContain('payload.id');
    expect((await shown('byId')).counters).toMatchObject({ processed: 4, deadLettered: 6 });

    await caughtUp('byBoth');
    expect(await stateOf('byBoth', '7|a\\|b')).toBe(1);
    expect(await stateOf('byBoth', '7|a\\\\b')).toBe(1);
    expect(await stateOf('byBoth', 'true|1')).toBe(1);
    expect(await deadLetters('byBoth')).toHaveLength(7);
  });

  it('may have any characters, also where it is asked for', async () => {
    await streams('odd');
    await stateful('oddly', { stream: 'odd', code: COUNT });
    const keys = [
      'a/b c',
      '100%',
      '%2F',
      '?x=1&y#z',
      'schön',
      '👋🏽',
      '"quoted"',
      'a+b',
      ' ',
      '\\|',
      '..x',
    ];
    await publish(
      'odd',
      keys.map((key): EventInput => ({ type: 'E', key })),
    );
    await caughtUp('oddly');
    for (const key of keys) {
      const { key: answered, state: count } = await state('oddly', key);
      expect([answered, count]).toEqual([key, 1]);
    }
  });
});

describe('state', () => {
  it('is bounded: an event that would make it larger is a dead letter, and the state stays', async () => {
    await streams('growing');
    const code = `export function process(event, state) { return 'x'.repeat(event.payload.n) }`;
    await stateful('grows', { stream: 'growing', code, retry: FAST });
    const grow = (n: number): EventInput => ({ type: 'Grow', key: 'k', payload: { n } });
    await publish('growing', [grow(10), grow(STATE_MAX_BYTES - 5), grow(STATE_MAX_BYTES)]);
    await caughtUp('grows');
    const [letter, ...others] = await deadLetters('grows');
    expect(others).toEqual([]);
    expect(letter?.error.message).toContain(String(STATE_MAX_BYTES));
    expect((await state('grows', 'k')).bytes).toBe(STATE_MAX_BYTES - 3);
    // In lists it is left out, in the export it is whole.
    const { items } = await get<List<StateEntry>>('/processors/grows/state');
    expect(items).toMatchObject([{ key: 'k', state: null, bytes: STATE_MAX_BYTES - 3 }]);
    const text = await (await call('/processors/grows/state?format=ndjson')).text();
    expect((JSON.parse(text) as StateEntry).state).toBe('x'.repeat(STATE_MAX_BYTES - 5));
  });

  it('is listed in order of the keys, by prefix, page by page, and exported whole', async () => {
    await streams('many');
    await stateful('store', { stream: 'many', code: SUM });
    const keys = Array.from({ length: 300 }, (_, i) => `${i % 3 === 0 ? 'a' : 'b'}/${i}`);
    await publish(
      'many',
      keys.map((key, i) => plus(key, i)),
    );
    await caughtUp('store');
    const expected = keys
      .map((key, i) => ({ key, state: i }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    const listed: StateEntry[] = [];
    for (let cursor = ''; ;) {
      const next = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page = await get<List<StateEntry>>(`/processors/store/state?limit=70${next}`);
      expect(page.items.length).toBeLessThanOrEqual(70);
      listed.push(...page.items);
      if (page.next === null) break;
      cursor = page.next;
    }
    expect(listed.map(({ key, state: sum }) => ({ key, state: sum }))).toEqual(expected);
    const some = await get<List<StateEntry>>('/processors/store/state?prefix=a%2F&limit=500');
    expect(some.items.map(({ key }) => key)).toEqual(
      expected.map(({ key }) => key).filter((key) => key.startsWith('a/')),
    );
    expect(some.next).toBeNull();

    const exported = await call('/processors/store/state?format=ndjson');
    expect(exported.headers.get('content-type')).toBe('application/x-ndjson');
    const lines = (await exported.text()).trimEnd().split('\n');
    const entries = lines.map((line) => JSON.parse(line) as StateEntry);
    expect(new Map(entries.map(({ key, state: sum }) => [key, sum]))).toEqual(
      new Map(expected.map(({ key, state: sum }) => [key, sum])),
    );
    expect(entries).toHaveLength(300);
    const none = await call('/processors/store/state?format=ndjson&prefix=zzz');
    expect(await none.text()).toBe('');
  });

  it('is forgotten when the code says so, or when its time is over', async () => {
    await streams('passing');
    const code = `export function process(event, state, ctx) {
      if (event.type === 'Forget') return null;
      if (event.payload.ms) ctx.expire(event.payload.ms);
      return (state ?? 0) + 1;
    }`;
    await stateful('forgets', { stream: 'passing', code, ttlMs: 60_000 });
    const event = (key: string, type: string, ms = 0): EventInput => ({
      type,
      key,
      payload: { ms },
    });
    await publish('passing', [
      event('a', 'Count'),
      event('b', 'Count'),
      event('c', 'Count', STATE_TTL_MIN_MS),
    ]);
    await caughtUp('forgets');
    expect((await state('forgets', 'a')).expiresAt).toMatch(/Z$/);
    await publish('passing', [event('a', 'Forget')]);
    await expect.poll(() => stateOf('forgets', 'a'), SOON).toBeNull();
    await expect.poll(() => stateOf('forgets', 'c'), SOON).toBeNull();
    expect(await stateOf('forgets', 'b')).toBe(1);
    // Those whose time is over are gone for good, and counted, when they are swept.
    await stateful('sweeps', { stream: 'passing', code, ttlMs: 1_000, startFrom: 'earliest' });
    await expect.poll(async () => (await shown('sweeps')).counters.forgotten, SOON).toBe(2);
    expect((await shown('sweeps')).keyed?.keys).toBe(0);
  });
});

describe('what fails', () => {
  it('is tried again, then a dead letter, and once redriven counts once', async () => {
    await streams('failing');
    const code = `export function process(event, state, ctx) {
      if (event.payload.n === ctx.params.bad) throw new Error('no ' + event.payload.n);
      return (state ?? 0) + event.payload.n;
    }`;
    const spec = { stream: 'failing', code, retry: FAST, shards: 2 };
    await stateful('sums', { ...spec, params: { bad: 4 } });
    const events = Array.from({ length: 10 }, (_, n) => plus(`k${n % 2}`, n));
    await publish('failing', events);
    await caughtUp('sums');
    expect(await stateOf('sums', 'k0')).toBe(0 + 2 + 6 + 8);
    expect(await stateOf('sums', 'k1')).toBe(1 + 3 + 5 + 7 + 9);
    const [letter, ...others] = await deadLetters('sums');
    expect(others).toEqual([]);
    expect(letter).toMatchObject({
      attempts: 3,
      error: { message: 'Error: no 4' },
      event: { key: 'k0' },
    });

    await stateful('sums', { ...spec, params: { bad: -1 } });
    await act('sums', 'dead-letters/redrive', { all: true });
    await expect.poll(async () => (await shown('sums')).deadLetters, SOON).toBe(0);
    expect(await stateOf('sums', 'k0')).toBe(20);
    expect((await shown('sums')).counters).toMatchObject({ deadLettered: 1, redriven: 1 });
    await publish('failing', [plus('k0', 10)]);
    await expect.poll(() => stateOf('sums', 'k0'), SOON).toBe(30);
  });

  it('does not hold up other partitions, and outputs stay in order for each key', async () => {
    await streams('ordered', 'told');
    const code = `export function process(event, state, ctx) {
      if (event.payload.n % 7 === 3) throw new Error('no');
      const seen = [...(state ?? []), event.payload.n];
      ctx.emit({ type: 'Seen', key: ctx.key, payload: { key: ctx.key, seen: seen.length, n: event.payload.n } });
      return seen;
    }`;
    await stateful('tells', { stream: 'ordered', output: 'told', code, retry: FAST });
    const events = Array.from({ length: 90 }, (_, n) => plus(`k${n % 9}`, n));
    for (let i = 0; i < 90; i += 30) await publish('ordered', events.slice(i, i + 30));
    await caughtUp('tells');
    const good = events.map(({ key }, n) => ({ key, n })).filter(({ n }) => n % 7 !== 3);
    const told = await payloads<{ key: string; seen: number; n: number }>('told');
    for (const [key, expected] of Map.groupBy(good, (one) => one.key ?? '')) {
      const seen = expected.map(({ n }) => n);
      expect(await stateOf('tells', key)).toEqual(seen);
      const outputs = told.filter((one) => one.key === key);
      expect(outputs.map(({ n }) => n)).toEqual(seen);
      expect(outputs.map((one) => one.seen)).toEqual(seen.map((_, i) => i + 1));
    }
    expect((await shown('tells')).counters).toMatchObject({
      processed: good.length,
      emitted: good.length,
      deadLettered: 90 - good.length,
    });
  });
});

describe('a full output', () => {
  it('blocks its shards, says so, and each output is there once when there is room', async () => {
    await streams('much');
    await stream('small', 1, { partitionMaxBytes: 1_024 });
    const code = `export function process(event, state, ctx) {
      const sum = (state ?? 0) + event.payload.n;
      ctx.emit({ type: 'Sum', key: ctx.key, payload: { sum, fill: 'x'.repeat(200) } });
      return sum;
    }`;
    await stateful('fills', { stream: 'much', output: 'small', code, retry: FAST });
    await publish(
      'much',
      Array.from({ length: 40 }, (_, n) => plus(`k${n % 8}`, n)),
    );
    await expect.poll(async () => (await shown('fills')).reason, SOON).toMatch(/full/);
    expect((await shown('fills')).lag.map((one) => one.state)).toContain('blocked');
    await stream('small', 1, { partitionMaxBytes: 1_024 * 1_024 });
    await caughtUp('fills');
    expect((await shown('fills')).reason).toBe('');
    const sums = (await readAll('small', 1)).map(({ payload }) => (payload as { sum: number }).sum);
    const expected = Array.from({ length: 40 }, (_, n) => {
      const own = Array.from({ length: Math.floor(n / 8) + 1 }, (__, i) => (n % 8) + 8 * i);
      return own.reduce((sum, one) => sum + one, 0);
    });
    expect(sums.toSorted((a, b) => a - b)).toEqual(expected.toSorted((a, b) => a - b));
    expect(await shown('fills')).toMatchObject({
      deadLetters: 0,
      counters: { processed: 40, emitted: 40 },
    });
  });
});

describe('a replay', () => {
  it('rebuilds the same state beside the old one, takes over, and the old shards are forgotten', async () => {
    await streams('history');
    await stateful('account', { stream: 'history', code: SUM, shards: 3 });
    const events = Array.from({ length: 200 }, (_, n) => plus(`k${n % 20}`, n));
    await publish('history', events);
    await caughtUp('account');
    const listed = async () => {
      const { items } = await get<List<StateEntry>>('/processors/account/state?limit=500');
      return items.map(({ key, state: sum }) => ({ key, sum }));
    };
    const before = await listed();
    expect(before).toHaveLength(20);
    const places = await placesOf('account');
    for (const ref of places.shards) expect(await rowsOf('stateful', ref)).toBeGreaterThan(0);

    await act('account', 'replay', { from: 'earliest' });
    await expect.poll(async () => (await shown('account')).version, SOON).toBe(2);
    await expect.poll(async () => (await shown('account')).state, SOON).toBe('running');
    expect(await listed()).toEqual(before);
    expect((await state('account', 'k1')).version).toBe(2);
    await expect
      .poll(async () => Promise.all(places.shards.map((ref) => rowsOf('stateful', ref))), SOON)
      .toEqual([0, 0, 0]);
    await publish('history', [plus('k1', 1_000)]);
    const sum = before.find(({ key }) => key === 'k1')?.sum as number;
    await expect.poll(() => stateOf('account', 'k1'), SOON).toBe(sum + 1_000);
  });

  it('with other code makes other state; without one, the state goes on under the new code', async () => {
    await streams('changing');
    await stateful('changes', { stream: 'changing', code: SUM });
    await publish('changing', [plus('k', 1), plus('k', 2)]);
    await caughtUp('changes');
    const twice = SUM.replace('event.payload.n', '2 * event.payload.n');
    await stateful('changes', { stream: 'changing', code: twice });
    await publish('changing', [plus('k', 3)]);
    await expect.poll(() => stateOf('changes', 'k'), SOON).toBe(9);
    await act('changes', 'replay', { from: 'earliest' });
    await expect.poll(() => stateOf('changes', 'k'), SOON).toBe(12);
  });
});

describe('a stateful processor that is deleted', () => {
  it('leaves no row, and one of the same name knows nothing', async () => {
    await streams('going');
    await stream('gone', 1);
    const code = `export function process(event, state, ctx) {
      if (event.payload.n === 5) throw new Error('no');
      ctx.emit({ type: 'Sum', key: ctx.key, payload: {} });
      return (state ?? 0) + event.payload.n;
    }`;
    const spec = { stream: 'going', output: 'gone', code, retry: FAST };
    await stateful('goes', spec);
    await publish(
      'going',
      Array.from({ length: 20 }, (_, n) => plus(`k${n}`, n)),
    );
    await caughtUp('goes');
    const { shards } = await placesOf('goes');
    expect((await call('/processors/goes', { method: 'DELETE' })).status).toBe(204);
    for (const ref of shards) expect(await rowsOf('stateful', ref)).toBe(0);
    expect((await call('/processors/goes/state/k1')).status).toBe(404);
    await stateful('goes', spec);
    expect(await stateOf('goes', 'k1')).toBeNull();
    await publish('going', [plus('k1', 7)]);
    await expect.poll(() => stateOf('goes', 'k1'), SOON).toBe(7);
  });
});
