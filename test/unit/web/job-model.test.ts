// The job page's model: one fold over the events, the same however they arrive.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JobEvent } from '../../../shared/schemas/job.ts';
import { JobModel, TASK_STATES } from '../../../web/features/jobs/mapreduce/job-model.ts';

const START_MS = Date.parse('2026-11-24T10:00:00.000Z');

type Loose = { type: JobEvent['type'] } & Record<string, unknown>;

/** Numbers and times events, a tenth of a second apart. */
function log(events: Loose[], stepMs = 100): JobEvent[] {
  return events.map((event, i) => ({
    ...event,
    seq: i + 1,
    time: new Date(START_MS + i * stepMs).toISOString(),
  }));
}

function modelOf(events: JobEvent[]): JobModel {
  const model = new JobModel();
  model.fold(events);
  return model;
}

/** Everything a view can see. */
function visible(model: JobModel) {
  return {
    ...model,
    version: 0,
    taskStates: [...model.taskStates],
    taskOwners: [...model.taskOwners],
    taskAttempts: [...model.taskAttempts],
    taskMs: [...model.taskMs],
    attempts: { kept: [...model.attempts.kept()], open: model.attempts.allOpen() },
    throughput: {
      startMs: model.throughput.startMs,
      bucketMs: model.throughput.bucketMs,
      tasks: model.throughput.rates('tasks'),
      bytes: model.throughput.rates('bytes'),
      records: model.throughput.rates('records'),
    },
  };
}

/** A job of `splits` splits as a JobObject would tell it: choices decide what happens next. */
function story(splits: number, choices: number[]): JobEvent[] {
  const events: Loose[] = [
    { type: 'submitted', name: 'story' },
    { type: 'planned', splits },
    { type: 'waiting', reason: 'no volunteer connected' },
    { type: 'mapping' },
  ];
  const bys = ['volunteer-a', 'volunteer-b', 'edge'];
  const open: { task: number; attempt: number; by: string }[] = [];
  const attempts = new Array<number>(splits).fill(0);
  const committed = new Set<number>();
  for (const choice of choices) {
    const by = bys[choice % 3] ?? 'edge';
    const name = `name of ${by}`;
    const at = open.length === 0 ? -1 : choice % open.length;
    const chosen = open[at];
    if (choice % 5 < 2 || !chosen) {
      const task = choice % splits;
      if (committed.has(task)) continue;
      const attempt = (attempts[task] ?? 0) + 1;
      attempts[task] = attempt;
      open.push({ task, attempt, by });
      events.push({ type: 'granted', by, name, tasks: [[task, attempt]] });
      continue;
    }
    const { task, attempt } = chosen;
    if (choice % 5 === 2) {
      const error = { code: 'program_threw', message: 'no', task };
      events.push({ type: 'attemptFailed', task, attempt, by: chosen.by, name, error });
      open.splice(at, 1);
    } else if (choice % 5 === 3) {
      events.push({ type: 'returned', by: chosen.by, tasks: [[task, attempt]], reason: 'closed' });
      open.splice(at, 1);
    } else {
      committed.add(task);
      events.push({
        type: 'committed',
        by: chosen.by,
        name,
        tasks: [[task, attempt, 40, 10, 1_000]],
      });
      for (let i = open.length - 1; i >= 0; i--) if (open[i]?.task === task) open.splice(i, 1);
    }
  }
  if (committed.size === splits) {
    events.push({ type: 'reducing', partitions: 2 });
    events.push(
      { type: 'partReduced', partition: 1, keys: 3, bytes: 90, ms: 12 },
      { type: 'done' },
    );
  }
  return log(events);
}

const stories = fc
  .tuple(fc.integer({ min: 1, max: 12 }), fc.array(fc.nat(), { maxLength: 200 }))
  .map(([splits, choices]) => story(splits, choices));

