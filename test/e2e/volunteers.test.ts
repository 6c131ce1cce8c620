// Volunteers that an honest page never is: they lie, hang, vanish, forge and speak other versions, over the
// real protocol. The result stays right, and nothing else is disturbed.
import { expect, it } from 'vitest';
import { SpillWriter } from '../../shared/mapreduce/spill.ts';
import { DIGEST_HEADER, type Grant } from '../../shared/protocol.ts';
import { type Behaviour, ProtocolVolunteer } from '../support/protocol-volunteer.ts';
import { eventsOf, recordsOf, submit, tasksOf, volunteersOf, waitFor } from '../support/jobs.ts';
import { edgeOfFile } from '../support/suite.ts';

const CODE = `export function map(line, emit) { emit(line.split(' ')[0], 1) }
export const combine = 'sum'
export const reduce = 'sum'`;
const LINES = Array.from({ length: 4_000 }, (_, i) => `w${(i * 7) % 50} ${i}`);
const EXPECTED = new Map<string, number>();
for (const line of LINES) {
  const key = line.split(' ')[0] as string;
  EXPECTED.set(key, (EXPECTED.get(key) ?? 0) + 1);
}
const spec = {
  input: { inline: LINES.join('\n') },
  splitBytes: 2_000,
  code: CODE,
  mappers: 'volunteers' as const,
};

const edge = edgeOfFile();
let volunteers: ProtocolVolunteer[] = [];
let count = 0;

const idOf = (name: string) => `${name}-${String(++count).padStart(8, '0')}`;

async function join(
  name: string,
  behaviour: Omit<Behaviour, 'id'> = {},
): Promise<ProtocolVolunteer> {
  const volunteer = new ProtocolVolunteer(edge.url, { ...behaviour, id: idOf(name) });
  volunteers.push(volunteer);
  await volunteer.until(({ messages }) => messages.some(({ type }) => type === 'welcome'));
  return volunteer;
}

async function leave(): Promise<void> {
  for (const volunteer of volunteers) volunteer.close();
  await Promise.all(volunteers.map((volunteer) => volunteer.until(({ closed }) => closed)));
  volunteers = [];
}

async function resultOf(id: string): Promise<Map<string, unknown>> {
  return new Map((await recordsOf(edge.client, id)).map(({ key, value }) => [key, value]));
}

/** Counts a word that is not there: the first line's key begins with another letter. */
const liar: Omit<Behaviour, 'id'> = {
  distort: (run) => ({ ...run, input: run.input?.with(0, 0x78) as typeof run.input }),
};

it('honest volunteers share a job, and each gets its credit', async () => {
  const [first, second] = [await join('first'), await join('second')];
  const done = await waitFor(edge.client, (await submit(edge.client, spec)).id, 'done');
  expect(await resultOf(done.id)).toEqual(EXPECTED);
  expect(done.counters.volunteerTasks).toBe(done.progress.splits);
  expect(first.mapped.length).toBeGreaterThan(0);
  expect(second.mapped.length).toBeGreaterThan(0);
  await expect
    .poll(async () => (await volunteersOf(edge.client)).reduce((sum, { tasks }) => sum + tasks, 0))
    .toBe(done.progress.splits);
  await leave();
});

it('a program’s own counters, whatever they are called, are never held against a volunteer', async () => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'plain'];
  const honest = await join('honest');
  const job = (code: string) =>
    submit(edge.client, { ...spec, input: { inline: names.join('\n') }, splitBytes: 20, code });
  const counting = await job(
    `export const map = (word, emit, ctx) => { ctx.counter(word, 2); emit(word, 1) }\nexport const reduce = 'sum'`,
  );
  const done = await waitFor(edge.client, counting.id, 'done');
  expect(Object.entries(done.counters.user).toSorted()).toEqual(
    names.map((name) => [name, 2]).toSorted(),
  );
  const endless = await job(
    'export const map = (word, emit, ctx) => { for (let i = 0; i < 2; i++) ctx.counter(word, 1.7e308) }',
  );
  const failed = await waitFor(edge.client, endless.id, 'failed');
  expect(failed.error).toMatchObject({ code: 'bad_value' });
  expect(honest.mapped.length).toBeGreaterThan(2);
  const { items } = await edge.client.swarm.volunteers();
  expect(items.find(({ id }) => id === honest.id)?.reputation.invalid).toBe(0);
  await leave();
});

