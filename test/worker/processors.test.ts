// Processors inside workerd, through the REST API, with the real queue, logs, isolates and objects: consuming,
// services that fail, dead letters, redrives, changes of code, replays, and what is refused.
import {
  createExecutionContext,
  createMessageBatch,
  env,
  evictDurableObject,
  getQueueResult,
  runInDurableObject,
} from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import type { List } from '../../shared/schemas/common.ts';
import type {
  DeadLetter,
  Processor,
  ProcessorSpecInput,
  ProcessorSummary,
} from '../../shared/schemas/processor.ts';
import type { EventInput, EventsPage, StreamEvent } from '../../shared/schemas/stream.ts';
import { catalog } from '../../worker/stubs.ts';
import { consumerName } from '../../worker/contracts/names.ts';
import worker from '../../worker/index.ts';
import { claimShardStub } from './claim-time.ts';
import { call, postJson, problemOf } from './rest.ts';

const PARTITIONS = 2;
const putJson = (path: string, body: unknown) =>
  call(path, {
    method: 'PUT',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });

async function stream(name: string, spec: object = {}): Promise<void> {
  const response = await putJson(`/streams/${name}`, { partitions: PARTITIONS, ...spec });
  if (!response.ok) throw new Error(await response.text());
}

type Spec = Omit<Extract<ProcessorSpecInput, { kind: 'stateless' }>, 'kind'>;
const put = (name: string, spec: Spec) =>
  putJson(`/processors/${name}`, { kind: 'stateless', ...spec });

