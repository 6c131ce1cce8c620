// What each mode of verification believes, against answers of any mappers in any order: a task is decided by the
// rule of its mode alone, each volunteer is one voice, and only what was compared is blamed or verified.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ATTEMPTS_MAX } from '../../shared/limits.ts';
import type { TaskError } from '../../shared/schemas/job.ts';
import { type AttemptRecord, EDGE } from '../../worker/jobs/mapreduce/attempts.ts';
import {
  creditsOf,
  endsJob,
  judge,
  lacking,
  mayAnswer,
  restoredPhase,
  settle,
  type TaskPhase,
  type TrustRules,
  type Verdict,
} from '../../worker/jobs/mapreduce/verification.ts';

interface Answer {
  by: string;
  digest: string;
  /** What chance says of it. */
  drawn: boolean;
}

const RECHECK = 0.25;
const VOLUNTEERS = ['volunteer-a', 'volunteer-b', 'volunteer-c', 'volunteer-d'];
const answer: fc.Arbitrary<Answer> = fc.record({
  by: fc.constantFrom(EDGE, ...VOLUNTEERS),
  digest: fc.constantFrom('truth', 'truth', 'lie', 'lie2'),
  drawn: fc.boolean(),
});
const answers = fc.array(answer, { maxLength: 14 });
const copies = fc.integer({ min: 2, max: 4 });

const attemptOf = (n: number, fields: Partial<AttemptRecord>): AttemptRecord => ({
  task: 7,
  attempt: n,
  by: EDGE,
  name: 'a mapper',
  network: 'net',
  state: 'awaiting-quorum',
  grantedAtMs: 0,
  deadlineMs: 0,
  ms: 1,
  digest: null,
  error: null,
  receipt: null,
  ...fields,
});

interface Step {
  record: AttemptRecord;
  answer: Answer;
  verdict: Verdict;
  /** Results that counted, with this one. */
  votes: AttemptRecord[];
}

/** Answers one after the other, until the task is decided. */
function play(rules: TrustRules, given: Answer[]): Step[] {
  const task: { attempts: AttemptRecord[]; phase: TaskPhase } = {
    attempts: [],
    phase: 'collecting',
  };
  const steps: Step[] = [];
  for (const [i, { by, digest, drawn }] of given.entries()) {
    const record = attemptOf(i + 1, { by, digest });
    task.attempts.push(record);
    const verdict = judge(rules, task, record, () => (drawn ? RECHECK / 2 : RECHECK));
    if (verdict.kind === 'refuse') record.state = 'discarded';
    else if (verdict.kind === 'wait') task.phase = verdict.phase;
    const votes = task.attempts.filter(({ state }) => state === 'awaiting-quorum');
    steps.push({ record, answer: { by, digest, drawn }, verdict, votes });
    if (verdict.kind === 'commit') break;
    expect(restoredPhase(rules, task.attempts), 'a restart changes no phase').toBe(task.phase);
    const lack = lacking(rules, task, 0);
    expect(lack.count, 'what is undecided with nothing out wants something').toBeGreaterThan(0);
    expect(lacking(rules, task, lack.count).count).toBe(0);
  }
  return steps;
}

const rulesOf = (verify: TrustRules['verify'], mappers: TrustRules['mappers'] = 'any') => ({
  verify,
  mappers,
  recheckShare: RECHECK,
});
const most = (votes: AttemptRecord[]): number =>
  Math.max(0, ...['truth', 'lie', 'lie2'].map((d) => votes.filter((v) => v.digest === d).length));