it('a quorum outvotes a volunteer that lies, and shows the disagreement', async () => {
  const lying = await join('liar', liar);
  await join('honest');
  await join('honest');
  const { id } = await edge.client.jobs.submit({
    kind: 'mapreduce',
    ...spec,
    verify: { mode: 'quorum', copies: 2 },
  });
  const done = await waitFor(edge.client, id, 'done');
  expect(await resultOf(id)).toEqual(EXPECTED);
  expect(lying.mapped.length).toBeGreaterThan(0);
  expect(done.counters.disagreements).toBeGreaterThan(0);
  const blamed = (await tasksOf(edge.client, id)).flatMap(({ attempts }) =>
    attempts.filter(({ error }) => error?.code === 'disagreement').map(({ by }) => by),
  );
  expect(new Set(blamed)).toEqual(new Set([lying.id]));
  await expect
    .poll(
      async () => (await volunteersOf(edge.client)).find(({ id }) => id === lying.id)?.reputation,
    )
    .toMatchObject({ streak: 0, invalid: blamed.length });
  await leave();
});

it('a volunteer step of a DAG is outvoted the same way, and its output is the truth', async () => {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const lying = await join('liar', {
    // Works on another item than the one that it was given.
    distort: (run) => {
      const line = text(run.input as Uint8Array).replace(
        /"value":(\d)/,
        (_, value) => `"value":${(Number(value) + 1) % 10}`,
      );
      return { ...run, input: new TextEncoder().encode(line) as typeof run.input };
    },
  });
  await join('honest');
  await join('honest');
  const { id } = await edge.client.jobs.submit({
    kind: 'dag',
    steps: {
      squares: {
        run: 'volunteer',
        forEach: 'Array.from({ length: 10 }, (_, n) => n)',
        verify: { mode: 'quorum', copies: 2 },
        code: 'export default ({ item }) => item * item;',
      },
    },
  });
  await edge.client.jobs.waitFor(id);
  const run = await edge.client.jobs.dag(id);
  expect(run).toMatchObject({ state: 'done', error: null });
  const { squares } = await edge.client.jobs.outputs(id);
  expect(squares).toEqual([0, 1, 4, 9, 16, 25, 36, 49, 64, 81]);
  expect(lying.mapped.length).toBeGreaterThan(0);
  const { job } = run.steps['squares'] ?? {};
  const blamed = (await tasksOf(edge.client, job ?? '')).flatMap(({ attempts }) =>
    attempts.filter(({ error }) => error?.code === 'disagreement').map(({ by }) => by),
  );
  expect(new Set(blamed)).toEqual(new Set([lying.id]));
  await leave();
});

it('the edge catches a lie among the tasks that it repeats', async () => {
  const lying = await join('liar', liar);
  const many = { ...spec, splitBytes: 100 };
  const done = await waitFor(edge.client, (await submit(edge.client, many)).id, 'done');
  const failed = (await tasksOf(edge.client, done.id)).flatMap(({ attempts }) =>
    attempts.filter(({ state }) => state === 'failed'),
  );
  // Of these tasks 5 % are repeated: that none is has a chance of 1 in 10 million.
  expect(done.progress.splits).toBeGreaterThan(330);
  expect(failed.length).toBeGreaterThan(0);
  expect(new Set(failed.map(({ by, error }) => `${by} ${error?.code}`))).toEqual(
    new Set([`${lying.id} disagreement`]),
  );
  await leave();
});

it('a volunteer that vanishes gives its leases back at once', async () => {
  const hanging = await join('hanging', { onGrant: () => true });
  const { id } = await submit(edge.client, spec);
  await hanging.until(({ messages }) => messages.some(({ type }) => type === 'grant'));
  await leave();
  await join('honest');
  const done = await waitFor(edge.client, id, 'done');
  expect(await resultOf(id)).toEqual(EXPECTED);
  const events = await eventsOf(edge.client, id);
  expect(events.some(({ type, by }) => type === 'returned' && by === hanging.id)).toBe(true);
  expect(done.counters.attempts).toBeGreaterThan(done.progress.splits);
  await leave();
});

it('a volunteer that only gives leases back does not keep the job from ending', async () => {
  const lazy = await join('lazy', {
    onGrant: (volunteer, { lease }) => {
      volunteer.send({ type: 'returned', leases: [lease] });
      return true;
    },
  });
  const { id } = await edge.client.jobs.submit({ kind: 'mapreduce', ...spec, mappers: 'any' });
  const done = await waitFor(edge.client, id, 'done');
  expect(await resultOf(id)).toEqual(EXPECTED);
  expect(done.counters.edgeTasks).toBe(done.progress.splits);
  const returned = (await eventsOf(edge.client, id)).filter(
    ({ type, by }) => type === 'returned' && by === lazy.id,
  );
  expect(returned.length).toBeLessThanOrEqual(done.progress.splits * 3);
  await leave();
});

