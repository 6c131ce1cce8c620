// Single stories of the map stage, told one at a time; test/property/map-stage.test.ts holds the laws.
import { describe, expect, test } from 'vitest';
import { ATTEMPTS_MAX } from '../../../shared/limits.ts';
import type { SpillReceipt } from '../../../shared/mapreduce/task.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import {
  type AttemptRecord,
  EDGE,
  leaseLengthMs,
  storedAttempt,
} from '../../../worker/jobs/mapreduce/attempts.ts';
import { MapStage, type MapStageOptions } from '../../../worker/jobs/mapreduce/map-stage.ts';

const timing = { nowMs: 0, leaseMs: 1000, freshForEdge: false };
const fresh = { ...timing, freshForEdge: true };
const named = (by: string) => ({ by, name: by, network: by });
const threw: TaskError = { code: 'program_threw', message: 'TypeError: no' };
const broke: TaskError = { code: 'internal', message: 'no' };

function stageOf(options: Partial<MapStageOptions> = {}): MapStage {
  return new MapStage({
    tasks: 1,
    verify: { mode: 'none' },
    mappers: 'any',
    recheckShare: 0,
    random: () => 0.5,
    ...options,
  });
}

function receipt(task: number, attempt: number, digest: string): SpillReceipt {
  const trailer = {
    recordsIn: 0,
    bytesIn: 0,
    emitted: 0,
    recordsOut: 0,
    badRecords: 0,
    badRecordsListed: [],
    userCounters: {},
  };
  return { job: 'j', task, attempt, digest, storedBytes: 0, sections: '', trailer };
}

const done = (stage: MapStage, task: number, attempt: number, digest = 'd') =>
  stage.done(task, attempt, receipt(task, attempt, digest), 5);

describe('a quorum', () => {
  const quorum = { verify: { mode: 'quorum', copies: 2 } } as const;

  test('is two volunteers, not one who answers twice', () => {
    const stage = stageOf(quorum);
    stage.grant(named('ann'), 1, timing);
    stage.returned(0, 1, 'tab closed');
    stage.grant(named('ann'), 1, timing);
    expect(done(stage, 0, 1).committed).toEqual([]);
    const again = done(stage, 0, 2);
    expect(again.committed).toEqual([]);
    expect(again.changed.map(({ state }) => state)).toEqual(['discarded']);
    const [lease] = stage.grant(named('bob'), 1, timing);
    expect(done(stage, 0, lease?.attempt ?? 0).committed).toHaveLength(1);
  });

  test('that does not agree calls the edge, while volunteers are at work', () => {
    const stage = stageOf({ ...quorum, tasks: 2 });
    stage.grant(named('ann'), 2, timing);
    stage.grant(named('bob'), 2, timing);
    done(stage, 0, 1, 'truth');
    expect(stage.edgeWork(false)).toBe(0);
    expect(done(stage, 0, 2, 'lie').disagreements).toEqual([{ task: 0, attempts: [1, 2] }]);
    expect(stage.edgeWork(false)).toBe(1);
    const [referee] = stage.grant(named(EDGE), 5, timing);
    const { committed, changed, disagreements } = done(stage, 0, referee?.attempt ?? 0, 'truth');
    expect(committed.map(({ by }) => by)).toEqual(['ann']);
    expect(disagreements).toEqual([{ task: 0, attempts: [2] }]);
    const liar = changed.find(({ by, state }) => by === 'bob' && state === 'failed');
    expect(liar?.error?.code).toBe('disagreement');
  });

  test('takes back what is still out when it is reached', () => {
    const stage = stageOf({ verify: { mode: 'quorum', copies: 2 }, tasks: 1 });
    stage.grant(named('ann'), 1, timing);
    stage.grant(named('bob'), 1, timing);
    stage.returned(0, 2, 'snoozed');
    stage.grant(named('cem'), 1, timing);
    done(stage, 0, 1);
    const { changed } = done(stage, 0, 2);
    expect(changed.find(({ by }) => by === 'cem')?.state).toBe('revoked');
    expect(stage.activeOf('cem')).toBe(0);
    expect(stage.complete).toBe(true);
    expect(stage.volunteersActive).toBe(false);
  });
});

