// The map stage against honest, failing, silent and lying mappers, in any order, with restarts at any point:
// each task commits once, nothing is lost, nobody confirms himself, and a restart changes no decision.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SpillReceipt } from '../../shared/mapreduce/task.ts';
import type { MapReduceSpec, TaskError } from '../../shared/schemas/job.ts';
import { type AttemptRecord, EDGE } from '../../worker/jobs/mapreduce/attempts.ts';
import { type Changes, MapStage, noChanges } from '../../worker/jobs/mapreduce/map-stage.ts';

const LEASE = 1000;
const VOLUNTEERS = ['volunteer-a', 'volunteer-b', 'volunteer-c'];

const MAPPERS = [EDGE, ...VOLUNTEERS];

interface Lease {
  task: number;
  attempt: number;
  by: string;
}

interface Setting {
  tasks: number;
  verify: MapReduceSpec['verify'];
  mappers: MapReduceSpec['mappers'];
  recheckShare: number;
}

type Step =
  | { kind: 'grant'; by: number; count: number; fresh: boolean }
  | { kind: 'done'; pick: number; lie: number }
  | { kind: 'failed'; pick: number; deterministic: boolean }
  | { kind: 'returned'; pick: number }
  | { kind: 'gone'; by: number }
  | { kind: 'alive'; pick: number }
  | { kind: 'pass'; ms: number }
  | { kind: 'restart' }
  | { kind: 'forgive' };

/** A stage with the rows that a JobObject would keep of it, and what was ever granted and committed. */
class Bench {
  stage: MapStage;
  nowMs = 0;
  fatal: TaskError | null = null;
  readonly setting: Setting;
  readonly rows = new Map<string, string>();
  readonly committed = new Map<number, AttemptRecord>();
  /** Everything ever granted, so that reports may come late and twice. */
  readonly granted: Lease[] = [];
  #luck = 1;

  constructor(setting: Setting) {
    this.setting = setting;
    this.stage = this.#newStage();
  }

  #newStage(): MapStage {
    return new MapStage({ ...this.setting, random: () => this.#random() });
  }

  #random(): number {
    this.#luck = (this.#luck * 48271) % 2147483647;
    return this.#luck / 2147483647;
  }

  /** What is stored, as JSON: no object is shared between the stage and its rows. */
  store(changed: AttemptRecord[]): void {
    for (const record of changed) {
      this.rows.set(`${record.task}/${record.attempt}`, JSON.stringify(record));
    }
  }

  storedAttempts(): AttemptRecord[] {
    return [...this.rows.values()]
      .map((row) => JSON.parse(row) as AttemptRecord)
      .filter(({ task }) => !this.committed.has(task))
      .sort((a, b) => a.task - b.task || a.attempt - b.attempt);
  }

  restored(): MapStage {
    const stage = this.#newStage();
    stage.restore([...this.committed.keys()], this.storedAttempts());
    return stage;
  }

  apply(changes: Changes): Changes {
    for (const winner of changes.committed) {
      expect(this.committed.has(winner.task), `task ${winner.task} commits once`).toBe(false);
      expect(winner.state).toBe('committed');
      expect(winner.receipt?.digest).toBe(winner.digest);
      this.#checkVotes(winner);
      this.committed.set(winner.task, { ...winner });
    }
    this.store(changes.changed);
    this.fatal ??= changes.fatal;
    expect(this.stage.committedCount).toBe(this.committed.size);
    return changes;
  }

