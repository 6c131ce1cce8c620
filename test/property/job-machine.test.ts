// A job's whole life, with real mappers' and reducers' rules over rows in memory: reports in any order and twice,
// wake-ups that get lost, cancels and retries, and deaths between a change and what follows from it. A job never
// stands still, each task and part commits once, and what has ended commits nothing.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LEASE_MS } from '../../shared/limits.ts';
import { packSections, SECTION_PACKED_BYTES, unpackSection } from '../../shared/mapreduce/spill.ts';
import type { SpillReceipt } from '../../shared/mapreduce/task.ts';
import { type JobState, MapReduceSpec, type TaskError } from '../../shared/schemas/job.ts';
import type { Report, Want } from '../../worker/contracts/job.rpc.ts';
import { type AttemptRecord, EDGE } from '../../worker/jobs/mapreduce/attempts.ts';
import { JobArbiter, type Outgoing } from '../../worker/jobs/mapreduce/job-arbiter.ts';
import {
  happen,
  type Happening,
  hasEnded,
  type JobLife,
  type JobTimer,
} from '../../worker/jobs/mapreduce/job-machine.ts';
import type { JobRecord } from '../../worker/jobs/mapreduce/job-record.ts';
import type { JobRows, PartRow } from '../../worker/jobs/mapreduce/job-rows.ts';
import { packReceiptSections } from '../../worker/jobs/mapreduce/lease.ts';
import type { SplitPlan } from '../../worker/jobs/mapreduce/plan.ts';

const VOLUNTEERS = ['volunteer-a', 'volunteer-b', 'volunteer-c'];
const ERROR: TaskError = { code: 'internal', message: 'no' };

/** The tables of a JobObject. What is read back is a copy, as from storage. */
class Rows implements JobRows {
  readonly texts = new Map<string, string>();
  readonly attempts = new Map<string, AttemptRecord>();
  readonly committed = new Map<number, Uint8Array>();
  readonly parts = new Map<number, PartRow>();

  transaction = <Result>(work: () => Result): Result => work();
  #load<Value>(name: string): Value | null {
    const text = this.texts.get(name);
    return text === undefined ? null : (JSON.parse(text) as Value);
  }
  #save = (name: string) => (value: unknown) => {
    this.texts.set(name, JSON.stringify(value));
  };
  loadRecord = () => this.#load<JobRecord>('record');
  saveRecord = this.#save('record');
  loadSpec = () => this.#load<MapReduceSpec>('spec');
  saveSpec = this.#save('spec');
  loadPlan = () => this.#load<SplitPlan>('plan');
  savePlan = this.#save('plan');
  loadScan = () => this.#load<string>('scan');
  saveScan = this.#save('scan');

  saveAttempt(record: AttemptRecord): void {
    this.attempts.set(`${record.task}/${record.attempt}`, structuredClone(record));
  }
  saveCommitted(task: number, _attempt: number, sections: Uint8Array<ArrayBuffer>): void {
    expect(this.committed.has(task), `task ${task} commits once`).toBe(false);
    expect(hasEnded(this.loadRecord()?.state ?? 'done'), 'what has ended commits nothing').toBe(
      false,
    );
    this.committed.set(task, sections);
  }
  committedTasks = () => [...this.committed.keys()].sort((a, b) => a - b);
  committedCount = () => this.committed.size;
  openAttempts = () =>
    [...this.attempts.values()]
      .filter(({ task }) => !this.committed.has(task))
      .sort((a, b) => a.task - b.task || a.attempt - b.attempt)
      .map((record) => structuredClone(record));
  clearMap(): void {
    this.committed.clear();
    this.attempts.clear();
  }
  partitionTotals(partitions: number) {
    return Array.from({ length: partitions }, (_, partition) => {
      const sections = [...this.committed.values()].map((packed) =>
        unpackSection(packed, partition * SECTION_PACKED_BYTES),
      );
      const records = sections.reduce((sum, section) => sum + section.records, 0);
      return { records, storedBytes: records, sources: records };
    });
  }
  savePart(part: PartRow): void {
    if (this.parts.get(part.partition)?.state === 'committed') {
      throw new Error(`partition ${part.partition} commits once`);
    }
    this.parts.set(part.partition, { ...part });
  }
  partRow = (partition: number) => {
    const row = this.parts.get(partition);
    return row ? { ...row } : null;
  };
  partRows = () => [...this.parts.values()].map((row) => ({ ...row }));
  clearParts(): void {
    for (const [partition, { state }] of this.parts) {
      if (state !== 'committed') this.parts.delete(partition);
    }
  }
  clearAllParts(): void {
    this.parts.clear();
  }
}

