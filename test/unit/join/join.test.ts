// A join's single cases: orders, code that fails when time is up, what is forgotten, rows that are tidied, bounds.
import { describe, expect, test } from 'vitest';
import { JOIN_MAX_BYTES } from '../../../shared/limits.ts';
import type { JoinRules, RetrySpec } from '../../../shared/schemas/processor.ts';
import { idAndType } from '../../../worker/processors/join/join.ts';
import type { JoinSizes } from '../../../worker/processors/join/parts.ts';
import { JoinWorld, type Sent, type Trait } from '../../property/join/join-world.ts';

const RULES: JoinRules = {
  types: ['A', 'B', 'C'],
  timeoutMs: 1_000,
  onTimeout: 'emit-partial',
  rememberMs: 10_000,
};
const RETRY: RetrySpec = { maxAttempts: 3, baseMs: 100, maxMs: 1_000 };

const world = (rules: Partial<JoinRules> = {}, sizes: Partial<JoinSizes> = {}) =>
  new JoinWorld({ ...RULES, ...rules }, RETRY, sizes);

const event = (key: string, type: string, trait: Trait = 'good', pad = 0): Sent => ({
  source: 0,
  key,
  type,
  id: `${key}-${type}`,
  trait,
  pad,
});
const one = (joins: JoinWorld, ...sent: Sent[]) => joins.apply(joins.send(sent));

describe('three types', () => {
  test.each([
    ['A', 'B', 'C'],
    ['A', 'C', 'B'],
    ['B', 'A', 'C'],
    ['B', 'C', 'A'],
    ['C', 'A', 'B'],
    ['C', 'B', 'A'],
  ])('join when the last one comes, in the order %s %s %s', async (first, second, third) => {
    const joins = world();
    await one(joins, event('k', first));
    joins.restart();
    await one(joins, event('k', second));
    expect(joins.operator.waiting.key('k')).toMatchObject({ state: 'waiting', missing: [third] });
    expect(joins.outputs).toEqual([]);
    joins.restart();
    await one(joins, event('k', third));
    expect(joins.outputs).toEqual([{ source: 0, offset: 2, key: 'k', ids: ['k-A', 'k-B', 'k-C'] }]);
    expect(joins.operator.waiting.key('k')).toMatchObject({ state: 'fired', dueAt: null });
  });

  test('of many keys are handed to the code in one call', async () => {
    const joins = world();
    const keys = Array.from({ length: 50 }, (_, i) => `k${i}`);
    await one(joins, ...['A', 'B', 'C'].flatMap((type) => keys.map((key) => event(key, type))));
    expect(joins.calls).toHaveLength(1);
    expect(joins.outputs).toHaveLength(50);
    // A row a key, one of all that is due, and the counts.
    expect(joins.rows('waiting') + joins.rows('due')).toBe(51);
  });
});

describe('an event that is no use any more', () => {
  test('is late, and says why', async () => {
    const joins = world();
    await one(joins, event('k', 'A'), { ...event('k', 'A'), id: 'other' });
    expect(joins.late.at(-1)?.reason).toBe('type-taken');
    await one(joins, event('k', 'B'), event('k', 'C'), { ...event('k', 'C'), id: 'other' });
    expect(joins.late.at(-1)?.reason).toBe('fired');
    await one(joins, event('t', 'A'));
    await joins.pass(RULES.timeoutMs);
    await one(joins, event('t', 'B'));
    expect(joins.late.at(-1)?.reason).toBe('timed-out');
    await one(joins, event('t', 'A'), event('k', 'B'));
    expect(joins.late).toHaveLength(3);
    expect(joins.counters).toEqual({ fired: 1, timedOut: 1, repeated: 2 });
  });
});