  /** A quorum has that many equal results, of as many different volunteers, the edge apart. */
  #checkVotes(winner: AttemptRecord): void {
    const { verify } = this.setting;
    if (verify.mode !== 'quorum') return;
    const equal = [...this.rows.values()]
      .map((row) => JSON.parse(row) as AttemptRecord)
      .filter(
        (a) =>
          a.task === winner.task && a.state === 'awaiting-quorum' && a.digest === winner.digest,
      )
      .filter((a) => a.attempt !== this.reporting?.attempt)
      .map((a) => a.by);
    if (this.reporting) equal.push(this.reporting.by);
    expect(equal.length).toBeGreaterThanOrEqual(verify.copies);
    const volunteers = equal.filter((by) => by !== EDGE);
    expect(new Set(volunteers).size).toBe(volunteers.length);
  }
  reporting: Lease | null = null;
  /** What the stage answered to the last report. */
  last: Changes = noChanges();

  grant(by: string, count: number, freshForEdge: boolean): AttemptRecord[] {
    const granted = this.stage.grant({ by, name: by, network: by }, count, {
      nowMs: this.nowMs,
      leaseMs: LEASE,
      freshForEdge,
    });
    expect(granted.length).toBeLessThanOrEqual(count);
    for (const { task, attempt } of granted) {
      expect(this.committed.has(task)).toBe(false);
      expect(this.rows.has(`${task}/${attempt}`), 'attempt numbers are never used again').toBe(
        false,
      );
      this.granted.push({ task, attempt, by });
      if (by === EDGE) continue;
      const own = this.storedAttempts().filter(
        (a) =>
          a.task === task && a.by === by && (a.state === 'awaiting-quorum' || a.state === 'leased'),
      );
      expect(own, 'nobody gets a task that he has in hand or has answered').toEqual([]);
    }
    this.store(granted);
    return granted;
  }

  done(lease: Lease, digest: string): void {
    this.reporting = lease;
    this.apply(this.stage.done(lease.task, lease.attempt, receiptOf(lease, digest), 10));
    this.reporting = null;
  }

  #leaseOf(step: Step): Lease | undefined {
    return 'pick' in step ? this.granted[step.pick % (this.granted.length || 1)] : undefined;
  }

  /** What a stage answers to a report; null when the step is none. */
  report(stage: MapStage, step: Step): Changes | null {
    const lease = this.#leaseOf(step);
    switch (step.kind) {
      case 'done': {
        // The edge does not lie.
        const digest =
          lease?.by === EDGE ? 'truth' : (['truth', 'lie', 'lie2'][step.lie] ?? 'truth');
        return lease ? stage.done(lease.task, lease.attempt, receiptOf(lease, digest), 10) : null;
      }
      case 'failed': {
        const error = {
          code: step.deterministic ? 'program_threw' : 'internal',
          message: 'no',
        } as const;
        return lease ? stage.failed(lease.task, lease.attempt, error, 10) : null;
      }
      case 'returned':
        return lease ? stage.returned(lease.task, lease.attempt, 'tab closed') : null;
      case 'gone':
        return stage.gone(MAPPERS[step.by] ?? EDGE, 'gone');
      case 'pass':
        return stage.expire(this.nowMs + step.ms);
      default:
        return null;
    }
  }

  step(step: Step): void {
    const lease = this.#leaseOf(step);
    if (step.kind === 'done') this.reporting = lease ?? null;
    const answer = this.report(this.stage, step);
    if (answer) {
      // As it is now: the stage goes on changing its records.
      this.last = structuredClone(answer);
      this.apply(answer);
    }
    this.reporting = null;
    if (step.kind === 'pass') this.nowMs += step.ms;
    else if (step.kind === 'grant') this.grant(MAPPERS[step.by] ?? EDGE, step.count, step.fresh);
    else if (step.kind === 'alive' && lease) {
      this.stage.alive(lease.task, lease.attempt, this.nowMs + LEASE);
    } else if (step.kind === 'restart') this.stage = this.restored();
    else if (step.kind === 'forgive') {
      this.store(this.stage.forgive().changed);
      this.fatal = null;
    }
  }
}

const receiptOf = (lease: { task: number; attempt: number }, digest: string): SpillReceipt => ({
  job: 'job',
  task: lease.task,
  attempt: lease.attempt,
  digest,
  storedBytes: 1,
  sections: '',
  trailer: {
    recordsIn: 1,
    bytesIn: 1,
    emitted: 1,
    recordsOut: 1,
    badRecords: 0,
    badRecordsListed: [],
    userCounters: {},
  },
});

const setting: fc.Arbitrary<Setting> = fc.record({
  tasks: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(1, 2) }, fc.integer({ min: 3, max: 6 })),
  verify: fc.constantFrom<MapReduceSpec['verify']>(
    { mode: 'none' },
    { mode: 'adaptive' },
    { mode: 'quorum', copies: 2 },
    { mode: 'quorum', copies: 3 },
  ),
  mappers: fc.constantFrom<MapReduceSpec['mappers']>('any', 'volunteers', 'edge'),
  recheckShare: fc.constantFrom(0, 0.5, 1),
});

const by = fc.nat({ max: VOLUNTEERS.length });
const pick = fc.nat({ max: 40 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('grant'),
      by,
      count: fc.integer({ min: 1, max: 3 }),
      fresh: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('done'), pick, lie: fc.constantFrom(0, 0, 0, 1, 2) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('failed'), pick, deterministic: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('returned'), pick }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('gone'), by }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('alive'), pick }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('pass'), ms: fc.integer({ min: 1, max: LEASE + 1 }) }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'restart' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'forgive' } as const) },
);
const steps = fc.array(step, { maxLength: 60 });