async function processor(name: string, spec: Spec): Promise<Processor> {
  const response = await put(name, spec);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

const shown = async (name: string): Promise<Processor> =>
  (await call(`/processors/${name}`)).json();

async function publish(name: string, events: EventInput[]): Promise<void> {
  const response = await postJson(`/streams/${name}/events`, events);
  if (response.status !== 202) throw new Error(await response.text());
}

/** All events, partition by partition. */
async function read(name: string, partitions = PARTITIONS): Promise<StreamEvent[][]> {
  return Promise.all(
    Array.from({ length: partitions }, async (_, partition) => {
      const path = `/streams/${name}/events?partition=${partition}&limit=1000`;
      return ((await (await call(path)).json()) as EventsPage).events;
    }),
  );
}
const readAll = async (name: string, partitions = PARTITIONS) =>
  (await read(name, partitions)).flat();

const deadLetters = async (name: string, query = ''): Promise<List<DeadLetter>> =>
  (await call(`/processors/${name}/dead-letters${query}`)).json();

const SOON = { timeout: 20_000, interval: 30 };
const numbers = (from: number, to: number): EventInput[] =>
  Array.from({ length: to - from }, (_, i) => ({
    type: 'Number',
    key: `k${(from + i) % 7}`,
    payload: { n: from + i },
  }));
const valuesOf = (events: StreamEvent[]) =>
  events.map(({ payload }) => (payload as { n: number }).n).sort((a, b) => a - b);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const lagOf = ({ lag }: Pick<Processor, 'lag'>) => lag.reduce((sum, one) => sum + one.lag, 0);

const COPY = `export function process(event, ctx) {
  return { type: 'Copy', key: event.key, payload: event.payload };
}`;
const FAILS_SOME = `export function process(event, ctx) {
  if (event.payload.n % ctx.params.every === 0) throw new Error('no ' + event.payload.n);
  return { type: 'Copy', key: event.key, payload: event.payload };
}`;
const FAST = { maxAttempts: 3, baseMs: 5, maxMs: 20 };

describe('a stateless processor', () => {
  it('runs each event once, in order within a partition, and says where its outputs come from', async () => {
    await stream('numbers');
    await stream('copies');
    const made = await put('copy', { stream: 'numbers', output: 'copies', code: COPY });
    expect(made.status).toBe(201);
    expect(made.headers.get('location')).toBe('/api/processors/copy');
    await publish('numbers', numbers(0, 60));
    await publish('numbers', numbers(60, 120));
    await expect.poll(async () => valuesOf(await readAll('copies')), SOON).toEqual(range(0, 120));
    const sources = await read('numbers');
    for (const partition of await read('copies')) {
      // Events of one key are in one partition on both sides, in the same order.
      const byKey = Map.groupBy(partition, ({ key }) => key);
      for (const [, events] of byKey) {
        const values = events.map(({ payload }) => (payload as { n: number }).n);
        expect(values).toEqual(values.toSorted((a, b) => a - b));
      }
      for (const { source, payload } of partition) {
        expect(source).toMatchObject({ processor: 'copy', version: 1, stream: 'numbers' });
        expect(sources[source?.partition ?? 0]?.[source?.offset ?? 0]?.payload).toEqual(payload);
      }
    }
    await expect.poll(async () => lagOf(await shown('copy')), SOON).toBe(0);
    expect(await shown('copy')).toMatchObject({
      version: 1,
      state: 'running',
      reason: '',
      counters: { processed: 120, emitted: 120, duplicates: 0, deadLettered: 0 },
      latencyMs: { p50: expect.any(Number) as number, p99: expect.any(Number) as number },
    });
    const list = (await (await call('/processors')).json()) as List<ProcessorSummary>;
    expect(list.items.find(({ name }) => name === 'copy')).toMatchObject({
      kind: 'stateless',
      streams: ['numbers'],
      output: 'copies',
    });
  });

  it('passes over other types, and begins at the latest event unless told otherwise', async () => {
    await stream('mixed');
    await stream('chosen');
    await stream('chosenFromStart');
    await publish('mixed', [{ type: 'Early', payload: { n: 1 } }]);
    const types = ['Early', 'Late'];
    await processor('choose', { stream: 'mixed', output: 'chosen', code: COPY, types });
    const all = { stream: 'mixed', output: 'chosenFromStart', code: COPY, types };
    await processor('chooseFromStart', { ...all, startFrom: 'earliest' });
    await publish('mixed', [
      { type: 'Late', payload: { n: 2 } },
      { type: 'Other', payload: { n: 3 } },
    ]);
    const fromStart = async () => valuesOf(await readAll('chosenFromStart'));
    await expect.poll(fromStart, SOON).toEqual([1, 2]);
    await expect.poll(async () => valuesOf(await readAll('chosen')), SOON).toEqual([2]);
    await expect
      .poll(async () => (await shown('chooseFromStart')).counters, SOON)
      .toMatchObject({ processed: 2, passedOver: 1 });
  });

  it('does not wait for another processor on the same stream', async () => {
    await stream('shared');
    await stream('quick');
    const stuck = `export async function process() { throw new Error('not today') }`;
    const patient = { maxAttempts: 20, baseMs: 3_600_000, maxMs: 3_600_000 };
    await processor('stuck', { stream: 'shared', code: stuck, retry: patient });
    await processor('quick', { stream: 'shared', output: 'quick', code: COPY });
    await publish('shared', numbers(0, 30));
    await expect.poll(async () => valuesOf(await readAll('quick')), SOON).toEqual(range(0, 30));
    await expect
      .poll(async () => (await shown('stuck')).lag.map(({ state }) => state), SOON)
      .toEqual(['waiting', 'waiting']);
    const { reason } = await shown('stuck');
    expect(reason).toMatch(/attempt 1 of 20 failed \(.*not today.*\); the next one is due in/);
  });
});

describe('the mail example', () => {
  const MAIL = `export async function process(event, ctx) {
    const user = await ctx.call('users', event.payload.userId);
    if (!user) throw new Error('nobody is called ' + event.payload.userId);
    return { type: 'Email', key: user.id, payload: { to: user.email, attempt: ctx.attempt } };
  }`;
  const services = { users: { url: '/api/services/users/{key}' } };
  const faults = (body: object) => putJson('/services/users/_faults', body);

  it('asks the User Service: slow is only slow, failing is tried again, gone ends in dead letters', async () => {
    await stream('mail');
    await stream('emails');
    for (const id of ['u1', 'u2']) {
      const answer = await putJson(`/services/users/${id}`, { email: `${id}@example.org` });
      expect(answer.status).toBe(200);
    }
    await processor('mailer', {
      stream: 'mail',
      output: 'emails',
      code: MAIL,
      services,
      retry: { maxAttempts: 4, baseMs: 50, maxMs: 400 },
    });
    const mail = (userId: string): EventInput => ({ type: 'MailEvent', payload: { userId } });
    const sent = async () =>
      (await readAll('emails')).map(({ payload }) => (payload as { to: string }).to).sort();

    await faults({ latencyMs: 150 });
    await publish('mail', [mail('u1'), mail('u2')]);
    await expect.poll(sent, SOON).toEqual(['u1@example.org', 'u2@example.org']);

    await faults({ errorRate: 1 });
    await publish('mail', [mail('u1')]);
    await expect
      .poll(async () => (await shown('mailer')).counters.retried, SOON)
      .toBeGreaterThan(0);
    await faults({});
    await expect.poll(async () => (await sent()).length, SOON).toBe(3);
    const attempts = (await readAll('emails')).map(
      ({ payload }) => (payload as { attempt: number }).attempt,
    );
    expect(Math.max(...attempts)).toBeGreaterThan(1);

    await faults({ errorRate: 1 });
    await publish('mail', [mail('u2'), mail('nobody')]);
    await expect.poll(async () => (await shown('mailer')).deadLetters, SOON).toBe(2);
    const letters = (await deadLetters('mailer')).items;
    for (const letter of letters) {
      expect(letter).toMatchObject({ attempts: 4, state: 'dead', stream: 'mail' });
      expect(letter.error.message).toContain('503');
    }
    await faults({});
    const redriven = await postJson('/processors/mailer/dead-letters/redrive', { all: true });
    expect(redriven.status).toBe(202);
    expect(await redriven.json()).toEqual({ redriven: 2 });
    // Nothing is lost: u2's letter is sent now, and nobody's stays dead, with another error.
    await expect.poll(async () => (await sent()).length, SOON).toBe(4);
    await expect
      .poll(async () => (await deadLetters('mailer')).items, SOON)
      .toMatchObject([{ attempts: 5, state: 'dead', event: { payload: { userId: 'nobody' } } }]);
    const { error } = (await deadLetters('mailer')).items[0] as DeadLetter;
    expect(error.message).toContain('nobody is called nobody');
  });
});

describe('events that fail', () => {
  it('become dead letters after the last attempt; all others have their effect once, in order', async () => {
    await stream('some');
    await stream('good');
    const code = FAILS_SOME;
    const params = { every: 10 };
    await processor('picky', { stream: 'some', output: 'good', code, params, retry: FAST });
    await publish('some', numbers(1, 101));
    const good = range(1, 101).filter((n) => n % 10 !== 0);
    await expect.poll(async () => valuesOf(await readAll('good')), SOON).toEqual(good);
    await expect.poll(async () => (await shown('picky')).deadLetters, SOON).toBe(10);
    for (const partition of await read('good')) {
      const offsets = Map.groupBy(partition, ({ source }) => source?.partition);
      for (const [, events] of offsets) {
        const places = events.map(({ source }) => source?.offset ?? -1);
        expect(places).toEqual(places.toSorted((a, b) => a - b));
      }
    }
    const { counters } = await shown('picky');
    expect(counters).toMatchObject({ processed: 90, emitted: 90, deadLettered: 10 });

    // In pages.
    const found: DeadLetter[] = [];
    let query = '?limit=3';
    for (;;) {
      const { items, next } = await deadLetters('picky', query);
      expect(items.length).toBeLessThanOrEqual(3);
      found.push(...items);
      if (next === null) break;
      query = `?limit=3&cursor=${encodeURIComponent(next)}`;
    }
    expect(
      found.map(({ event }) => (event?.payload as { n: number }).n).sort((a, b) => a - b),
    ).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    expect(new Set(found.map(({ id }) => id)).size).toBe(10);
    expect(found[0]).toMatchObject({ attempts: 3, error: { code: 'program_threw', line: 2 } });
  });

  it('are run again one, some or all, at a rate, with the code of today', async () => {
    await stream('letters');
    await stream('mended');
    const spec = { stream: 'letters', output: 'mended', retry: { ...FAST, maxAttempts: 1 } };
    const bad = `export function process() { throw new Error('broken') }`;
    await processor('mend', { ...spec, code: bad });
    await publish('letters', numbers(0, 12));
    await expect.poll(async () => (await shown('mend')).deadLetters, SOON).toBe(12);
    expect((await processor('mend', { ...spec, code: COPY })).version).toBe(2);
    const redrive = (body: object) => postJson('/processors/mend/dead-letters/redrive', body);

    const ids = (await deadLetters('mend')).items.map(({ id }) => id);
    expect(await (await redrive({ ids: [ids[0], 'letters:0:999999'] })).json()).toEqual({
      redriven: 1,
    });
    await expect.poll(async () => (await shown('mend')).deadLetters, SOON).toBe(11);
    expect(await (await redrive({ ids: ids.slice(1, 4) })).json()).toEqual({ redriven: 3 });
    await expect.poll(async () => (await shown('mend')).deadLetters, SOON).toBe(8);

    const beganMs = Date.now();
    expect(await (await redrive({ all: true, ratePerSecond: 20 })).json()).toEqual({ redriven: 8 });
    // They are on their way already.
    expect(await (await redrive({ all: true })).json()).toEqual({ redriven: 0 });
    await expect.poll(async () => (await shown('mend')).deadLetters, SOON).toBe(0);
    expect(Date.now() - beganMs).toBeGreaterThanOrEqual(7 * 50 - 10);
    expect(valuesOf(await readAll('mended'))).toEqual(range(0, 12));
    const outputs = await readAll('mended');
    expect(new Set(outputs.map(({ source }) => source?.version))).toEqual(new Set([2]));
    expect((await shown('mend')).counters).toMatchObject({ deadLettered: 12, redriven: 12 });

    const unknown = await redrive({ ids: ['letters:0:0', 'no such letter'] });
    expect(unknown.status).toBe(404);
    expect((await problemOf(unknown)).errors[0]?.path).toBe('ids');
    expect((await redrive({})).status).toBe(400);
    expect((await redrive({ ids: ['x'], all: true })).status).toBe(400);
  });

  it('that emit without an output, or emit what no stream takes, are told why', async () => {
    await stream('silent');
    await processor('emitter', { stream: 'silent', code: COPY, retry: FAST });
    await publish('silent', numbers(0, 1));
    await expect.poll(async () => (await shown('emitter')).deadLetters, SOON).toBe(1);
    const { items } = await deadLetters('emitter');
    expect(items[0]?.error.message).toContain('no `output` stream');

    await stream('strange');
    await stream('strangeOut');
    const code = `export const process = (event) =>
      event.payload.n === 1
        ? { type: 'Copy', claim: { token: 'claim_nobody', bytes: 1, sha256: '0'.repeat(64), contentType: 'text/plain' } }
        : { type: 'Copy', payload: event.payload };`;
    await processor('claimer', { stream: 'strange', output: 'strangeOut', code, retry: FAST });
    await publish('strange', numbers(0, 3));
    await expect.poll(async () => valuesOf(await readAll('strangeOut')), SOON).toEqual([0, 2]);
    await expect
      .poll(async () => (await deadLetters('claimer')).items, SOON)
      .toMatchObject([{ event: { payload: { n: 1 } } }]);
    expect((await deadLetters('claimer')).items[0]?.error.message).toContain('claim_nobody');
  });
});

describe('the payload of a dead letter', () => {
  const holders = (token: string) =>
    runInDurableObject(claimShardStub(token), (_, { storage }) =>
      [
        ...storage.sql.exec<{ holder: string }>(
          'SELECT holder FROM holders WHERE token = ?',
          token,
        ),
      ].map(({ holder }) => holder.endsWith('/dead')),
    );

  it('is held while the letter is there, whatever becomes of the segment, and let go with it', async () => {
    await stream('large', { claimCheckBytes: 1024 });
    await stream('sizes');
    const spec = { stream: 'large', output: 'sizes', retry: { ...FAST, maxAttempts: 1 } };
    const bad = `export function process() { throw new Error('too much') }`;
    await processor('measurer', { ...spec, code: bad });
    const texts = ['x', 'y'].map((letter) => letter.repeat(5_000));
    await publish(
      'large',
      texts.map((text) => ({ type: 'Large', payload: { text } })),
    );
    await expect.poll(async () => (await shown('measurer')).deadLetters, SOON).toBe(2);
    const letters = (await deadLetters('measurer')).items;
    const tokens = letters.map(({ event }) => event?.claim?.token ?? '');
    for (const token of tokens) await expect.poll(() => holders(token), SOON).toContain(true);

    const code = `export async function process(event, ctx) {
      const { text } = await ctx.payload(event);
      return { type: 'Size', payload: { n: text.length } };
    }`;
    await processor('measurer', { ...spec, code });
    await postJson('/processors/measurer/dead-letters/redrive', { ids: [letters[0]?.id] });
    await expect.poll(async () => valuesOf(await readAll('sizes')), SOON).toEqual([5_000]);
    await expect.poll(() => holders(tokens[0] ?? ''), SOON).toEqual([false]);
    expect(await holders(tokens[1] ?? '')).toContain(true);
    await call('/processors/measurer', { method: 'DELETE' });
    expect(await holders(tokens[1] ?? '')).toEqual([false]);
  });
});

describe('a full output', () => {
  it('blocks, says so, and goes on where it stopped when there is room; nothing is dead-lettered', async () => {
    await stream('much');
    await stream('small', { partitions: 1, partitionMaxBytes: 1024 });
    const code = `export const process = (event) => ({ type: 'Copy', payload: { n: event.payload.n, fill: 'x'.repeat(200) } })`;
    await processor('filler', { stream: 'much', output: 'small', code, retry: FAST });
    await publish('much', numbers(0, 40));
    await expect
      .poll(async () => (await shown('filler')).lag.map(({ state }) => state), SOON)
      .toContain('blocked');
    expect((await shown('filler')).reason).toMatch(/full/);
    await stream('small', { partitions: 1, partitionMaxBytes: 1024 * 1024 });
    const all = async () => valuesOf(await readAll('small', 1));
    await expect.poll(all, SOON).toEqual(range(0, 40));
    expect(await shown('filler')).toMatchObject({ deadLetters: 0, counters: { processed: 40 } });
  });
});

describe('pause and resume', () => {
  it('stop and go on at the same place', async () => {
    await stream('stopGo');
    await stream('stopGoOut');
    await processor('stopper', { stream: 'stopGo', output: 'stopGoOut', code: COPY });
    await publish('stopGo', numbers(0, 10));
    await expect.poll(async () => lagOf(await shown('stopper')), SOON).toBe(0);
    expect(
      await (await call('/processors/stopper/pause', { method: 'POST' })).json(),
    ).toMatchObject({
      state: 'paused',
      lag: [{ state: 'paused' }, { state: 'paused' }],
    });
    await publish('stopGo', numbers(10, 20));
    expect(lagOf(await shown('stopper'))).toBe(10);
    await call('/processors/stopper/resume', { method: 'POST' });
    await expect.poll(async () => valuesOf(await readAll('stopGoOut')), SOON).toEqual(range(0, 20));
    expect((await shown('stopper')).state).toBe('running');
    expect((await call('/processors/nobody/pause', { method: 'POST' })).status).toBe(404);
  });
});

describe('a change of code', () => {
  it('goes on from the committed offset with a new version; the same again changes nothing', async () => {
    await stream('changing');
    await stream('changed');
    const spec = { stream: 'changing', output: 'changed', code: COPY };
    await processor('changer', spec);
    await publish('changing', numbers(0, 10));
    await expect.poll(async () => lagOf(await shown('changer')), SOON).toBe(0);
    const same = await put('changer', { ...spec, startFrom: 'earliest' });
    expect(same.status).toBe(200);
    expect(await same.json()).toMatchObject({ version: 1 });
    const code = COPY.replace("'Copy'", "'Better'");
    expect(await processor('changer', { ...spec, code })).toMatchObject({ version: 2 });
    await publish('changing', numbers(10, 20));
    await expect.poll(async () => valuesOf(await readAll('changed')), SOON).toEqual(range(0, 20));
    const types = Map.groupBy(await readAll('changed'), ({ type }) => type);
    expect(valuesOf(types.get('Copy') ?? [])).toEqual(range(0, 10));
    expect(valuesOf(types.get('Better') ?? [])).toEqual(range(10, 20));
  });

  it('frees what the old code was stuck at', async () => {
    await stream('sticky');
    await stream('freed');
    const patient = { maxAttempts: 20, baseMs: 3_600_000, maxMs: 3_600_000 };
    const spec = { stream: 'sticky', output: 'freed', retry: patient };
    await processor('freer', { ...spec, code: `export function process() { throw 1 }` });
    await publish('sticky', numbers(0, 3));
    await expect.poll(async () => (await shown('freer')).counters.retried, SOON).toBeGreaterThan(0);
    await processor('freer', { ...spec, code: COPY });
    await expect.poll(async () => valuesOf(await readAll('freed')), SOON).toEqual(range(0, 3));
  });
});

describe('a replay', () => {
  it('rebuilds beside the version that serves, and takes its place', async () => {
    await stream('history');
    await stream('rebuilt');
    const spec = { stream: 'history', output: 'rebuilt', code: FAILS_SOME, retry: FAST };
    await processor('rebuilder', { ...spec, params: { every: 25 } });
    await publish('history', numbers(1, 51));
    await expect.poll(async () => (await shown('rebuilder')).deadLetters, SOON).toBe(2);
    await expect.poll(async () => lagOf(await shown('rebuilder')), SOON).toBe(0);

    const answer = await postJson('/processors/rebuilder/replay', { from: 'earliest' });
    expect(answer.status).toBe(202);
    expect(await answer.json()).toMatchObject({ version: 1, replay: { version: 2 } });
    await publish('history', numbers(51, 61));
    await expect
      .poll(async () => shown('rebuilder'), SOON)
      .toMatchObject({ version: 2, state: 'running', replay: null });
    await expect.poll(async () => lagOf(await shown('rebuilder')), SOON).toBe(0);
    const good = range(1, 61).filter((n) => n % 25 !== 0);
    const versions = async () =>
      Map.groupBy(await readAll('rebuilt'), ({ source }) => source?.version ?? 0);
    await expect.poll(async () => valuesOf((await versions()).get(2) ?? []), SOON).toEqual(good);
    // The old one served until it was stopped: nothing of what it did is there twice.
    const old = valuesOf((await versions()).get(1) ?? []);
    expect(old.length).toBe(new Set(old).size);
    expect(old).toEqual(good.slice(0, old.length));
    // The letters are the new version's own: none is lost, none is there twice.
    expect((await deadLetters('rebuilder')).items).toHaveLength(2);
    await publish('history', numbers(61, 71));
    await expect.poll(async () => valuesOf((await versions()).get(2) ?? []).length, SOON).toBe(68);
  });

  it('from the latest event keeps the dead letters from before', async () => {
    await stream('keeping');
    const fails = `export function process(event, ctx) { if (ctx.version === 1) throw new Error('one') }`;
    await processor('keeper', { stream: 'keeping', code: fails, retry: FAST });
    await publish('keeping', numbers(0, 5));
    await expect.poll(async () => (await shown('keeper')).deadLetters, SOON).toBe(5);
    expect((await postJson('/processors/keeper/replay', { from: 'latest' })).status).toBe(202);
    await expect
      .poll(async () => shown('keeper'), SOON)
      .toMatchObject({ version: 2, replay: null, deadLetters: 5 });
    await postJson('/processors/keeper/dead-letters/redrive', { all: true });
    await expect.poll(async () => (await shown('keeper')).deadLetters, SOON).toBe(0);
  });

  it('is one at a time, and goes on after a pause, a change of code and an eviction', async () => {
    await stream('busy');
    await stream('busyOut');
    const spec = { stream: 'busy', output: 'busyOut', code: COPY };
    await processor('busyOne', spec);
    await publish('busy', numbers(0, 20));
    await expect.poll(async () => lagOf(await shown('busyOne')), SOON).toBe(0);
    await call('/processors/busyOne/pause', { method: 'POST' });
    await postJson('/processors/busyOne/replay', { from: 'earliest' });
    expect((await postJson('/processors/busyOne/replay', { from: 0 })).status).toBe(409);
    const entry = await catalog(env).processor('busyOne');
    await evictDurableObject(env.PROCESSORS.get(env.PROCESSORS.idFromName(entry?.uid ?? '')));
    expect(await processor('busyOne', { ...spec, params: { other: 1 } })).toMatchObject({
      version: 3,
      replay: { version: 3 },
    });
    await call('/processors/busyOne/resume', { method: 'POST' });
    await expect
      .poll(async () => shown('busyOne'), SOON)
      .toMatchObject({ version: 3, replay: null });
    const rebuilt = (await readAll('busyOut')).filter(({ source }) => source?.version === 3);
    expect(valuesOf(rebuilt)).toEqual(range(0, 20));
    expect((await postJson('/processors/nobody/replay', {})).status).toBe(404);
  });
});

describe('a replay of windows', () => {
  const SUM = `export async function process(batch) {
    let n = 0;
    for await (const event of batch) n += event.payload.n;
    return { type: 'Sum', payload: { n } };
  }`;
  const batch = { maxEvents: 5, maxWaitMs: 300 };
  const retry = { ...FAST, maxAttempts: 1 };
  const putBatch = (name: string, spec: object) =>
    putJson(`/processors/${name}`, { kind: 'batch', batch, retry, ...spec });
  const sum = async (version: number) =>
    (await readAll('sums', 1))
      .filter(({ source }) => source?.version === version)
      .reduce((total, { payload }) => total + (payload as { n: number }).n, 0);

  it('cuts them anew from the earliest event on, and takes over', async () => {
    await stream('counted', { partitions: 1 });
    await stream('sums', { partitions: 1 });
    const made = await putBatch('summer', { stream: 'counted', output: 'sums', code: SUM });
    expect(made.status).toBe(201);
    await publish('counted', numbers(0, 12));
    await expect.poll(() => sum(1), SOON).toBe(66);
    expect((await postJson('/processors/summer/replay', {})).status).toBe(202);
    await expect
      .poll(async () => shown('summer'), SOON)
      .toMatchObject({ version: 2, replay: null, state: 'running' });
    await expect.poll(() => sum(2), SOON).toBe(66);
    await publish('counted', numbers(100, 103));
    await expect.poll(() => sum(2), SOON).toBe(66 + 303);
    expect(await sum(1)).toBe(66);
  });

  it('is refused while it would lose windows that failed', async () => {
    await stream('failing', { partitions: 1 });
    const code = `export async function process() { throw new Error('no') }`;
    await putBatch('loser', { stream: 'failing', code });
    await publish('failing', numbers(0, 2));
    await expect.poll(async () => (await shown('loser')).deadLetters, SOON).toBe(1);
    const refused = await postJson('/processors/loser/replay', { from: 'latest' });
    expect(refused.status).toBe(409);
    expect((await problemOf(refused)).detail).toContain('redrive them first');
    expect((await postJson('/processors/loser/replay', { from: 'earliest' })).status).toBe(202);
  });
});

describe('wake-ups that come twice, late or for nobody', () => {
  it('are acknowledged and change nothing; an evicted consumer goes on where it was', async () => {
    await stream('ringing');
    await stream('rungOut');
    await processor('ringer', { stream: 'ringing', output: 'rungOut', code: COPY });
    const { uid: processorUid } = (await catalog(env).processor('ringer')) ?? { uid: '' };
    const { uid } = (await catalog(env).stream('ringing')) ?? { uid: '' };
    const consumer = (partition: number) => ({
      processor: 'ringer',
      processorUid,
      generation: 1,
      source: { stream: 'ringing', uid, partition },
    });
    const wakeUps = [0, 1, 0, 1, 0].map((partition) => ({
      kind: 'consume',
      consumer: consumer(partition),
    }));
    const stranger = { ...consumer(0), processorUid: 'processor_nobody' };
    const deliver = async () => {
      const bodies = [...wakeUps, { kind: 'consume', consumer: stranger }, { kind: 'rubbish' }];
      const messages = bodies.map((body, i) => ({
        id: `m${i}`,
        timestamp: new Date(),
        attempts: 1,
        body,
      }));
      const batch = createMessageBatch('manyhands-stream', messages);
      const ctx = createExecutionContext();
      await worker.queue?.(batch as MessageBatch<never>, env, ctx);
      return getQueueResult(batch, ctx);
    };
    await Promise.all([publish('ringing', numbers(0, 300)), deliver(), deliver()]);
    for (const partition of [0, 1]) {
      const name = consumerName(consumer(partition));
      await evictDurableObject(env.CONSUMERS.get(env.CONSUMERS.idFromName(name)));
    }
    expect((await deliver()).explicitAcks).toHaveLength(7);
    await expect
      .poll(async () => valuesOf(await readAll('rungOut')), { timeout: 28_000 })
      .toEqual(range(0, 300));
    await deliver();
    expect(valuesOf(await readAll('rungOut'))).toEqual(range(0, 300));
  });
});

describe('what is refused', () => {
  const refusal = async (name: string, spec: Spec) => {
    const response = await put(name, spec);
    return { ...(await problemOf(response)), status: response.status };
  };

  it('names the stream that is not there, and changes nothing', async () => {
    await stream('there');
    expect(await refusal('lost', { stream: 'nowhere', code: COPY })).toMatchObject({
      status: 404,
      code: 'not_found',
      errors: [{ path: 'stream' }],
    });
    const noOutput = { stream: 'there', output: 'nowhere', code: COPY };
    expect(await refusal('lost', noOutput)).toMatchObject({
      status: 404,
      detail: 'there is no stream nowhere',
      errors: [{ path: 'output' }],
    });
    expect((await call('/processors/lost')).status).toBe(404);
  });

  it('names the circle', async () => {
    for (const name of ['orders', 'emails', 'more']) await stream(name);
    expect(await refusal('self', { stream: 'orders', output: 'orders', code: COPY })).toMatchObject(
      {
        status: 400,
        code: 'cycle',
        detail: expect.stringContaining('orders → self → orders') as string,
      },
    );
    await processor('a', { stream: 'orders', output: 'emails', code: COPY });
    await processor('b', { stream: 'emails', output: 'more', code: COPY });
    expect(await refusal('c', { stream: 'more', output: 'orders', code: COPY })).toMatchObject({
      code: 'cycle',
      detail: expect.stringContaining('more → c → orders → a → emails → b → more') as string,
    });
    expect((await call('/processors/c')).status).toBe(404);
  });

  it('names the line and the column of bad code, and every field that does not fit', async () => {
    await stream('strict');
    const broken = { stream: 'strict', code: 'export function process(event) {\n  return }}' };
    const bad = await refusal('bad', broken);
    expect(bad).toMatchObject({ status: 400, code: 'bad_program', errors: [{ path: 'code' }] });
    expect(bad.errors[0]?.message).toMatch(/line 2, column \d+/);
    expect(
      await refusal('bad', { stream: 'strict', code: 'export const other = 1' }),
    ).toMatchObject({ code: 'bad_program', detail: expect.stringContaining('process') as string });
    const fields = await refusal('bad', {
      stream: 'no/such',
      code: COPY,
      retry: { maxAttempts: 0 },
    });
    expect(fields).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(fields.errors.map(({ path }) => path)).toEqual(['stream', 'retry.maxAttempts']);
    const huge = { stream: 'strict', code: COPY, params: 'x'.repeat(70_000) };
    expect(await refusal('bad', huge)).toMatchObject({ status: 413, errors: [{ path: 'params' }] });
  });

  it('is another kind and other streams for a processor that there is', async () => {
    await stream('one');
    await stream('two');
    await processor('fixed', { stream: 'one', code: COPY });
    expect(await refusal('fixed', { stream: ['one', 'two'], code: COPY })).toMatchObject({
      status: 409,
      errors: [{ path: 'stream' }],
    });
    const batch = await putJson('/processors/fixed', {
      kind: 'batch',
      stream: 'one',
      batch: {},
      code: COPY,
    });
    expect(batch.status).toBe(409);
    const drain = await call('/processors/fixed/drain', { method: 'POST' });
    expect(drain.status).toBe(409);
    expect((await call('/processors/fixed/batches')).status).toBe(409);
  });
});

describe('a processor that is deleted', () => {
  it('is gone, and one of the same name is another one', async () => {
    await stream('passing');
    await stream('passed');
    const spec = { stream: 'passing', output: 'passed', code: COPY };
    await processor('passer', { ...spec, startFrom: 'earliest' });
    await publish('passing', numbers(0, 10));
    await expect.poll(async () => valuesOf(await readAll('passed')), SOON).toEqual(range(0, 10));
    expect((await call('/streams/passing', { method: 'DELETE' })).status).toBe(409);
    expect((await call('/processors/passer', { method: 'DELETE' })).status).toBe(204);
    expect((await call('/processors/passer')).status).toBe(404);
    expect((await call('/processors/passer', { method: 'DELETE' })).status).toBe(404);
    await publish('passing', numbers(10, 20));

    const again = await put('passer', { ...spec, startFrom: 'earliest' });
    expect(again.status).toBe(201);
    const copies = async () => (await readAll('passed')).length;
    await expect.poll(copies, SOON).toBe(30);
    expect((await shown('passer')).counters).toMatchObject({ processed: 20, duplicates: 0 });
    await call('/processors/passer', { method: 'DELETE' });
    expect((await call('/streams/passing', { method: 'DELETE' })).status).toBe(204);
  });

  it('releases several streams that it read', async () => {
    await stream('left');
    await stream('right');
    await stream('both');
    await processor('joiner', { stream: ['left', 'right'], output: 'both', code: COPY });
    await publish('left', numbers(0, 5));
    await publish('right', numbers(5, 10));
    await expect.poll(async () => valuesOf(await readAll('both')), SOON).toEqual(range(0, 10));
    expect((await shown('joiner')).lag).toHaveLength(2 * PARTITIONS);
    await call('/processors/joiner', { method: 'DELETE' });
    for (const name of ['left', 'right', 'both']) {
      expect((await call(`/streams/${name}`, { method: 'DELETE' })).status).toBe(204);
    }
  });
});