describe('job model', () => {
  test('any batching of the same events gives the same model, repeats included', () => {
    fc.assert(
      fc.property(
        stories,
        fc.array(fc.nat({ max: 20 })),
        fc.nat({ max: 5 }),
        (events, sizes, again) => {
          const whole = modelOf(events);
          const batched = new JobModel();
          let at = 0;
          for (const size of sizes) {
            // A resumed stream may begin with events that were already taken.
            batched.fold(events.slice(Math.max(0, at - again), at + size));
            at += size;
          }
          batched.fold(events.slice(Math.max(0, at - again)));
          if (at === 0) batched.fold(events);
          expect(visible(batched)).toEqual(visible(whole));
        },
      ),
    );
  });

  test('each split is in one state, and the counts, lanes and throughput agree with the events', () => {
    fc.assert(
      fc.property(stories, (events) => {
        const model = modelOf(events);
        const states = TASK_STATES.map(
          (_, code) => model.taskStates.filter((s) => s === code).length,
        );
        expect(TASK_STATES.map((state) => model.counts[state])).toEqual(states);
        const rows = events
          .filter((event) => event.type === 'committed')
          .flatMap((event) => event['tasks'] as number[][]);
        expect(model.counts.committed).toBe(rows.length);
        const lanes = (of: 'committed' | 'bytes' | 'records') =>
          model.lanes.reduce((sum, lane) => sum + lane[of], 0);
        expect(lanes('committed')).toBe(rows.length);
        expect(lanes('bytes')).toBe(rows.length * 1_000);
        expect(lanes('records')).toBe(rows.length * 10);
        const { perSecond } = model.throughput.rates('tasks');
        const total = perSecond.reduce(
          (sum, rate) => sum + (rate * model.throughput.bucketMs) / 1000,
          0,
        );
        expect(Math.round(total)).toBe(rows.length);
        expect(model.lanes.reduce((sum, lane) => sum + lane.active, 0)).toBe(
          model.attempts.allOpen().length,
        );
      }),
    );
  });

  test('a failed attempt shows as tried again, then as running, and a failed job names its split', () => {
    const model = new JobModel();
    const error = { code: 'program_threw', message: 'TypeError: no', line: 3, task: 1 };
    const events = log([
      { type: 'planned', splits: 2 },
      { type: 'granted', by: 'volunteer-a', name: 'Ada', tasks: [[1, 1]] },
      { type: 'attemptFailed', by: 'volunteer-a', name: 'Ada', task: 1, attempt: 1, error },
      { type: 'granted', by: 'edge', name: 'edge', tasks: [[1, 2]] },
      { type: 'attemptFailed', by: 'edge', name: 'edge', task: 1, attempt: 2, error },
      { type: 'failed', error },
      { type: 'retried' },
    ]);
    const seen: string[] = [];
    for (const event of events) {
      model.fold([event]);
      seen.push(model.stateOf(1));
    }
    expect(seen).toEqual(['waiting', 'running', 'retry', 'running', 'retry', 'failed', 'retry']);
    expect(model.failures.map(({ by, name, error: { line } }) => [by, name, line])).toEqual([
      ['volunteer-a', 'Ada', 3],
      ['edge', 'edge', 3],
    ]);
    expect(model.stateOf(0)).toBe('waiting');
  });

  test('a second attempt beside the first is a check, and the one that is not committed is dropped', () => {
    const model = modelOf(
      log([
        { type: 'planned', splits: 1 },
        { type: 'granted', by: 'volunteer-a', name: 'Ada', tasks: [[0, 1]] },
        { type: 'granted', by: 'edge', name: 'edge', tasks: [[0, 2]] },
      ]),
    );
    expect(model.stateOf(0)).toBe('checking');
    const committed = {
      type: 'committed' as const,
      by: 'volunteer-a',
      tasks: [[0, 1, 150, 5, 50]],
    };
    model.fold([{ ...committed, seq: 4, time: new Date(START_MS + 300).toISOString() }]);
    expect(model.stateOf(0)).toBe('committed');
    expect(model.ownerOf(0)?.name).toBe('Ada');
    expect([...model.attempts.kept()].map(({ attempt, end }) => [attempt, end])).toEqual([
      [1, 'committed'],
      [2, 'dropped'],
    ]);
    // What is drawn is the running, not the waiting in the mapper's queue.
    const [first] = model.attempts.kept();
    expect((first?.endMs ?? 0) - (first?.startMs ?? 0)).toBe(150);
    expect(model.lanes.every((lane) => lane.active === 0)).toBe(true);
  });

  test('a retried reduce keeps the parts that were there', () => {
    const model = modelOf(
      log([
        { type: 'planned', splits: 0 },
        { type: 'reducing', partitions: 3 },
        { type: 'partReduced', partition: 0, keys: 5, bytes: 10, ms: 1 },
        {
          type: 'reduceFailed',
          partition: 2,
          attempt: 1,
          error: { code: 'program_threw', message: 'x' },
        },
        { type: 'failed', error: { code: 'program_threw', message: 'x', partition: 2 } },
        { type: 'retried' },
        { type: 'reducing', partitions: 3 },
      ]),
    );
    expect(model.parts.map((part) => part.state)).toEqual(['committed', 'waiting', 'waiting']);
    expect(model.partsDone).toBe(1);
    expect(model.failures[0]?.partition).toBe(2);
  });

  test('100,000 splits stay within bounded memory', () => {
    const splits = 100_000;
    const model = modelOf(log([{ type: 'planned', splits }]));
    const batch = 500;
    let seq = 1;
    for (let from = 0; from < splits; from += batch) {
      const tasks = Array.from({ length: batch }, (_, i) => [from + i, 1]);
      const by = `volunteer-${(from / batch) % 40}`;
      const time = new Date(START_MS + from * 10).toISOString();
      model.fold([
        { seq: ++seq, time, type: 'granted', by, name: by, tasks },
        { seq: ++seq, time, type: 'committed', by, tasks: tasks.map((task) => [...task, 9, 1, 1]) },
      ]);
    }
    expect(model.counts.committed).toBe(splits);
    expect([...model.attempts.kept()].length).toBeLessThan(20_000);
    expect(model.attempts.ended).toBe(splits);
    expect(model.events.length).toBeLessThanOrEqual(1_000);
    expect(model.throughput.length).toBeLessThanOrEqual(240);
    const { perSecond } = model.throughput.rates('tasks');
    const total = perSecond.reduce(
      (sum, rate) => sum + (rate * model.throughput.bucketMs) / 1000,
      0,
    );
    expect(Math.round(total)).toBe(splits);
  });

  test('events of a newer edge, with fields this page does not know, do no harm', () => {
    const strange = log([
      { type: 'planned', splits: 2, how: 'well' },
      { type: 'granted', tasks: 'all' },
      { type: 'committed', by: 7, tasks: [[99, 1], 'x', [-1]] },
      { type: 'attemptFailed', task: 'none', error: 'odd' },
      { type: 'partReduced', partition: 4 },
    ]);
    const model = modelOf([...strange, { seq: 9, time: 'never', type: 'later' as 'done' }]);
    expect(model.counts.waiting).toBe(2);
    expect(model.failures).toEqual([]);
    expect(model.lastSeq).toBe(9);
  });
});
