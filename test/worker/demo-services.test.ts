// The playground's own User Service: users, faults that are played, and the events that tell of changes.
import {
  env,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test';
import { afterEach, describe, expect, it } from 'vitest';
import type { StreamEvent } from '../../shared/schemas/stream.ts';
import { catalog, logObject, userService } from '../../worker/stubs.ts';
import { answerService } from '../../worker/demo-services/answer.edge.ts';
import { deleteStream, streamNamed } from '../../worker/log/streams.edge.ts';
import { call, problemOf } from './rest.ts';

const put = (path: string, body: unknown) =>
  call(`/services/users/${path}`, {
    method: 'PUT',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
const get = (path: string) => call(`/services/users/${path}`);
const faults = async (latencyMs: number, errorRate: number) => {
  const response = await put('_faults', { latencyMs, errorRate });
  expect(response.status).toBe(200);
};
const object = () => env.USERS.get(env.USERS.idFromName('users'));

const owed = () =>
  runInDurableObject(object(), (_, { storage }) =>
    Number(storage.sql.exec('SELECT count(*) AS n FROM owed').one()['n']),
  );

/** Waits until nothing is owed any more: what is told is told within the object's own time. */
async function told(): Promise<void> {
  while ((await owed()) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function events(): Promise<StreamEvent[]> {
  await told();
  const stream = await streamNamed(env, 'users');
  const found: StreamEvent[] = [];
  for (let partition = 0; partition < stream.partitions; partition++) {
    const located = await logObject(env, { uid: stream.uid, partition }).locate(0, 1000, 1e6);
    if (located.kind !== 'rows') continue;
    for (const { text } of located.chunks) {
      found.push(...text.split('\n').map((line) => JSON.parse(line) as StreamEvent));
    }
  }
  return found;
}

const eventsOf = async (user: string) =>
  (await events())
    .filter(({ key }) => key === user)
    .map(({ id, type, payload }) => ({ id, type, payload }));

afterEach(() => faults(0, 0));

describe('a user', () => {
  it('is put, had, and changed', async () => {
    expect((await problemOf(await get('u1'))).code).toBe('not_found');
    const created = await put('u1', { name: 'Ann', email: 'ann@example.org' });
    expect(created.status).toBe(200);
    expect(await created.json()).toEqual({ id: 'u1', name: 'Ann', email: 'ann@example.org' });
    await put('u1', { id: 'u1', email: 'a@example.org' });
    expect(await (await get('u1')).json()).toEqual({ id: 'u1', name: '', email: 'a@example.org' });
  });

  it('may have any id but the service’s own names', async () => {
    const id = encodeURIComponent('a/b?c=ü');
    expect((await put(id, { email: 'x@y' })).status).toBe(200);
    expect(await (await get(id)).json()).toMatchObject({ id: 'a/b?c=ü' });
    const refused = await problemOf(await put('_own', { email: 'x@y' }));
    expect(refused).toMatchObject({ code: 'invalid_request' });
    expect((await problemOf(await get('_own'))).code).toBe('not_found');
  });

  it.each<[string, unknown, string]>([
    ['without an email', { name: 'x' }, 'email'],
    ['with another id', { id: 'u2', email: 'x' }, 'id'],
    ['with what nobody knows', { email: 'x', age: 5 }, ''],
    ['that is a list', [], ''],
  ])('is refused %s', async (_, body, path) => {
    const problem = await problemOf(await put('u1', body));
    expect(problem).toMatchObject({ code: 'invalid_request', errors: [{ path }] });
  });
});

describe('faults', () => {
  it('are shown and set, and do not hit themselves', async () => {
    await faults(30, 1);
    expect(await (await get('_faults')).json()).toEqual({ latencyMs: 30, errorRate: 1 });
    expect((await put('_faults', { errorRate: 2 })).status).toBe(400);
  });

  it('make users fail, as 503 that says so; nothing is changed then', async () => {
    await put('f1', { email: 'before' });
    await faults(0, 1);
    const problem = await problemOf(await get('f1'));
    expect(problem).toMatchObject({ status: 503, code: 'unavailable' });
    expect(problem.detail).toMatch(/a fault is played: 100 %/);
    expect((await put('f1', { email: 'after' })).status).toBe(503);
    await faults(0, 0);
    expect(await (await get('f1')).json()).toMatchObject({ email: 'before' });
    expect(await eventsOf('f1')).toHaveLength(1);
  });

  it('make users slow', async () => {
    await put('f2', { email: 'x' });
    await faults(120, 0);
    const beganMs = Date.now();
    expect((await get('f2')).status).toBe(200);
    expect(Date.now() - beganMs).toBeGreaterThanOrEqual(115);
  });

  it('hit processors’ calls, which do not go over the network', async () => {
    await put('f3', { email: 'x' });
    const path = '/api/services/users/f3';
    expect(await (await answerService(env, path)).json()).toMatchObject({ id: 'f3' });
    expect((await answerService(env, '/api/services/users/none')).status).toBe(404);
    await faults(0, 1);
    expect((await answerService(env, path)).status).toBe(503);
    await expect(answerService(env, '/api/services/other/x')).rejects.toThrow(/no service/);
    await expect(answerService(env, '/api/services/users/x/y')).rejects.toThrow(/no service/);
  });
});

describe('a change', () => {
  it('is told to the stream users, which is made when it is missing', async () => {
    await put('t1', { name: 'A', email: 'a1' });
    await put('t1', { name: 'A', email: 'a2' });
    expect(await eventsOf('t1')).toEqual(
      ['a1', 'a2'].map((email, i) => ({
        id: `user-t1-${i + 1}`,
        type: 'UserInformationUpdated',
        payload: { id: 't1', name: 'A', email, userId: 't1' },
      })),
    );
  });

  it('is told in the order of the changes, however many there are', async () => {
    const emails = Array.from({ length: 250 }, (_, i) => `e${i}`);
    for (const email of emails) await userService(env).put({ id: 't2', name: '', email });
    const told = (await eventsOf('t2')).map(({ payload }) => (payload as { email: string }).email);
    expect(told).toEqual(emails);
  });

  it('is owed until the stream takes it, across a restart, and told once', async () => {
    await put('t3', { email: 'first' });
    await told();
    const stream = await streamNamed(env, 'users');
    // Full: nothing more is taken.
    const config = (partition: number, maxBytes: number) => ({
      stream: 'users',
      uid: stream.uid,
      partition,
      retentionMs: stream.retentionHours * 3600_000,
      maxBytes,
    });
    const bound = async (maxBytes: number) => {
      for (let partition = 0; partition < stream.partitions; partition++) {
        await logObject(env, { uid: stream.uid, partition }).configure(config(partition, maxBytes));
      }
    };
    await bound(1);
    expect((await put('t3', { email: 'second' })).status).toBe(200);
    await put('t3', { email: 'third' });
    expect(await owed()).toBe(2);
    await evictDurableObject(object());
    await runDurableObjectAlarm(object());
    expect(await owed()).toBe(2);
    await bound(1e9);
    // As if its time had come.
    await runInDurableObject(object(), (_, { storage }) => {
      storage.sql.exec('UPDATE timers SET atMs = 1');
    });
    await evictDurableObject(object());
    await runDurableObjectAlarm(object());
    expect((await eventsOf('t3')).map(({ id }) => id)).toEqual([
      'user-t3-1',
      'user-t3-2',
      'user-t3-3',
    ]);
  });

  it('goes to the stream of that name, also when it was deleted and made again', async () => {
    await put('t4', { email: 'one' });
    await told();
    await deleteStream(env, 'users');
    expect(await catalog(env).stream('users')).toBeNull();
    await put('t4', { email: 'two' });
    expect((await eventsOf('t4')).map(({ id }) => id)).toEqual(['user-t4-2']);
  });
});