describe('failures', () => {
  test('of one volunteer do not end a job that the edge could do', () => {
    const stage = stageOf();
    // He takes it, gives it back and takes it again: it stays one voice.
    stage.grant(named('mallory'), 1, timing);
    stage.returned(0, 1, 'snoozed');
    stage.grant(named('mallory'), 1, timing);
    expect(stage.failed(0, 1, threw, 1).fatal).toBeNull();
    expect(stage.failed(0, 2, threw, 1).fatal).toBeNull();
    expect(stage.grant(named('mallory'), 1, timing)).toEqual([]);
    expect(stage.edgeWork(false)).toBe(1);
    const [lease] = stage.grant(named(EDGE), 1, timing);
    expect(done(stage, 0, lease?.attempt ?? 0).committed).toHaveLength(1);
  });

  test('of the program end the job when the edge has seen them', () => {
    const stage = stageOf();
    stage.grant(named(EDGE), 1, fresh);
    expect(stage.failed(0, 1, threw, 1).fatal).toEqual({ ...threw, task: 0 });
  });

  test('of the program end the job when two volunteers have seen them', () => {
    const stage = stageOf();
    stage.grant(named('ann'), 1, timing);
    expect(stage.failed(0, 1, threw, 1).fatal).toBeNull();
    stage.grant(named('bob'), 1, timing);
    expect(stage.failed(0, 2, threw, 1).fatal?.code).toBe('program_threw');
  });

  test('of the program end a job that only volunteers may map, with a single one there', () => {
    const stage = stageOf({ mappers: 'volunteers' });
    stage.grant(named('ann'), 1, timing);
    expect(stage.failed(0, 1, threw, 1).fatal).toBeNull();
    const [lease] = stage.grant(named('ann'), 1, timing);
    expect(stage.failed(0, lease?.attempt ?? 0, threw, 1).fatal?.code).toBe('program_threw');
  });

  test('of other kinds end the job after some attempts', () => {
    const stage = stageOf({ mappers: 'edge' });
    for (let attempt = 1; attempt < ATTEMPTS_MAX; attempt++) {
      stage.grant(named(EDGE), 1, fresh);
      expect(stage.failed(0, attempt, broke, 1).fatal).toBeNull();
    }
    stage.grant(named(EDGE), 1, fresh);
    expect(stage.failed(0, ATTEMPTS_MAX, broke, 1).fatal?.code).toBe('internal');
  });
});

describe('leases that run out', () => {
  const lapse = (stage: MapStage, times: number, rows: AttemptRecord[]) => {
    let fatal: TaskError | null = null;
    for (let i = 0; i < times; i++) {
      stage.grant(named(EDGE), 1, { ...fresh, nowMs: i * 1000 });
      const { changed, fatal: end } = stage.expire((i + 1) * 1000);
      rows.push(...changed.map((row) => ({ ...row })));
      fatal ??= end;
    }
    return fatal;
  };

  test('end the job after eight silences, however often the object restarts in between', () => {
    const rows: AttemptRecord[] = [];
    expect(lapse(stageOf({ mappers: 'edge' }), 7, rows)).toBeNull();
    const restarted = stageOf({ mappers: 'edge' });
    restarted.restore([], rows);
    expect(lapse(restarted, 1, rows)?.code).toBe('deadline');
  });

  test('are not failures: one of these after many of those ends nothing', () => {
    const stage = stageOf({ mappers: 'edge' });
    lapse(stage, ATTEMPTS_MAX, []);
    const [lease] = stage.grant(named(EDGE), 1, fresh);
    expect(stage.failed(0, lease?.attempt ?? 0, broke, 1).fatal).toBeNull();
  });

  test('are forgiven by a retry, also after a restart', () => {
    const rows: AttemptRecord[] = [];
    const stage = stageOf({ mappers: 'edge' });
    lapse(stage, 8, rows);
    const forgiven = stage.forgive().changed;
    expect(forgiven).toHaveLength(8);
    const restarted = stageOf({ mappers: 'edge' });
    restarted.restore([], forgiven);
    expect(lapse(restarted, 7, rows)).toBeNull();
  });

  test('still count when the result comes after all', () => {
    const stage = stageOf();
    stage.grant(named('ann'), 1, timing);
    expect(stage.expire(1000).changed).toHaveLength(1);
    expect(done(stage, 0, 1).committed).toHaveLength(1);
  });

  test('run on while their mapper gives signs of life', () => {
    const stage = stageOf();
    stage.grant(named('ann'), 1, timing);
    stage.alive(0, 1, 2500);
    expect(stage.nextDeadlineMs()).toBe(2500);
    expect(stage.expire(2400).changed).toEqual([]);
    expect(stage.expire(2500).changed).toHaveLength(1);
    expect(stage.nextDeadlineMs()).toBeNull();
  });
});

