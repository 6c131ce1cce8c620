// The pool, with a sandbox and data routes that do what the test says: every lease is reported once, memory is
// bounded, and nothing is lost when things stop half-way.
import { beforeEach, describe, expect, test } from 'vitest';
import type { MapPlan, Split } from '../../../shared/mapreduce/task.ts';
import type { Grant } from '../../../shared/protocol.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import {
  type DataRoutes,
  LeaseLost,
  SpillRefused,
  type SplitInput,
} from '../../../web/volunteer/data-routes.ts';
import { Pool } from '../../../web/volunteer/pool.ts';
import type { MapRan, SandboxWorker, TaskRun } from '../../../web/volunteer/framed-worker.ts';
import type { Sandbox } from '../../../web/volunteer/sandbox.ts';

interface Call<Value> {
  lease: string;
  resolve: (value: Value) => void;
  reject: (error: Error) => void;
}

/** A queue of calls that wait for the test's answer. */
function calls<Value>() {
  const open: Call<Value>[] = [];
  const add = (lease: string, signal?: AbortSignal) =>
    new Promise<Value>((resolve, reject) => {
      open.push({ lease, resolve, reject });
      signal?.addEventListener('abort', () => reject(signal.reason as Error));
    });
  return { open, add };
}

class FakeWorker implements SandboxWorker {
  programHash: string | null = null;
  dead = false;
  run_: { run: TaskRun; resolve: (ran: MapRan) => void } | null = null;

  run(run: TaskRun): Promise<MapRan> {
    if (this.programHash !== null && this.programHash !== run.plan.programHash) {
      throw new Error('a worker serves one program');
    }
    if (this.run_) throw new Error('one task at a time');
    this.programHash = run.plan.programHash;
    return new Promise((resolve) => (this.run_ = { run, resolve }));
  }

  finish(ran: MapRan): void {
    const run = this.run_;
    this.run_ = null;
    run?.resolve(ran);
  }

  dryRun(): Promise<never> {
    throw new Error('not here');
  }

  terminate(error: TaskError = { code: 'returned', message: 'ended' }): void {
    if (this.dead) return;
    this.dead = true;
    this.finish({ ok: false, error, log: [], ms: 5 });
  }
}

const plan = (job: string): MapPlan => ({
  job,
  name: job.toUpperCase(),
  programHash: `hash of ${job}`,
  format: 'lines',
  gzip: false,
  partitions: 1,
  params: {},
  skipBadRecords: 0,
  csvHeader: null,
  nowMs: 0,
});

const BYTES: Split = { kind: 'bytes', start: 0, end: 4 };
const INTEGERS: Split = { kind: 'integers', from: 0, to: 4 };
const grant = (job: string, task: number, split: Split = BYTES): Grant => ({
  lease: `${job}.${task}`,
  job,
  attempt: 1,
  task: { task, split },
  leaseMs: 60_000,
});
const grants = (job: string, count: number, split: Split = BYTES) =>
  Array.from({ length: count }, (_, task) => grant(job, task, split));

const OK: MapRan = {
  ok: true,
  ms: 3,
  spill: new Uint8Array(2),
  digest: 'd'.repeat(64),
  trailer: {
    recordsIn: 1,
    bytesIn: 4,
    emitted: 1,
    recordsOut: 1,
    badRecords: 0,
    badRecordsListed: [],
    userCounters: {},
  },
  log: [],
};
const FAILED: MapRan = {
  ok: false,
  error: { code: 'program_threw', message: 'no' },
  log: [],
  ms: 4,
};

/** Lets everything that can go on go on. */
const settle = () => new Promise((resolve) => setTimeout(resolve));

let inputs: ReturnType<typeof calls<SplitInput>>;
let outputs: ReturnType<typeof calls<string>>;
let programs: ReturnType<typeof calls<string>>;
let workers: FakeWorker[];
let reports: string[];
let broken: string[];
let sandboxFails: boolean;
let pool: Pool;