interface Setting {
  tasks: number;
  partitions: number;
  verify: MapReduceSpec['verify'];
  mappers: MapReduceSpec['mappers'];
  /** What chance says, always. */
  chance: number;
}

type Step = {
  /** The object dies after the change, before anything follows from it. */
  dies: boolean;
} & (
  | { kind: 'ask'; by: number; count: number }
  | { kind: 'report'; pick: number; outcome: 'done' | 'lie' | 'failed' | 'returned' }
  | { kind: 'leave'; by: number }
  | { kind: 'mapper'; pick: number; leaving: boolean }
  | { kind: 'reducer'; pick: number }
  | { kind: 'part'; pick: number; outcome: 'done' | 'failed' | 'threw' }
  | { kind: 'lose'; pick: number }
  | { kind: 'pass'; ms: number | null }
  | { kind: 'restart' }
  | { kind: 'cancel' }
  | { kind: 'retry' }
);

/** A job with what its object would set in motion: queues, timers, mappers and reducers. */
class World {
  nowMs = 1_000_000;
  readonly rows = new Rows();
  readonly timers = new Map<JobTimer, number>();
  readonly events: string[] = [];
  /** Messages that lie in the queues. Any may be delivered again. */
  rings: number[] = [];
  partitions: number[] = [];
  /** Everything ever granted or begun, so that reports come late and twice. */
  readonly granted: AttemptRecord[] = [];
  readonly begun: { partition: number; attempt: number }[] = [];
  arbiter: JobArbiter;
  readonly setting: Setting;

  constructor(setting: Setting) {
    this.setting = setting;
    this.arbiter = this.#born();
    const { tasks, partitions, verify, mappers } = setting;
    const spec = MapReduceSpec.parse({
      kind: 'mapreduce',
      input: { range: { from: 0, to: tasks }, splitItems: 1 },
      code: 'x',
      partitions,
      verify,
      mappers,
    });
    this.arbiter.submit(
      {
        job: 'job',
        spec,
        input: null,
        stream: null,
        plan: { kind: 'integers', from: 0, to: tasks, splitItems: 1, splits: tasks },
        programHash: 'h',
        reduce: null,
        combine: null,
        guard: false,
      },
      this.nowMs,
    );
    this.goOn();
  }