describe('backups', () => {
  const backups = (records: AttemptRecord[]) => records.map(({ backup }) => backup === true);

  test('are attempts that would not be needed if the silent ones still counted', () => {
    const stage = stageOf();
    expect(backups(stage.grant(named('ann'), 1, timing))).toEqual([false]);
    stage.expire(1000);
    expect(backups(stage.grant(named('bob'), 1, { ...timing, nowMs: 1000 }))).toEqual([true]);
    // Ann was slow, not gone: her result counts, and bob's attempt is taken back.
    expect(done(stage, 0, 1).committed.map(({ by }) => by)).toEqual(['ann']);
  });

  test('are not the copies of a quorum, nor what follows a failure or a return', () => {
    const stage = stageOf({ verify: { mode: 'quorum', copies: 2 } });
    stage.grant(named('ann'), 1, timing);
    expect(backups(stage.grant(named('bob'), 1, timing))).toEqual([false]);
    stage.failed(0, 1, broke, 1);
    expect(backups(stage.grant(named('cem'), 1, timing))).toEqual([false]);
    stage.returned(0, 2, 'snoozed');
    expect(backups(stage.grant(named('dan'), 1, { ...timing, nowMs: 500 }))).toEqual([false]);
    stage.expire(1200);
    expect(backups(stage.grant(named('eve'), 1, { ...timing, nowMs: 1200 }))).toEqual([true]);
  });
});

test('attempts of version 0.4.0 that were held wait for their quorum', () => {
  const stage = stageOf({ verify: { mode: 'quorum', copies: 2 } });
  stage.grant(named('ann'), 1, timing);
  const rows = done(stage, 0, 1).changed.map((row) => JSON.stringify({ ...row, state: 'held' }));
  const restarted = stageOf({ verify: { mode: 'quorum', copies: 2 } });
  restarted.restore([], rows.map(storedAttempt));
  expect(restarted.grant(named('ann'), 1, timing)).toEqual([]);
  const [lease] = restarted.grant(named('bob'), 1, timing);
  expect(done(restarted, 0, lease?.attempt ?? 0).committed).toHaveLength(1);
});

describe('tasks given back', () => {
  const giveBack = (stage: MapStage, by: string, nowMs: number) => {
    const [lease] = stage.grant(named(by), 1, { ...timing, nowMs });
    if (lease) stage.returned(0, lease.attempt, 'snoozed');
    return lease !== undefined;
  };

  test('three times by one volunteer come to him again later and later, to others at once', () => {
    const stage = stageOf({ mappers: 'volunteers' });
    for (let i = 0; i < 3; i++) expect(giveBack(stage, 'ann', 0)).toBe(true);
    expect(giveBack(stage, 'ann', 4_999)).toBe(false);
    expect(giveBack(stage, 'ann', 5_000)).toBe(true);
    expect(giveBack(stage, 'ann', 14_999)).toBe(false);
    expect(giveBack(stage, 'ann', 15_000)).toBe(true);
    expect(stage.grant(named('bob'), 1, { ...timing, nowMs: 15_000 })).toHaveLength(1);
  });

  test("three times are the edge's to do, while volunteers are at work", () => {
    const stage = stageOf();
    for (const by of ['ann', 'bob']) giveBack(stage, by, 0);
    expect(stage.edgeWork(false)).toBe(0);
    giveBack(stage, 'cem', 0);
    expect(stage.edgeWork(false)).toBe(1);
  });

  test('count as work that is left, and finished ones do not', () => {
    const stage = stageOf({ tasks: 3 });
    expect(stage.unleased).toBe(3);
    stage.grant(named('ann'), 2, timing);
    expect(stage.unleased).toBe(1);
    stage.returned(0, 1, 'snoozed');
    done(stage, 1, 1);
    expect(stage.unleased).toBe(2);
  });
});