beforeEach(() => {
  inputs = calls();
  outputs = calls();
  programs = calls();
  workers = [];
  reports = [];
  broken = [];
  sandboxFails = false;
  const data: DataRoutes = {
    program: (lease) => programs.add(lease),
    input: (lease, signal) => inputs.add(lease, signal),
    output: (lease, _output, signal) => outputs.add(lease, signal),
  };
  const sandbox: Sandbox = {
    dead: false,
    worker: () => {
      const worker = new FakeWorker();
      workers.push(worker);
      return Promise.resolve(worker);
    },
    close: () => undefined,
  };
  pool = new Pool({
    data,
    openSandbox: () =>
      sandboxFails ? Promise.reject(new Error('no frame')) : Promise.resolve(sandbox),
    events: {
      done: (lease, receipt) => void reports.push(`done ${lease} ${receipt}`),
      failed: (lease, { code }) => void reports.push(`failed ${lease} ${code}`),
      returned: (lease) => void reports.push(`returned ${lease}`),
      broken: (message) => void broken.push(message),
    },
  });
});

const running = () =>
  workers.flatMap(({ run_, dead }) => (run_ && !dead ? [run_.run.task.task] : []));
async function deliver(): Promise<void> {
  for (const { resolve } of programs.open.splice(0)) resolve('(function () { })');
  for (const { resolve } of inputs.open.splice(0))
    resolve({ bytes: new Uint8Array(3), start: 1, range: 'signed' });
  await settle();
}