  #born(): JobArbiter {
    return new JobArbiter(
      {
        rows: this.rows,
        event: (type) => this.events.push(type),
        timer: (name, atMs) => {
          if (atMs === null) this.timers.delete(name);
          else this.timers.set(name, atMs);
        },
        random: () => this.setting.chance,
      },
      this.nowMs,
    );
  }

  restart(): void {
    this.arbiter = this.#born();
  }

  get job() {
    const { job } = this.arbiter;
    if (!job) throw new Error('the job is gone');
    return job;
  }

  get state(): JobState {
    return this.job.record.state;
  }

  goOn(): void {
    const { rings, partitions }: Outgoing = this.arbiter.goOn(this.nowMs);
    this.rings.push(...rings);
    this.partitions.push(...partitions);
  }

  exchange(by: string, count: number, reports: Report[], ring?: number, leaving = false): void {
    const want: Want = { by, name: by, network: by, outstanding: count };
    const wants = count > 0 ? [want] : [];
    const receipts = reports.map(({ outcome, ...attempt }) =>
      outcome.kind === 'done' ? this.#receipt(attempt, outcome.receipt) : null,
    );
    const exchange = { lobby: by, reports, wants, gone: [] };
    const taken = this.arbiter.take(
      ring === undefined ? exchange : { ...exchange, ring: { ring, leaving } },
      receipts,
      this.nowMs,
    );
    this.granted.push(...taken.granted.map((attempt) => ({ ...attempt })));
  }

  /** One record a task, in the partition of its number. */
  #receipt({ task, attempt }: Pick<Report, 'task' | 'attempt'>, digest: string): SpillReceipt {
    const sections = Array.from({ length: this.setting.partitions }, (_, partition) => {
      const records = partition === task % this.setting.partitions ? 1 : 0;
      return { offset: 0, storedBytes: records, records };
    });
    const trailer = {
      recordsIn: 1,
      bytesIn: 0,
      emitted: 1,
      recordsOut: 1,
      badRecords: 0,
      badRecordsListed: [],
      userCounters: {},
    };
    const packed = packReceiptSections(packSections(sections));
    return { job: 'job', task, attempt, digest, storedBytes: 1, sections: packed, trailer };
  }

  report(attempt: AttemptRecord, outcome: 'done' | 'lie' | 'failed' | 'returned'): void {
    const { by, task, attempt: number } = attempt;
    const digest = outcome === 'lie' && by !== EDGE ? `lie of ${by}` : 'truth';
    const outcomes: Record<typeof outcome, Report['outcome']> = {
      done: { kind: 'done', receipt: digest },
      lie: { kind: 'done', receipt: digest },
      failed: { kind: 'failed', error: ERROR },
      returned: { kind: 'returned', reason: 'snoozed' },
    };
    this.exchange(by, 0, [{ task, attempt: number, by, ms: 5, outcome: outcomes[outcome] }]);
  }

  begin(partition: number): void {
    const work = this.arbiter.beginPart(partition, this.nowMs);
    if (work) this.begun.push({ partition, attempt: work.attempt });
  }

  finish(part: { partition: number; attempt: number }): boolean {
    const counted = { bytes: 1, keys: 1, recordsIn: 1, ms: 1, userCounters: {}, operations: {} };
    return this.arbiter.commitPart({ ...part, ...counted }, this.nowMs);
  }

  /** The timers that are due, as the object's handlers answer them. */
  wake(): void {
    const due = [...this.timers].filter(([, atMs]) => atMs <= this.nowMs);
    for (const [name] of due) {
      this.timers.delete(name);
      if (name === 'garbage') {
        expect(hasEnded(this.state), 'garbage is collected of ended jobs only').toBe(true);
        this.arbiter.startOver();
        this.timers.set('sweep', this.nowMs + 3_600_000);
      } else if (name === 'sweep') {
        expect(hasEnded(this.state), 'spills of a running job stay').toBe(true);
      } else {
        this.arbiter.expire(this.nowMs);
        this.goOn();
      }
    }
  }

  step(step: Step): void {
    const before = this.state;
    const picked = <Item>(items: readonly Item[], pick: number) => items[pick % items.length];
    switch (step.kind) {
      case 'ask':
        this.exchange(VOLUNTEERS[step.by] ?? '', step.count, []);
        break;
      case 'report': {
        const attempt = picked(this.granted, step.pick);
        if (attempt) this.report(attempt, step.outcome);
        break;
      }
      case 'leave': {
        const gone = [{ by: VOLUNTEERS[step.by] ?? '', reason: 'the tab closed' }];
        this.arbiter.take({ lobby: 'l', reports: [], wants: [], gone }, [], this.nowMs);
        break;
      }
      case 'mapper': {
        const ring = picked(this.rings, step.pick);
        if (ring === undefined || !this.arbiter.edgeWork(ring, this.nowMs)) break;
        this.exchange(EDGE, step.leaving ? 0 : 2, [], ring, step.leaving);
        break;
      }
      case 'reducer': {
        const partition = picked(this.partitions, step.pick);
        if (partition !== undefined) this.begin(partition);
        break;
      }
      case 'part': {
        const part = picked(this.begun, step.pick);
        if (!part) break;
        if (step.outcome === 'done') this.finish(part);
        else {
          const code = step.outcome === 'threw' ? 'program_threw' : 'internal';
          const error: TaskError = { code, message: 'no' };
          this.arbiter.failPart(part.partition, part.attempt, error, this.nowMs);
        }
        break;
      }
      case 'lose':
        this.rings = this.rings.filter((_, i) => i % 3 !== step.pick % 3);
        this.partitions = this.partitions.filter((_, i) => i % 3 !== step.pick % 3);
        break;
      case 'pass':
        // Null: until the next timer, exactly.
        this.nowMs = Math.max(
          this.nowMs,
          step.ms === null ? Math.min(...this.timers.values()) : this.nowMs + step.ms,
        );
        this.wake();
        break;
      case 'restart':
        this.restart();
        break;
      case 'cancel':
        expect(this.arbiter.cancel(this.nowMs)).toBe(!hasEnded(before));
        break;
      case 'retry':
        expect(this.arbiter.retry(this.nowMs)).toBe(before === 'failed');
    }
    if (step.dies) this.restart();
    else this.goOn();
    this.check(before);
  }

  check(before: JobState): void {
    const { record, map, spec } = this.job;
    const { state } = record;
    if (before === 'done' || before === 'cancelled') expect(state).toBe(before);
    expect(this.rows.loadRecord()?.state, 'memory and rows say the same').toBe(state);
    expect(record.mapped).toBe(this.rows.committed.size);
    expect(map.committedCount).toBe(this.rows.committed.size);
    if (hasEnded(state)) {
      expect(record.finishedAtMs).not.toBeNull();
      if (before !== state) expect(this.timers.has('garbage')).toBe(true);
      expect(map.nextDeadlineMs(), 'an ended job has no lease out').toBeNull();
      return;
    }
    expect(this.timers.has('garbage') || this.timers.has('sweep'), 'nothing is deleted').toBe(
      false,
    );
    // Without a timer a job waits for volunteers, whose lobbies ask for its work by themselves.
    const forVolunteers = spec.mappers === 'volunteers' && map.hasWork;
    expect(this.timers.has('advance') || forVolunteers, `${state}: stands still`).toBe(true);
    if (state === 'reducing') expect(map.complete).toBe(true);
  }

  /** Everybody is honest, answers, and comes as often as it takes. */
  end(): void {
    for (let round = 0; round < 200 && !hasEnded(this.state); round++) {
      this.nowMs += 1_000;
      this.wake();
      const from = this.granted.length;
      for (const by of [...VOLUNTEERS, 'honest-1', 'honest-2', 'honest-3', 'honest-4']) {
        if (this.setting.mappers !== 'edge') this.exchange(by, 8, []);
      }
      for (const ring of this.rings.splice(0)) {
        if (this.arbiter.edgeWork(ring, this.nowMs)) this.exchange(EDGE, 8, [], ring);
        this.exchange(EDGE, 0, [], ring, true);
      }
      for (const attempt of this.granted.slice(from)) this.report(attempt, 'done');
      this.goOn();
      const first = this.begun.length;
      for (const partition of this.partitions.splice(0)) this.begin(partition);
      for (const part of this.begun.slice(first)) this.finish(part);
      this.goOn();
    }
  }
}