it('refuses spills that are not what they say, and takes each attempt once', async () => {
  const problems: { status: number; code: string }[] = [];
  const put = async (
    volunteer: ProtocolVolunteer,
    { lease }: Grant,
    body: BodyInit,
    digest: string,
  ) => {
    const response = await fetch(volunteer.leaseUrl(lease, 'output'), {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream', [DIGEST_HEADER]: digest },
      body,
    });
    if (!response.ok) problems.push((await response.json()) as { status: number; code: string });
    return response;
  };
  const empty = new SpillWriter(4).finish({
    recordsIn: 0,
    bytesIn: 0,
    emitted: 0,
    recordsOut: 0,
    badRecords: 0,
    badRecordsListed: [],
    userCounters: {},
  });
  let tried = false;
  const forger = await join('forger', {
    onGrant: async (volunteer, grant) => {
      if (tried) return false;
      tried = true;
      await put(volunteer, grant, 'rubbish', '0'.repeat(64));
      await put(volunteer, grant, empty.spill, '0'.repeat(64));
      const mapped = await volunteer.map(grant);
      if (!('response' in mapped)) throw new Error('the honest run failed');
      expect((await put(volunteer, grant, mapped.result.spill, mapped.result.digest)).status).toBe(
        200,
      );
      await put(volunteer, { ...grant, lease: `${grant.lease}x` }, empty.spill, empty.digest);
      volunteer.send({
        type: 'done',
        results: [{ lease: grant.lease, receipt: 'forged.receipt', ms: 1 }],
      });
      return true;
    },
  });
  const { id } = await submit(edge.client, spec);
  const done = await waitFor(edge.client, id, 'done');
  expect(await resultOf(id)).toEqual(EXPECTED);
  expect(problems.map(({ code }) => code)).toEqual(['bad_spill', 'bad_spill', 'bad_lease']);
  const failed = (await tasksOf(edge.client, id)).flatMap(({ attempts }) =>
    attempts.filter(({ error }) => error?.code === 'bad_spill'),
  );
  expect(failed).toMatchObject([{ by: forger.id }]);
  expect(done.counters.volunteerTasks).toBe(done.progress.splits);
  await leave();
});

it('a failed job that is tried again runs only what is not committed', async () => {
  let broken = true;
  const moody = await join('moody', {
    onGrant: (volunteer, { lease, task }) => {
      if (!broken || task.task !== 0) return false;
      volunteer.send({
        type: 'failed',
        failures: [{ lease, error: { code: 'program_threw', message: 'no' }, ms: 1 }],
      });
      return true;
    },
  });
  const { id } = await edge.client.jobs.submit({
    kind: 'mapreduce',
    ...spec,
    verify: { mode: 'none' },
  });
  const failed = await waitFor(edge.client, id, 'failed');
  expect(failed.error).toMatchObject({ code: 'program_threw', message: 'no', task: 0 });
  const committed = new Set(
    (await tasksOf(edge.client, id))
      .filter(({ state }) => state === 'committed')
      .map(({ task }) => task),
  );
  broken = false;
  const before = moody.mapped.length;
  await edge.client.jobs.retry(id);
  const done = await waitFor(edge.client, id, 'done');
  expect(await resultOf(id)).toEqual(EXPECTED);
  const again = moody.mapped.slice(before).map(({ task }) => task.task);
  expect(again.filter((task) => committed.has(task))).toEqual([]);
  expect(done.counters.recordsIn).toBe(LINES.length);
  await leave();
});

it.each([['another protocol version', 99, 'protocol_mismatch', 4001]])(
  'refuses %s by name, and the others work on',
  async (_, protocol, code, closeCode) => {
    const volunteer = new ProtocolVolunteer(edge.url, { id: idOf('other'), protocol });
    const closed = await volunteer.until((v) => v.closed);
    expect(closed).toMatchObject({ code: closeCode, reason: code });
    expect(volunteer.messages).toMatchObject([{ type: 'refused', code }]);
  },
);

it('refuses rubbish, another’s name, and floods', async () => {
  const rubbish = await join('rubbish');
  rubbish.sendRaw('{"type":');
  expect(await rubbish.until((v) => v.closed)).toMatchObject({ reason: 'bad_message' });
  const owner = await join('owner');
  const thief = new ProtocolVolunteer(edge.url, { id: owner.id, secret: 'another-secret-of-mine' });
  expect(await thief.until((v) => v.closed)).toMatchObject({ reason: 'bad_message' });
  expect(owner.closed).toBeNull();
  const flood = await join('flood');
  for (let i = 0; i < 1_000; i++) flood.send({ type: 'progress', leases: [] });
  expect(await flood.until((v) => v.closed)).toMatchObject({ reason: 'rate_limited' });
  const { id } = await submit(edge.client, spec);
  await waitFor(edge.client, id, 'done');
  volunteers = [owner];
  await leave();
});