describe('a pool', () => {
  test('downloads, runs, uploads and reports each lease once', async () => {
    pool.setSlots(2);
    pool.grant([plan('a')], grants('a', 2));
    expect(programs.open).toHaveLength(1);
    await deliver();
    expect(running()).toEqual([0, 1]);
    for (const worker of workers) worker.finish(OK);
    await settle();
    expect(outputs.open.map(({ lease }) => lease)).toEqual(['a.0', 'a.1']);
    expect(reports).toEqual([]);
    for (const { lease, resolve } of outputs.open) resolve(`receipt of ${lease}`);
    await settle();
    expect(reports).toEqual(['done a.0 receipt of a.0', 'done a.1 receipt of a.1']);
    expect(pool.empty).toBe(true);
    expect(pool.wantsWork).toBe(true);
  });

  test('downloads ahead while it computes, but holds no more than slots + 2 inputs', async () => {
    pool.setSlots(2);
    pool.grant([plan('a')], grants('a', 20));
    expect(inputs.open).toHaveLength(4);
    await deliver();
    expect(running()).toEqual([0, 1]);
    // Two run; two wait; two more may be downloaded.
    expect(inputs.open).toHaveLength(2);
    await deliver();
    expect(inputs.open).toHaveLength(0);
    workers[0]?.finish(OK);
    await settle();
    expect(running()).toEqual([2, 1]);
    expect(inputs.open).toHaveLength(1);
  });

  test('goes on computing while it uploads, but holds no more than slots + 6 spills', async () => {
    pool.setSlots(1);
    pool.grant([plan('a')], grants('a', 20, INTEGERS));
    await deliver();
    for (let i = 0; i < 20; i++) {
      workers[0]?.finish(OK);
      await settle();
    }
    expect(outputs.open).toHaveLength(7);
    expect(running()).toEqual([]);
    outputs.open.shift()?.resolve('r');
    await settle();
    expect(running()).toEqual([7]);
  });

  test('runs a range without any download but the program', async () => {
    pool.setSlots(1);
    pool.grant([plan('a')], grants('a', 3, INTEGERS));
    await deliver();
    expect(inputs.open).toHaveLength(0);
    expect(workers[0]?.run_?.run.input).toBeNull();
    expect(running()).toEqual([0]);
  });

  test('tells the program where the bytes that it got lie', async () => {
    pool.setSlots(1);
    pool.grant([plan('a')], grants('a', 1));
    await deliver();
    expect(workers[0]?.run_?.run.task.split).toEqual({ kind: 'bytes', start: 1, end: 4 });
  });

  test('gives each program a worker of its own', async () => {
    pool.setSlots(1);
    pool.grant([plan('a'), plan('b')], [grant('a', 0), grant('b', 1)]);
    await deliver();
    workers[0]?.finish(OK);
    await settle();
    expect(workers).toHaveLength(2);
    expect(workers[0]?.dead).toBe(true);
    expect(running()).toEqual([1]);
    expect(pool.seen.map(({ name }) => name)).toEqual(['B', 'A']);
  });

  test('reports what the program did wrong, and goes on', async () => {
    pool.setSlots(1);
    pool.grant([plan('a')], grants('a', 2));
    await deliver();
    workers[0]?.finish(FAILED);
    await settle();
    expect(reports).toEqual(['failed a.0 program_threw']);
    expect(running()).toEqual([1]);
  });

  test('gives back what the edge no longer honours, and fails a spill that it refuses', async () => {
    pool.setSlots(1);
    pool.grant([plan('a')], grants('a', 3));
    for (const { resolve } of programs.open) resolve('text');
    inputs.open.shift()?.reject(new LeaseLost('410'));
    await deliver();
    expect(reports).toEqual(['returned a.0']);
    workers[0]?.finish(OK);
    await settle();
    outputs.open.shift()?.reject(new SpillRefused('digest differs'));
    await settle();
    workers[0]?.finish(OK);
    await settle();
    outputs.open.shift()?.reject(new LeaseLost('403'));
    await settle();
    expect(reports).toEqual(['returned a.0', 'failed a.1 bad_spill', 'returned a.2']);
    expect(pool.empty).toBe(true);
  });

  test('stops what is revoked, wherever it stands, and says nothing of it', async () => {
    pool.setSlots(1);
    pool.grant([plan('a')], grants('a', 8));
    await deliver();
    workers[0]?.finish(OK);
    await settle();
    await deliver();
    // 0 uploads, 1 runs, 2 to 4 are ready, the rest wait.
    expect(outputs.open.map(({ lease }) => lease)).toEqual(['a.0']);
    pool.revoke(['a.0', 'a.1', 'a.2', 'a.7', 'unknown']);
    await settle();
    expect(workers[0]?.dead).toBe(true);
    expect(running()).toEqual([3]);
    outputs.open[0]?.resolve('too late');
    workers[1]?.finish(FAILED);
    await settle();
    expect(reports).toEqual(['failed a.3 program_threw']);
  });

  test('gives everything back when it is snoozed, and starts afresh later', async () => {
    pool.setSlots(2);
    pool.grant([plan('a')], grants('a', 6));
    await deliver();
    pool.setSlots(0);
    pool.halt(true);
    await settle();
    expect([...reports].sort()).toEqual(grants('a', 6).map(({ lease }) => `returned ${lease}`));
    expect(workers.every(({ dead }) => dead)).toBe(true);
    pool.setSlots(1);
    pool.grant([], [grant('a', 9)]);
    await deliver();
    expect(running()).toEqual([9]);
  });

  test('finishes what runs and gives back the rest when it is to end', async () => {
    pool.setSlots(1);
    pool.grant([plan('a')], grants('a', 3));
    await deliver();
    pool.giveBackWaiting();
    expect(reports).toEqual(['returned a.1', 'returned a.2']);
    expect(running()).toEqual([0]);
    workers[0]?.finish(OK);
    await settle();
    outputs.open[0]?.resolve('r');
    await settle();
    expect(reports.at(-1)).toBe('done a.0 r');
    expect(pool.empty).toBe(true);
  });

  test('lets a worker finish when fewer cores are lent', async () => {
    pool.setSlots(2);
    pool.grant([plan('a')], grants('a', 4));
    await deliver();
    pool.setSlots(1);
    expect(running()).toEqual([0, 1]);
    workers[1]?.finish(OK);
    await settle();
    expect(workers[1]?.dead).toBe(true);
    expect(running()).toEqual([0]);
    expect(pool.views()).toHaveLength(1);
  });

  test('names what is alive, working first', async () => {
    pool.setSlots(1);
    pool.grant([plan('a')], grants('a', 2));
    expect(pool.alive().map(({ lease }) => lease)).toEqual(['a.0', 'a.1']);
    await deliver();
    expect(pool.alive()).toEqual([{ lease: 'a.0', fraction: 0 }]);
  });

  test('ends a task that runs past its lease, and one that never began is given back', async () => {
    pool.setSlots(1);
    pool.grant(
      [plan('a')],
      [
        { ...grant('a', 0), leaseMs: 0 },
        { ...grant('a', 1), leaseMs: 0 },
      ],
    );
    await deliver();
    expect(running()).toEqual([0]);
    pool.tick();
    await settle();
    expect(reports).toEqual(['returned a.1', 'failed a.0 deadline']);
  });

  test('gives back a grant of a job whose plan it was never told', () => {
    pool.setSlots(1);
    pool.grant([], [grant('a', 0)]);
    expect(reports).toEqual(['returned a.0']);
  });

  test('says that it is broken when no sandbox can be had, and holds nothing', async () => {
    sandboxFails = true;
    pool.setSlots(1);
    pool.grant([plan('a')], grants('a', 5));
    await deliver();
    await deliver();
    expect(broken[0]).toBe('no frame');
    expect(reports.every((report) => report.startsWith('returned'))).toBe(true);
  });
});