const setting: fc.Arbitrary<Setting> = fc.record({
  tasks: fc.integer({ min: 0, max: 4 }),
  partitions: fc.integer({ min: 1, max: 3 }),
  verify: fc.constantFrom<MapReduceSpec['verify']>(
    { mode: 'none' },
    { mode: 'adaptive' },
    { mode: 'quorum', copies: 2 },
  ),
  mappers: fc.constantFrom<MapReduceSpec['mappers']>('any', 'volunteers', 'edge'),
  chance: fc.constantFrom(0, 0.999),
});

const pick = fc.nat({ max: 30 });
const by = fc.nat({ max: VOLUNTEERS.length - 1 });
const dies = fc.integer({ max: 7, min: 0 }).map((n) => n === 0);
const one = <Kind extends Step['kind']>(kind: Kind) => ({ kind: fc.constant(kind), dies });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ ...one('ask'), by, count: fc.integer({ min: 1, max: 4 }) }) },
  {
    weight: 9,
    arbitrary: fc.record({
      ...one('report'),
      pick,
      outcome: fc.constantFrom('done', 'done', 'done', 'done', 'lie', 'failed', 'returned'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ ...one('leave'), by }) },
  { weight: 5, arbitrary: fc.record({ ...one('mapper'), pick, leaving: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ ...one('reducer'), pick }) },
  {
    weight: 4,
    arbitrary: fc.record({
      ...one('part'),
      pick,
      outcome: fc.constantFrom('done', 'done', 'done', 'failed', 'threw'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ ...one('lose'), pick }) },
  {
    weight: 5,
    arbitrary: fc.record({
      ...one('pass'),
      ms: fc.constantFrom(null, null, 1, 4_000, 60_000, 200_000, 3_700_000),
    }),
  },
  { weight: 1, arbitrary: fc.record(one('restart')) },
  { weight: 1, arbitrary: fc.record(one('cancel')) },
  { weight: 3, arbitrary: fc.record(one('retry')) },
);

describe('a job', () => {
  test('never stands still, and commits each task and part once, whatever happens', () => {
    const reached = new Set<JobState>();
    fc.assert(
      fc.property(setting, fc.array(step, { maxLength: 80 }), (options, steps) => {
        const world = new World(options);
        for (const next of steps) {
          world.step(next);
          reached.add(world.state);
        }
      }),
      { numRuns: 1500 },
    );
    // The cases are worth something: they reach every state.
    expect(reached.size).toBe(6);
  });

  test('is done once honest mappers and reducers come, if it has not ended before', () => {
    fc.assert(
      fc.property(setting, fc.array(step, { maxLength: 40 }), (options, steps) => {
        const world = new World(options);
        for (const next of steps) world.step(next);
        world.restart();
        const before = world.state;
        world.end();
        if (hasEnded(before)) expect(world.state).toBe(before);
        // What failed before may be what the last attempt of a task needs to fail the job.
        else expect(['done', 'failed']).toContain(world.state);
        if (world.state !== 'done') return;
        expect(world.rows.committed.size).toBe(options.tasks);
        expect(world.job.record.counters.recordsIn).toBe(options.tasks);
        expect(world.rows.partRows().every(({ state }) => state === 'committed')).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('without any trouble is done, whatever was asked for', () => {
    fc.assert(
      fc.property(setting, (options) => {
        const world = new World(options);
        world.end();
        expect(world.state).toBe('done');
        const counted = world.events.filter((type) => type === 'done' || type === 'reducing');
        expect(counted).toEqual(['reducing', 'done']);
      }),
      { numRuns: 300 },
    );
  });
});

test('a backup is counted and told: a second attempt while the mapper of the first is silent', () => {
  const verify = { mode: 'none' } as const;
  const world = new World({ tasks: 1, partitions: 1, verify, mappers: 'volunteers', chance: 0 });
  const [slow = '', quick = ''] = VOLUNTEERS;
  world.exchange(slow, 1, []);
  world.nowMs += LEASE_MS;
  world.exchange(quick, 1, []);
  expect(world.job.record.counters).toMatchObject({ attempts: 2, backups: 1 });
  expect(world.events.filter((type) => type === 'backup')).toHaveLength(1);
  // The slow one was only slow: its result counts, and the task is done once.
  for (const attempt of world.granted) world.report(attempt, 'done');
  expect(world.job.record.counters).toMatchObject({ recordsIn: 1, volunteerTasks: 1, backups: 1 });
});

describe('the machine', () => {
  const STATES: JobState[] = ['queued', 'mapping', 'reducing', 'done', 'failed', 'cancelled'];
  const happening: fc.Arbitrary<Happening> = fc.oneof(
    fc.constant<Happening>({ kind: 'planned', splits: 3 }),
    fc.constant<Happening>({ kind: 'granted' }),
    fc.record({
      kind: fc.constant('mapped' as const),
      splits: fc.nat({ max: 3 }),
      partitions: fc.constant(2),
      waiting: fc.nat({ max: 2 }),
      problem: fc.constantFrom(null, 'records are missing'),
    }),
    fc.constant<Happening>({ kind: 'reduced' }),
    fc.constant<Happening>({ kind: 'failed', error: ERROR }),
    fc.constant<Happening>({ kind: 'cancelled' }),
    fc.record({ kind: fc.constant('retried' as const), mapped: fc.nat({ max: 2 }) }),
  );
  const newLife: JobLife = {
    state: 'queued',
    reason: '',
    error: null,
    startedAtMs: null,
    finishedAtMs: null,
    edgeFromMs: 0,
  };
  /** Where a job may go from each state. */
  const NEXT: Record<string, JobState[]> = {
    queued: ['queued', 'mapping', 'reducing', 'done', 'failed', 'cancelled'],
    mapping: ['mapping', 'reducing', 'done', 'failed', 'cancelled'],
    reducing: ['done', 'failed', 'cancelled'],
    done: [],
    failed: ['queued', 'mapping'],
    cancelled: [],
  };

  test('changes no value that it is given, goes nowhere but forward, and says what it did', () => {
    fc.assert(
      fc.property(
        fc.array(happening, { maxLength: 12 }),
        fc.constantFrom<MapReduceSpec['mappers']>('any', 'volunteers', 'edge'),
        (happenings, mappers) => {
          let life = newLife;
          happenings.forEach((what, nowMs) => {
            const given = Object.freeze({ ...life });
            const move = happen(given, what, { mappers }, nowMs);
            if (!move) return;
            expect(NEXT[given.state]).toContain(move.life.state);
            expect(STATES).toContain(move.life.state);
            expect(move.events.length).toBeGreaterThan(0);
            const ends = hasEnded(move.life.state);
            expect(move.revoke !== null, 'leases are taken back at the end, not before').toBe(ends);
            expect(move.life.finishedAtMs).toBe(ends ? nowMs : null);
            expect(typeof move.timers.garbage === 'number').toBe(ends);
            expect(move.life.error !== null).toBe(move.life.state === 'failed');
            if (what.kind === 'retried') {
              expect(move.timers).toEqual({ garbage: null, sweep: null });
            }
            life = move.life;
          });
        },
      ),
      { numRuns: 1000 },
    );
  });
});