describe('adaptive checks', () => {
  const adaptive = { verify: { mode: 'adaptive' }, recheckShare: 1 } as const;

  test("have the edge repeat a volunteer's result, and credit the volunteer", () => {
    const stage = stageOf(adaptive);
    stage.grant(named('ann'), 1, timing);
    expect(done(stage, 0, 1).committed).toEqual([]);
    expect(stage.grant(named('bob'), 1, timing)).toEqual([]);
    expect(stage.hasWork).toBe(false);
    expect(stage.edgeWork(false)).toBe(1);
    stage.grant(named(EDGE), 1, timing);
    expect(done(stage, 0, 2).committed.map(({ by }) => by)).toEqual(['ann']);
  });

  test("commit the edge's result where they differ, and name the liar", () => {
    const stage = stageOf(adaptive);
    stage.grant(named('mallory'), 1, timing);
    done(stage, 0, 1, 'lie');
    stage.grant(named(EDGE), 1, timing);
    const { committed, changed } = done(stage, 0, 2, 'truth');
    expect(committed.map(({ by, digest }) => [by, digest])).toEqual([[EDGE, 'truth']]);
    expect(changed.find(({ by }) => by === 'mallory')?.error?.code).toBe('disagreement');
  });

  test('go on after a restart', () => {
    const stage = stageOf(adaptive);
    stage.grant(named('ann'), 1, timing);
    const { changed } = done(stage, 0, 1);
    const restarted = stageOf(adaptive);
    restarted.restore([], changed);
    expect(restarted.edgeWork(false)).toBe(1);
  });
});

describe('the order of work', () => {
  test('tasks that a crash left without any row are found again', () => {
    const stage = stageOf({ tasks: 4 });
    stage.restore([2], []);
    const tasks = stage.grant(named('ann'), 9, timing).map(({ task }) => task);
    expect(tasks.sort()).toEqual([0, 1, 3]);
  });

  test('tasks that a volunteer may not take do not hide those that he may, however many', () => {
    const tasks = 5_000;
    const stage = stageOf({ tasks, verify: { mode: 'quorum', copies: 2 } });
    const mine = stage.grant(named('ann'), tasks, timing);
    stage.returned(tasks - 1, 1, 'snoozed');
    for (const { task, attempt } of mine.slice(0, -1)) done(stage, task, attempt);
    // All but the last wait for somebody other than ann.
    const found: number[] = [];
    for (let i = 0; i < 5 && found.length === 0; i++) {
      found.push(...stage.grant(named('ann'), 1, timing).map(({ task }) => task));
    }
    expect(found).toEqual([tasks - 1]);
  });

  test('volunteers get nothing of a job that asks for the edge', () => {
    expect(stageOf({ mappers: 'edge' }).grant(named('ann'), 1, timing)).toEqual([]);
  });

  test('the edge gets nothing fresh while volunteers are at work', () => {
    const stage = stageOf({ tasks: 3 });
    expect(stage.grant(named(EDGE), 2, timing)).toEqual([]);
    expect(stage.edgeWork(false)).toBe(0);
    expect(stage.edgeWork(true)).toBe(3);
    expect(stage.grant(named(EDGE), 2, fresh)).toHaveLength(2);
  });

  test('a volunteer who leaves frees all that he had', () => {
    const stage = stageOf({ tasks: 3 });
    stage.grant(named('ann'), 3, timing);
    expect(stage.gone('ann', 'tab closed').changed).toHaveLength(3);
    expect(stage.grant(named('bob'), 3, timing)).toHaveLength(3);
  });

  test('the end of a job takes every lease back', () => {
    const stage = stageOf({ tasks: 3 });
    stage.grant(named('ann'), 3, timing);
    expect(stage.revokeAll('cancelled').changed.map(({ state }) => state)).toEqual([
      'revoked',
      'revoked',
      'revoked',
    ]);
    expect(stage.volunteersActive).toBe(false);
  });
});

test('leases last a multiple of what tasks take, within bounds', () => {
  const bounds = { initial: 60_000, min: 15_000, max: 900_000, factor: 10 };
  expect([null, 10, 5_000, 1e9].map((ms) => leaseLengthMs(ms, bounds))).toEqual([
    60_000, 15_000, 50_000, 900_000,
  ]);
});
