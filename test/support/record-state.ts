// Records a small world, so that a later version can show that it still reads what an earlier one stored. It starts the
// local edge of a checkout, makes the world through REST, writes down the answers that must stay, and packs the state.
//   node test/support/record-state.ts <checkout to record> <folder to write>
import { spawnSync } from 'node:child_process';
import { mkdtemp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { stable, type Recording } from './recorded-state.ts';

const POLL_MS = 100;
const WAIT_MAX_MS = 60_000;
/** Long after the last change: counts are flushed, and whoever rests is known to rest. */
const SETTLE_MS = 12_000;
const DAY_MS = 24 * 3600_000;

const [checkout = '', folder = ''] = process.argv.slice(2).map((path) => resolve(path));
const load = <Module>(path: string) =>
  import(pathToFileURL(join(checkout, path)).href) as Promise<Module>;
const { startEdge } =
  await load<typeof import('../../worker/local/edge.ts')>('worker/local/edge.ts');

const persistDir = await mkdtemp(join(tmpdir(), 'manyhands-recorded-'));
const edge = await startEdge({ persistDir, quiet: true });
const recordedAtMs = Date.now();
// After the edge, which builds the runtime that it maps with.
const { ProtocolVolunteer } = await load<typeof import('./protocol-volunteer.ts')>(
  'test/support/protocol-volunteer.ts',
);

interface Shown {
  id: string;
  state: string;
  [field: string]: unknown;
}

async function call<Answer = Shown>(method: string, path: string, body?: unknown, headers = {}) {
  const response = await fetch(`${edge.url}/api${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return (text === '' ? null : JSON.parse(text)) as Answer;
}
const get = <Answer>(path: string) => call<Answer>('GET', path);
const put = (path: string, body?: unknown) => call('PUT', path, body);
const post = (path: string, body?: unknown, headers = {}) => call('POST', path, body, headers);

async function until<Answer>(path: string, holds: (answer: Answer) => boolean): Promise<Answer> {
  const endMs = Date.now() + WAIT_MAX_MS;
  for (;;) {
    const answer = await get<Answer>(path);
    if (holds(answer)) return answer;
    if (Date.now() > endMs) throw new Error(`waited for ${path}: ${JSON.stringify(answer)}`);
    await pause(POLL_MS);
  }
}
const done = (id: string) => until<Shown>(`/jobs/${id}`, ({ state }) => state === 'done');
interface Work {
  counters: { processed: number; deadLettered: number };
  lag: { lag: number }[];
}
/** All that came was processed or is a dead letter. */
const worked = (name: string, count: number) =>
  until<Work>(
    `/processors/${name}`,
    ({ counters, lag }) =>
      counters.processed + counters.deadLettered >= count && lag.every((one) => one.lag === 0),
  );

const COUNT_WORDS = {
  kind: 'mapreduce',
  code: `export function map(line, emit) { for (const word of line.split(' ')) emit(word, 1) }
export const combine = 'sum'
export const reduce = 'sum'`,
  partitions: 2,
};
const WORDS = Array.from({ length: 400 }, (_, n) => `w${n % 7} w${n % 11}`).join('\n');

async function makeJobs(): Promise<Recording['jobs']> {
  await put('/datasets/words.txt', WORDS);
  const spec = { ...COUNT_WORDS, input: { dataset: 'words.txt' }, mappers: 'edge' };
  const key = { 'idempotency-key': 'words-once' };
  const finished = await post('/jobs', { ...spec, name: 'finished' }, key);
  await done(finished.id);

  const pinned = { ...spec, mappers: 'volunteers', splitBytes: 600 };
  const halfway = await post('/jobs', { ...pinned, name: 'halfway', verify: { mode: 'none' } });
  const voted = await post('/jobs', {
    ...pinned,
    name: 'voted on',
    verify: { mode: 'quorum', copies: 2 },
  });
  // Maps two tasks of the first job and all of the second, which then waits for another's votes.
  const volunteer = new ProtocolVolunteer(edge.url, {
    id: 'recorded-volunteer',
    slots: 2,
    onGrant: ({ mapped }, { job }) =>
      job === halfway.id && mapped.filter((grant) => grant.job === job).length >= 2,
  });
  await until<{ progress: { mapped: number } }>(
    `/jobs/${halfway.id}`,
    ({ progress }) => progress.mapped === 2,
  );
  // Each of its five tasks waits for a second vote.
  await until<{ items: { attempts: { state: string }[] }[] }>(
    `/jobs/${voted.id}/tasks`,
    ({ items }) =>
      items.filter(({ attempts }) => attempts.some(({ state }) => state === 'held')).length === 5,
  );
  volunteer.close();
  await volunteer.until(({ closed }) => closed);
  return { finished: finished.id, halfway: halfway.id, voted: voted.id };
}

const order = (n: number, payload = {}) => ({
  type: 'Order',
  id: `order-${n}`,
  key: `buyer-${n % 3}`,
  time: new Date(Date.UTC(2020, 0, 1) + n * 1_000).toISOString(),
  payload: { n, ...payload },
});

async function makeStreams(): Promise<void> {
  await put('/streams/users', { partitions: 1 });
  await put('/services/users/ada', { name: 'Ada', email: 'ada@example.org' });
  await put('/streams/orders', { partitions: 2, claimCheckBytes: 2_000 });
  for (const name of ['mails', 'pairs', 'minutes', 'sums']) {
    await put(`/streams/${name}`, { partitions: 1 });
  }
  const common = { stream: 'orders', startFrom: 'earliest', retry: { maxAttempts: 1 } };
  await put('/processors/mail', {
    ...common,
    kind: 'stateless',
    output: 'mails',
    services: { users: { url: '/api/services/users/{key}' } },
    code: `export async function process(event, ctx) {
      const payload = await ctx.payload(event);
      if (payload.user) {
        const user = await ctx.call('users', payload.user);
        if (!user) throw new Error('no such user');
      }
      return { type: 'Mail', key: event.key, payload: payload.n };
    }`,
  });
  await put('/processors/count', {
    ...common,
    kind: 'stateful',
    shards: 2,
    code: `export function process(event, state) {
      if (event.payload?.bad) throw new Error('not to be counted');
      return { orders: (state?.orders ?? 0) + 1 };
    }`,
  });
  await put('/processors/pair', {
    ...common,
    stream: 'users',
    kind: 'join',
    keyBy: 'payload.id',
    shards: 1,
    output: 'pairs',
    join: {
      types: ['UserInformationUpdated', 'Confirmed'],
      timeoutMs: 30 * DAY_MS,
      onTimeout: 'dead-letter',
    },
    code: `export const process = ({ Confirmed }) => ({ type: 'Pair', payload: Confirmed.payload });`,
  });
  await put('/processors/minute', {
    ...common,
    kind: 'window',
    shards: 1,
    output: 'minutes',
    window: { type: 'tumbling', sizeMs: 60_000, graceMs: 0, idleMs: DAY_MS },
    code: `export const add = (state) => (state ?? 0) + 1;
      export const process = ({ key, state }) => ({ type: 'Minute', key, payload: state });`,
  });
  await put('/processors/sum', {
    ...common,
    kind: 'batch',
    output: 'sums',
    batch: { maxEvents: 8, maxWaitMs: 7 * DAY_MS },
    code: `export async function process(batch) {
      let sum = 0;
      for await (const event of batch) sum += event.payload?.n ?? 0;
      return { type: 'Sum', payload: { sum, events: batch.events, reason: batch.reason } };
    }`,
  });
  await put('/processors/resting', {
    ...common,
    kind: 'stateless',
    code: 'export const process = () => undefined;',
  });
  await post('/processors/resting/pause');

  const orders = Array.from({ length: 8 }, (_, n) => order(n));
  await post('/streams/orders/events', orders, { 'idempotency-key': 'orders-once' });
  await worked('count', 8);
  await put('/schedules/yearly', {
    cron: '0 0 1 1 *',
    job: {
      kind: 'mapreduce',
      input: { stream: 'orders', from: 'lastRun' },
      code: "export function map(event, emit) { emit('n', event.payload?.n ?? 0) }\nexport const reduce = 'sum'",
      partitions: 1,
      mappers: 'edge',
    },
  });
  // The schedule's job seals what it reads.
  await post('/schedules/yearly/run');
  await until<{ runs: { state: string }[] }>(
    '/schedules/yearly',
    ({ runs }) => runs[0]?.state === 'done',
  );
  await post('/streams/orders/events', [
    order(8, { user: 'bob' }),
    order(9, { bad: true }),
    order(10, { large: 'x'.repeat(4_000) }),
  ]);
  await post('/streams/users/events', [
    { type: 'Confirmed', id: 'grace', payload: { id: 'grace' } },
    { type: 'Confirmed', id: 'ada', payload: { id: 'ada' } },
  ]);
  await worked('mail', 11);
  await worked('count', 11);
  await worked('pair', 3);
  await worked('minute', 11);
  await until<{ openWindow: { events: number } }>(
    '/processors/sum',
    ({ openWindow }) => openWindow.events === 3,
  );
  // A second version, which a replay has put in the place of the first.
  await post('/processors/count/replay', { from: 'earliest' });
  await until<{ version: number; replay: unknown; state: string }>(
    '/processors/count',
    ({ version, replay, state }) => version > 1 && replay === null && state === 'running',
  );
}

async function makeRuns(): Promise<Recording['runs']> {
  const steps = {
    draft: { run: 'edge', code: 'export default ({ input }) => input.text.repeat(3);' },
    items: {
      run: 'edge',
      needs: ['draft'],
      forEach: 'steps.draft.split("-")',
      code: 'export default ({ item }) => item.length;',
    },
  };
  const input = { text: 'ab-' };
  const finished = await post('/jobs', { kind: 'dag', name: 'finished run', input, steps });
  await done(finished.id);
  const large = { run: 'edge', code: "export default () => 'y'.repeat(100_000);" };
  const approval = { run: 'wait', signal: 'approved', needs: ['items'] };
  const publish = {
    run: 'edge',
    needs: ['draft', 'large', 'items', 'approval'],
    code: `export default ({ steps }) =>
      [steps.draft, steps.large.length, steps.items.join(), steps.approval.by].join(' ');`,
  };
  const arrival = {
    run: 'wait',
    stream: 'users',
    types: ['Confirmed'],
    keyBy: 'payload.id',
    key: "'lin'",
  };
  const waiting = await post('/jobs', {
    kind: 'dag',
    name: 'waits',
    input,
    steps: { ...steps, large, approval, arrival, publish },
  });
  await until<{ steps: Record<string, { state: string }> }>(
    `/jobs/${waiting.id}`,
    ({ steps }) => steps['items']?.state === 'done' && steps['approval']?.state === 'running',
  );
  return { finished: finished.id, waiting: waiting.id };
}

async function answers(paths: string[]): Promise<Recording['answers']> {
  const list: Recording['answers'] = [];
  for (const path of paths) {
    const response = await fetch(`${edge.url}/api${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    list.push({
      path,
      answer:
        isJson && !path.includes('/result') ? stable(await response.json()) : await response.text(),
    });
  }
  return list;
}

/** One answer a line, so that a change can be read. */
function written({ answers, ...facts }: Recording): string {
  const lines = answers.map((answer) => JSON.stringify(answer));
  return `${JSON.stringify(facts).slice(0, -1)},"answers":[\n${lines.join(',\n')}\n]}\n`;
}

/** One file for each database: what lies in its write-ahead log is moved into it. */
async function pack(): Promise<void> {
  for (const file of await readdir(persistDir, { recursive: true })) {
    if (!file.endsWith('.sqlite')) continue;
    const database = new DatabaseSync(join(persistDir, file));
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    database.close();
  }
  const { status, stderr } = spawnSync(
    'tar',
    ['-czf', join(folder, 'state.tar.gz'), '-C', persistDir, 'do', 'r2'],
    { encoding: 'utf8', env: { ...process.env, GZIP: '-9' } },
  );
  if (status !== 0) throw new Error(stderr);
}

try {
  const jobs = await makeJobs();
  await makeStreams();
  const runs = await makeRuns();
  await pause(SETTLE_MS);
  const recording: Recording = {
    version: (await get<{ version: string }>('/health')).version,
    recordedAtMs,
    jobs,
    runs,
    answers: await answers([
      '/datasets',
      '/datasets/words.txt',
      '/datasets/words.txt/bytes',
      '/jobs',
      ...Object.values(jobs).flatMap((id) => [`/jobs/${id}`, `/jobs/${id}/tasks`]),
      `/jobs/${jobs.finished}/events`,
      `/jobs/${jobs.finished}/result?order=key`,
      ...Object.values(runs).flatMap((id) => [`/jobs/${id}`, `/jobs/${id}/events`]),
      `/jobs/${runs.finished}/result`,
      `/jobs/${runs.waiting}/steps/items`,
      '/streams',
      '/streams/orders',
      '/streams/orders/events?partition=0',
      '/streams/orders/events?partition=1&resolve=true',
      ...['users', 'mails', 'pairs', 'sums', 'minutes'].map((name) => `/streams/${name}/events`),
      '/processors',
      ...['mail', 'count', 'pair', 'minute', 'sum', 'resting'].map((name) => `/processors/${name}`),
      '/processors/mail/dead-letters',
      '/processors/count/dead-letters',
      '/processors/count/state',
      '/processors/count/state/buyer-0',
      '/processors/pair/waiting',
      '/processors/minute/windows',
      '/processors/sum/batches',
      '/schedules/yearly',
      '/services/users/ada',
    ]),
  };
  await edge.stop();
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'expected.json'), written(recording));
  await pack();
} finally {
  await edge.stop();
  await rm(persistDir, { recursive: true, force: true });
}