describe('a result is committed', () => {
  test('at once without verification', () => {
    fc.assert(
      fc.property(answers, (given) => {
        const [first, ...more] = play(rulesOf({ mode: 'none' }), given);
        if (!first) return;
        expect(first.verdict).toEqual({ kind: 'commit', winner: first.record });
        expect(more).toEqual([]);
      }),
    );
  });

  test('by a quorum exactly when enough different voices said the same', () => {
    fc.assert(
      fc.property(answers, copies, (given, enough) => {
        const seen = new Set<string>();
        for (const { record, verdict, votes } of play(
          rulesOf({ mode: 'quorum', copies: enough }),
          given,
        )) {
          const again = record.by !== EDGE && seen.has(record.by);
          seen.add(record.by);
          const volunteers = votes.map(({ by }) => by).filter((by) => by !== EDGE);
          expect(new Set(volunteers).size).toBe(volunteers.length);
          if (again) expect(verdict.kind).toBe('refuse');
          else expect(verdict.kind).toBe(most(votes) >= enough ? 'commit' : 'wait');
          if (verdict.kind === 'commit') {
            const equal = votes.filter(({ digest }) => digest === verdict.winner.digest);
            expect(equal.length).toBe(enough);
          } else if (verdict.kind === 'wait') {
            const differ = new Set(votes.map(({ digest }) => digest)).size > 1;
            expect(verdict.disagreeing).toEqual(differ ? votes.map(({ attempt }) => attempt) : []);
            expect(verdict.error !== null).toBe(votes.length >= enough + ATTEMPTS_MAX);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('adaptively: what chance draws waits for the edge, whose digest then decides', () => {
    fc.assert(
      fc.property(answers, fc.constantFrom('any', 'volunteers', 'edge'), (given, mappers) => {
        const rules = rulesOf({ mode: 'adaptive' }, mappers);
        const steps = play(rules, given);
        const [first] = steps;
        if (!first) return;
        const checked = first.record.by !== EDGE && first.answer.drawn && mappers !== 'edge';
        if (!checked) expect(first.verdict).toEqual({ kind: 'commit', winner: first.record });
        for (const { record, verdict } of checked ? steps : []) {
          expect(verdict.kind === 'commit').toBe(record.by === EDGE);
          if (verdict.kind === 'commit') expect(verdict.winner).toBe(record);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test('a settled task credits an equal volunteer first, and blames what differs, nothing else', () => {
  fc.assert(
    fc.property(answers, (given) => {
      const attempts = given.map(({ by, digest }, i) => attemptOf(i + 1, { by, digest }));
      for (const winner of attempts) {
        const { committed, blamed, error } = settle(attempts, winner);
        expect(committed.digest).toBe(winner.digest);
        const equal = attempts.filter(({ digest }) => digest === winner.digest);
        expect(committed.by === EDGE).toBe(equal.every(({ by }) => by === EDGE));
        expect(blamed).toEqual(attempts.filter((attempt) => !equal.includes(attempt)));
        expect(error).toMatchObject({ code: 'disagreement', task: 7 });
      }
    }),
  );
});

test('nobody gets a task again that it answered or has in hand', () => {
  const state = fc.constantFrom('leased', 'awaiting-quorum', 'failed', 'returned', 'discarded');
  fc.assert(
    fc.property(fc.array(fc.tuple(answer, state)), fc.constantFrom(...VOLUNTEERS), (given, by) => {
      const attempts = given.map(([one, now], i) => attemptOf(i + 1, { by: one.by, state: now }));
      const barred = attempts.some(
        (a) => a.by === by && (a.state === 'leased' || a.state === 'awaiting-quorum'),
      );
      expect(mayAnswer({ attempts, phase: 'collecting' }, by)).toBe(!barred);
    }),
  );
});

describe('a failure ends the job', () => {
  const error = (code: TaskError['code']): TaskError => ({ code, message: 'no', task: 7 });
  const failures = fc.array(
    fc.record({
      by: fc.constantFrom(EDGE, ...VOLUNTEERS),
      code: fc.constantFrom('program_threw', 'internal'),
    }),
    { minLength: 1, maxLength: 10 },
  );

  test('when the edge saw it in the program, two volunteers did, or many failed', () => {
    fc.assert(
      fc.property(failures, (given) => {
        const attempts = given.map(({ by, code }, i) =>
          attemptOf(i + 1, { by, state: 'failed', error: error(code) }),
        );
        const last = attempts.at(-1) as AttemptRecord;
        const voices = (some: AttemptRecord[]) =>
          some.filter(({ by }) => by === EDGE).length +
          VOLUNTEERS.filter((id) => some.some(({ by }) => by === id)).length;
        const threw = attempts.filter((a) => a.error?.code === 'program_threw');
        const certain =
          last.error?.code === 'program_threw' && (last.by === EDGE || voices(threw) >= 2);
        expect(endsJob(rulesOf({ mode: 'none' }), attempts, last)).toBe(
          certain || voices(attempts) >= ATTEMPTS_MAX,
        );
        // One volunteer alone never fails a job that others could finish.
        const own = attempts.filter(({ by }) => by === last.by);
        if (last.by !== EDGE) expect(endsJob(rulesOf({ mode: 'none' }), own, last)).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  test('and a lease that ran out in silence counts as none', () => {
    const silent = Array.from({ length: 9 }, (_, i) =>
      attemptOf(i + 1, { by: EDGE, state: 'failed', ms: null, error: error('deadline') }),
    );
    const failed = attemptOf(10, {
      by: VOLUNTEERS[0] ?? '',
      state: 'failed',
      error: error('internal'),
    });
    expect(endsJob(rulesOf({ mode: 'none' }), [...silent, failed], failed)).toBe(false);
  });
});

test('credits go to volunteers of settled tasks, reputation only for what was compared', () => {
  const state = fc.constantFrom('committed', 'discarded', 'failed', 'revoked');
  const changed = fc.array(
    fc.tuple(
      fc.nat({ max: 2 }),
      fc.constantFrom(EDGE, ...VOLUNTEERS),
      state,
      fc.constantFrom('disagreement', 'bad_spill', 'deadline'),
    ),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(changed, (given) => {
      const attempts = given.map(([task, by, now, code], i) =>
        attemptOf(i, {
          task,
          by,
          state: now,
          error: now === 'failed' ? { code, message: 'no' } : null,
        }),
      );
      const credits = creditsOf(attempts);
      expect(credits.some(({ by }) => by === EDGE)).toBe(false);
      for (const by of VOLUNTEERS) {
        const earned = credits.filter((credit) => credit.by === by);
        const sum = (field: 'tasks' | 'verified' | 'rejected') =>
          earned.reduce((total, credit) => total + credit[field], 0);
        const settled = (a: AttemptRecord) => a.state === 'committed' || a.state === 'discarded';
        const own = attempts.filter(
          (a) =>
            a.by === by &&
            settled(a) &&
            attempts.some((b) => b.task === a.task && b.state === 'committed'),
        );
        expect(sum('tasks')).toBe(own.length);
        const compared = own.filter((a) =>
          attempts.some((b) => b !== a && b.task === a.task && settled(b)),
        );
        expect(sum('verified')).toBe(compared.length);
        expect(sum('rejected')).toBe(
          attempts.filter(
            (a) => a.by === by && a.state === 'failed' && a.error?.code !== 'deadline',
          ).length,
        );
      }
    }),
    { numRuns: 500 },
  );
});