describe('when time is up', () => {
  test('what is missing is null, and the output comes from the last arrival', async () => {
    const joins = world();
    await one(joins, event('k', 'C'), event('other', 'A'), event('k', 'A'));
    await joins.pass(RULES.timeoutMs - 10);
    expect(joins.outputs).toEqual([]);
    await joins.pass(10);
    expect(joins.outputs).toContainEqual({
      source: 0,
      offset: 2,
      key: 'k',
      ids: ['k-A', null, 'k-C'],
    });
  });

  test('code that fails is tried again after a back-off, and then its events are lost', async () => {
    const joins = world();
    joins.random = 0.999;
    await one(joins, event('k', 'A', 'bad'), event('k', 'B'), event('fine', 'A'));
    await joins.pass(RULES.timeoutMs + 5);
    expect(joins.outputs.map(({ key }) => key)).toEqual(['fine']);
    expect(joins.operator.waiting.key('k')).toMatchObject({ state: 'timedOut', missing: ['C'] });
    expect(joins.counts()).toMatchObject({
      keys: 1,
      missing: RULES.types.map((type) => ({ type, count: 0 })),
    });
    await one(joins, event('k', 'C'));
    expect(joins.late).toEqual([{ source: 0, offset: 3, reason: 'timed-out' }]);
    joins.restart();
    await joins.pass(90);
    expect(joins.calls.map(({ attempt }) => attempt)).toEqual([1]);
    await joins.pass(1_000);
    expect(joins.calls.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(joins.lost).toEqual([
      { source: 0, offset: 0, code: 'program_threw', attempts: 3 },
      { source: 0, offset: 1, code: 'program_threw', attempts: 3 },
    ]);
    expect(joins.counts()).toMatchObject({ keys: 0, bytes: 0 });
    expect(joins.counters.timedOut).toBe(2);
    expect(joins.log[0]).toContain('the join of "k" timed out');
  });

  test('a join that kills the isolate is found, and the others fire', async () => {
    const joins = world();
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
    await one(joins, ...keys.map((key) => event(key, 'A', key === 'k13' ? 'deadly' : 'good')));
    await joins.pass(20_000);
    expect(joins.outputs).toHaveLength(19);
    expect(joins.lost).toEqual([{ source: 0, offset: 13, code: 'internal', attempts: 3 }]);
  });

  test('lost events that are redriven open it again, with a new deadline', async () => {
    const joins = world({ onTimeout: 'dead-letter' });
    await one(joins, event('k', 'A'), event('k', 'B'));
    await joins.pass(RULES.timeoutMs);
    expect(joins.lost.map(({ code, attempts }) => [code, attempts])).toEqual([
      ['deadline', 0],
      ['deadline', 0],
    ]);
    const [a, b] = joins.dead;
    if (!a || !b) throw new Error('two were lost');
    await joins.apply([b], { final: true, redrive: true });
    await joins.pass(RULES.timeoutMs - 20);
    await joins.apply([a], { final: true, redrive: true });
    await one(joins, event('k', 'C'));
    expect(joins.outputs.map(({ ids }) => ids)).toEqual([['k-A', 'k-B', 'k-C']]);
    expect(joins.late).toEqual([]);
  });

  test('a dead letter that is redriven opens no join that was dropped', async () => {
    const joins = world({ onTimeout: 'drop' });
    await one(joins, event('k', 'A'), event('k', 'B'), event('k', 'C', 'bad'));
    await joins.pass(RULES.timeoutMs);
    const [c] = joins.dead;
    if (!c) throw new Error('one was given up on');
    await joins.apply([c], { final: true, redrive: true });
    expect(joins.late.map(({ reason }) => reason)).toEqual(['timed-out']);
    expect(joins.counts()).toMatchObject({ keys: 0 });
  });

  test('is decided by the rules of when it opened', async () => {
    const joins = world();
    await one(joins, event('old', 'A'));
    joins.restart({ ...RULES, timeoutMs: 100, onTimeout: 'drop', rememberMs: 0 });
    await one(joins, event('new', 'A'));
    expect(joins.waiting(null, 1).map(({ key }) => key)).toEqual(['old', 'new']);
    await joins.pass(200);
    expect(joins.waiting(null, 1).map(({ key }) => key)).toEqual(['old']);
    expect(joins.operator.waiting.key('new')).toBeNull();
    await joins.pass(1_000);
    expect(joins.outputs.map(({ key }) => key)).toEqual(['old']);
    expect(joins.operator.waiting.key('old')).toMatchObject({ state: 'timedOut' });
  });

  test('draining ends everything that waits, whatever its time', async () => {
    const joins = world({ timeoutMs: 1e9 }, { dueTogether: 7 });
    const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
    for (const key of keys) await one(joins, event(key, 'A'));
    expect(await joins.drain()).toBe(30);
    expect(joins.outputs).toHaveLength(30);
    expect(await joins.drain()).toBe(0);
  });
});

describe('what has ended', () => {
  test('is forgotten after a while: then it may open anew', async () => {
    const joins = world({}, { forgetKeys: 2 });
    for (const key of ['k', 'l', 'm'])
      await one(joins, ...['A', 'B', 'C'].map((type) => event(key, type)));
    await joins.pass(RULES.rememberMs - 100);
    expect(joins.rows('waiting')).toBe(3);
    await joins.pass(2_000);
    expect(joins.rows('waiting') + joins.rows('due')).toBe(0);
    await one(joins, event('k', 'A'));
    expect(joins.operator.waiting.key('k')).toMatchObject({ state: 'waiting' });
    expect(joins.operator.dueAtMs()).not.toBeNull();
  });

  test('leaves the rows of what waits, when it is most of them', async () => {
    const joins = world({ timeoutMs: 1e9 }, { rowKeys: 4, rowMs: 0, staleKeys: 20, tidyKeys: 16 });
    const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
    for (const key of keys) {
      await one(joins, event(key, 'A'));
      if (!key.endsWith('7')) await one(joins, event(key, 'B'), event(key, 'C'));
    }
    const waiting = keys.filter((key) => key.endsWith('7'));
    expect(joins.waiting(null, 3).map(({ key }) => key)).toEqual(waiting);
    const listed = joins.db.prepare('SELECT sum(keys) AS n FROM due WHERE kind = 0').get()?.n;
    expect(Number(listed)).toBeLessThan(60);
    expect(await joins.drain()).toBe(20);
  });
});

describe('a bound', () => {
  test('of bytes under one key fails the event that is too much', async () => {
    const joins = world();
    await one(joins, event('k', 'A', 'good', JOIN_MAX_BYTES - 500));
    await one(joins, event('k', 'B', 'good', 600));
    expect(joins.dead.map(({ type }) => type)).toEqual(['B']);
    await one(joins, { ...event('k', 'B'), id: 'small' }, event('k', 'C'));
    expect(joins.outputs).toHaveLength(1);
  });

  test('of bytes in one call leaves the rest for the next', async () => {
    const joins = world({}, { callBytes: 3_000 });
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
    await one(joins, ...keys.map((key) => event(key, 'A', 'good', 900)));
    await one(joins, ...keys.map((key) => event(key, 'B')));
    await one(joins, ...keys.map((key) => event(key, 'C')));
    expect(joins.calls.length).toBeGreaterThan(5);
    expect(joins.outputs).toHaveLength(20);
  });

  test('of calls for one batch: others take the place of events that fail', async () => {
    const joins = world();
    await one(joins, event('k', 'A'), event('k', 'B'));
    const bad = Array.from({ length: 30 }, (_, i) => ({
      ...event('k', 'C', 'bad'),
      id: `bad-${i}`,
    }));
    await joins.apply(joins.send([...bad, event('k', 'C')]), { final: true });
    expect(joins.dead).toHaveLength(30);
    expect(joins.outputs.map(({ ids }) => ids)).toEqual([['k-A', 'k-B', 'k-C']]);
  });
});

describe('a line', () => {
  test.each([
    ['{"partition":1,"offset":20,"id":"a","type":"T","key":null}', 'a', 'T'],
    ['{"partition":1,"offset":20,"id":"a\\"\\\\\\u00e9","type":"T\\n","key":"k"}', 'a"\\é', 'T\n'],
    ['{"partition":1,"offset":20,"id":"a","type":"T"}', 'a', 'T'],
    ['{"type":"T","id":"a"}', 'a', 'T'],
  ])('tells its id and type: %s', (line, id, type) => {
    expect(idAndType(line)).toMatchObject({ id, type });
  });
});