/** What a stage would do next, for everybody: what a restart must not change. */
function prospects(stage: MapStage) {
  return {
    committed: stage.committedCount,
    complete: stage.complete,
    hasWork: stage.hasWork,
    volunteersActive: stage.volunteersActive,
    edge: [stage.edgeWork(false), stage.edgeWork(true)],
    active: [EDGE, ...VOLUNTEERS].map((name) => stage.activeOf(name)),
  };
}

/** Changes in one order: that of leases in memory is nobody's business. */
function shown({ changed, committed, disagreements, fatal }: Changes) {
  const ordered = (records: AttemptRecord[]) =>
    [...records].sort((a, b) => a.task - b.task || a.attempt - b.attempt);
  return {
    changed: ordered(changed),
    committed: ordered(committed),
    disagreements,
    fatal: fatal?.code,
  };
}

describe('the map stage', () => {
  test('commits each task once, whatever mappers do, and forgets nothing over restarts', () => {
    fc.assert(
      fc.property(setting, steps, (options, all) => {
        const bench = new Bench(options);
        for (const one of all) {
          bench.step(one);
          expect(prospects(bench.restored())).toEqual(prospects(bench.stage));
          if (bench.fatal) break;
        }
      }),
      { numRuns: 1500 },
    );
  });

  test('answers every report after a restart as it would have without', () => {
    // Signs of life are not stored, and luck is not either: both are left out.
    const sameLuck = setting.map((options) => ({
      ...options,
      recheckShare: options.recheckShare > 0 ? 1 : 0,
    }));
    const stored = steps.map((all) => all.filter(({ kind }) => kind !== 'alive'));
    fc.assert(
      fc.property(sameLuck, stored, (options, all) => {
        const bench = new Bench(options);
        for (const one of all) {
          const restarted = bench.restored();
          const answered = bench.report(restarted, one);
          bench.step(one);
          if (!answered) continue;
          expect(prospects(restarted)).toEqual(prospects(bench.stage));
          expect(shown(answered)).toEqual(shown(bench.last));
          if (bench.fatal) break;
        }
      }),
      { numRuns: 500 },
    );
  });

  test('ends once honest mappers have come, if nothing has failed the job before', () => {
    fc.assert(
      fc.property(setting, steps, (options, all) => {
        const bench = new Bench(options);
        for (const one of all) {
          bench.step(one);
          if (bench.fatal) return;
        }
        // Whoever was there leaves, and as many honest ones come as the job's rules ask for.
        bench.nowMs += 10 * LEASE;
        bench.apply(bench.stage.expire(bench.nowMs));
        if (bench.fatal) return;
        const copies = options.verify.mode === 'quorum' ? options.verify.copies : 1;
        const honest = Array.from({ length: copies + 2 }, (_, i) => `honest-${i}`);
        for (let round = 0; round < 100 && !bench.stage.complete; round++) {
          for (const name of [...honest, EDGE]) {
            for (const lease of bench.grant(name, 10, options.mappers === 'edge')) {
              bench.done({ ...lease }, 'truth');
            }
          }
          expect(bench.fatal).toBeNull();
        }
        expect(bench.stage.complete).toBe(true);
        expect(bench.committed.size).toBe(options.tasks);
      }),
      { numRuns: 1500 },
    );
  });

  test('ends with nobody but the edge, where the edge may map', () => {
    const edgeMay = setting.map((options) => ({
      ...options,
      mappers: options.mappers === 'volunteers' ? ('any' as const) : options.mappers,
    }));
    fc.assert(
      fc.property(edgeMay, steps, (options, all) => {
        const bench = new Bench(options);
        for (const one of all) bench.step(one);
        bench.nowMs += 10 * LEASE;
        bench.apply(bench.stage.expire(bench.nowMs));
        if (bench.fatal) return;
        for (let round = 0; round < 100 && !bench.stage.complete; round++) {
          expect(bench.stage.edgeWork(true)).toBeGreaterThan(0);
          for (const lease of bench.grant(EDGE, 3, true)) bench.done({ ...lease }, 'truth');
        }
        expect(bench.stage.complete).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('never commits a lie that the edge has looked at', () => {
    const checked = setting.map((options): Setting => ({
      ...options,
      verify: { mode: 'adaptive' },
      recheckShare: 1,
    }));
    fc.assert(
      fc.property(checked, steps, (options, all) => {
        const bench = new Bench(options);
        for (const one of all) {
          bench.step(one);
          if (bench.fatal) break;
        }
        for (const { digest } of bench.committed.values()) expect(digest).toBe('truth');
      }),
      { numRuns: 500 },
    );
  });
});
