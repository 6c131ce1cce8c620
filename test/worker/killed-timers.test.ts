// A timer's work that dies half-way is done again: what it was to let go is let go in the end. The isolate is killed
// in the middle of the alarm, when the object's writes have reached the disk and its calls have not ended.
import { env, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { describe, expect, it, vi } from 'vitest';
import type { RunRpc } from '../../worker/contracts/run.rpc.ts';
import { jobPrefix, spillPrefix } from '../../worker/platform/keys.ts';
import { jobObject } from '../../worker/stubs.ts';
import { stubOf as runStubOf, submitRun } from './dag-runs.ts';
import { run } from './rest.ts';

interface Alarmed {
  alarm(): Promise<void>;
}

/** A stub that saw its object die is of no more use: each call takes a new one. */
type Stub = () => DurableObjectStub;
const jobStub = (id: string) => () => env.JOBS.get(env.JOBS.idFromName(id));
const listed = async (prefix: string) =>
  (await env.BUCKET.list({ prefix })).objects.map((object) => object.key);

/** Makes the timer due, lets the alarm begin, and kills the object in the middle of it. */
async function killedIn(stub: Stub, timer: string): Promise<void> {
  await runInDurableObject(stub(), async (instance, state) => {
    state.storage.sql.exec(
      'INSERT OR REPLACE INTO timers (name, atMs) VALUES (?, ?)',
      timer,
      Date.now() - 1,
    );
    void (instance as unknown as Alarmed).alarm().catch(() => undefined);
    await state.storage.sync();
    state.abort('killed');
  }).catch(() => undefined);
}

/** What is due or waits for another try is due now. */
async function wakeUp(stub: Stub): Promise<void> {
  await runInDurableObject(stub(), async (_, state) => {
    state.storage.sql.exec('UPDATE timers SET atMs = 1');
    await state.storage.setAlarm(Date.now() - 1);
  });
  await runDurableObjectAlarm(stub());
}

const timersOf = (stub: Stub): Promise<string[]> =>
  runInDurableObject(stub(), (_, state) =>
    [...state.storage.sql.exec<{ name: string }>('SELECT name FROM timers ORDER BY name')].map(
      ({ name }) => name,
    ),
  );

const tablesOf = (stub: Stub): Promise<string[]> =>
  runInDurableObject(stub(), (_, state) =>
    [...state.storage.sql.exec<{ name: string }>('SELECT name FROM sqlite_master')].map(
      ({ name }) => name,
    ),
  );

const WORDS = `export function map(line, emit) { for (const word of line.split(' ')) emit(word, 1) }
export const reduce = 'sum'`;
const finishedJob = () => run({ mappers: 'edge', input: { inline: 'a b\nb' }, code: WORDS });

describe('an isolate that dies', () => {
  it('in the garbage of a job leaves the spills to the next try', async () => {
    const { id } = await finishedJob();
    const stub = jobStub(id);
    await vi.waitUntil(async () => (await timersOf(stub)).includes('sweep'));
    const spill = `${spillPrefix(id)}left`;
    await env.BUCKET.put(spill, 'bytes');
    await killedIn(stub, 'garbage');
    expect(await timersOf(stub)).toContain('garbage');
    await wakeUp(stub);
    expect(await listed(spillPrefix(id))).toEqual([]);
    expect(await timersOf(stub)).not.toContain('garbage');
  });

  it('in the last sweep of a job leaves late uploads to the next try', async () => {
    const { id } = await finishedJob();
    const stub = jobStub(id);
    await jobObject(env, id).delete();
    await env.BUCKET.put(`${jobPrefix(id)}late`, 'bytes');
    await killedIn(stub, 'sweep');
    await wakeUp(stub);
    expect(await listed(jobPrefix(id))).toEqual([]);
  });

  it('while a run is forgotten leaves the rest to the next try', async () => {
    const submitted = await submitRun({ a: { run: 'sleep', ms: 600_000 } });
    const stub = () => runStubOf(submitted.id);
    await runInDurableObject(runStubOf(submitted.id), async (instance, state) => {
      void (instance as DurableObject & RunRpc).delete().catch(() => undefined);
      await state.storage.sync();
      state.abort('killed');
    }).catch(() => undefined);
    await killedIn(stub, 'forget');
    await wakeUp(stub);
    expect(await tablesOf(stub)).not.toContain('texts');
  });
});
