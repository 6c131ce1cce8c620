// What a job believes of results, one strategy per mode: how many copies a task wants and of whom, what a
// digest that comes in means, which result is committed, who is credited and who is blamed. Pure: chance is an
// argument, and map-stage.ts keeps the tasks.
import { ATTEMPTS_MAX } from '../../../shared/limits.ts';
import type { MapReduceSpec, TaskError, Verify } from '../../../shared/schemas/job.ts';
import { type AttemptRecord, EDGE, hasLapsed, isDeterministic } from './attempts.ts';
import type { Credit } from '../../contracts/job.rpc.ts';

/**
 * What a task waits for while it has no committed result. `collecting`: for enough equal digests.
 * `checking`: the edge repeats a volunteer's result, and the edge's digest decides.
 */
export type TaskPhase = 'collecting' | 'checking';

export interface TaskResults {
  attempts: readonly AttemptRecord[];
  phase: TaskPhase;
}

/** How a job was asked to verify. */
export interface TrustRules {
  verify: Verify;
  mappers: MapReduceSpec['mappers'];
  /** Share of volunteers' results that the edge repeats; used in `adaptive`. */
  recheckShare: number;
}

/** What a digest that came in means for its task. */
export type Verdict =
  | { kind: 'commit'; winner: AttemptRecord }
  /** Nothing is decided yet. `error`: there were too many different results, the job has to end. */
  | { kind: 'wait'; phase: TaskPhase; disagreeing: number[]; error: TaskError | null }
  /** The volunteer has answered already: a second answer is no second vote. */
  | { kind: 'refuse' };

/** The attempts that a task lacks. */
export interface Lacking {
  count: number;
  by: 'anybody' | 'edge';
}

interface Strategy {
  /** Equal digests that commit a task. */
  copies(verify: Verify): number;
  /** The phase of a task whose attempts were read back from storage. */
  restoredPhase(attempts: readonly AttemptRecord[]): TaskPhase;
  /** The phase of a task after `record` answered. `chance`: 0 ≤ n < 1, unforeseeable by volunteers. */
  phaseAfter(
    task: TaskResults,
    record: AttemptRecord,
    rules: TrustRules,
    chance: () => number,
  ): TaskPhase;
}

/** Results count as they come: the first digest that has enough equals is committed. */
const voting: Pick<Strategy, 'restoredPhase' | 'phaseAfter'> = {
  restoredPhase: () => 'collecting',
  phaseAfter: () => 'collecting',
};

const STRATEGIES: Record<Verify['mode'], Strategy> = {
  none: { ...voting, copies: () => 1 },
  quorum: { ...voting, copies: (verify) => (verify.mode === 'quorum' ? verify.copies : 1) },
  adaptive: {
    copies: () => 1,
    // Only a result that is being checked waits: the others are committed at once.
    restoredPhase: (attempts) =>
      awaiting(attempts).some(({ by }) => by !== EDGE) ? 'checking' : 'collecting',
    phaseAfter: ({ phase }, { by }, { mappers, recheckShare }, chance) =>
      phase === 'checking' || (by !== EDGE && mappers !== 'edge' && chance() < recheckShare)
        ? 'checking'
        : 'collecting',
  },
};

const copiesOf = (verify: Verify): number => STRATEGIES[verify.mode].copies(verify);

export const restoredPhase = ({ verify }: TrustRules, attempts: readonly AttemptRecord[]) =>
  STRATEGIES[verify.mode].restoredPhase(attempts);

/** Results that wait for the decision about their task. */
const awaiting = (attempts: readonly AttemptRecord[]): AttemptRecord[] =>
  attempts.filter(({ state }) => state === 'awaiting-quorum');

/** Attempts beyond the `out` ones that are out and those that agree. */
export function lacking(rules: TrustRules, { attempts, phase }: TaskResults, out: number): Lacking {
  if (phase === 'checking') return { count: out > 0 ? 0 : 1, by: 'edge' };
  const count = copiesOf(rules.verify) - out - largestVote(awaiting(attempts)).length;
  return { count: Math.max(0, count), by: 'anybody' };
}

/** Whether results differ: the edge is then asked too, though volunteers are at work. */
export const wantsReferee = ({ attempts }: TaskResults): boolean =>
  digestsOf(awaiting(attempts)).size > 1;

/** A volunteer confirms nothing of its own: who has answered a task, or has it in hand, gets it no more. */
export const mayAnswer = ({ attempts }: TaskResults, by: string): boolean =>
  attempts.every(
    (attempt) =>
      attempt.by !== by || (attempt.state !== 'awaiting-quorum' && attempt.state !== 'leased'),
  );

/** What `record`'s digest means. The attempt waits for the quorum already: it is one of the votes. */
export function judge(
  rules: TrustRules,
  task: TaskResults,
  record: AttemptRecord,
  chance: () => number,
): Verdict {
  const { by } = record;
  const votes = awaiting(task.attempts);
  // A lease that ran out and the one that followed it may both end well.
  if (by !== EDGE && votes.some((vote) => vote !== record && vote.by === by)) {
    return { kind: 'refuse' };
  }
  const strategy = STRATEGIES[rules.verify.mode];
  const phase = strategy.phaseAfter(task, record, rules, chance);
  const copies = strategy.copies(rules.verify);
  const agreeing = largestVote(votes);
  const voted = agreeing.length >= copies ? agreeing[0] : undefined;
  const winner = phase === 'checking' ? votes.find((vote) => vote.by === EDGE) : voted;
  if (winner) return { kind: 'commit', winner };
  const disagreeing = digestsOf(votes).size > 1 ? votes.map(({ attempt }) => attempt) : [];
  const message = `${votes.length} attempts at task ${record.task} gave no ${copies} equal results`;
  const hopeless = votes.length >= copies + ATTEMPTS_MAX;
  const error: TaskError = { code: 'disagreement', message, task: record.task };
  return { kind: 'wait', phase, disagreeing, error: hopeless ? error : null };
}

/** What becomes of the results of a task when one of them has won. */
export interface Settlement {
  /** A volunteer's result that the edge merely confirmed is the one committed. */
  committed: AttemptRecord;
  blamed: AttemptRecord[];
  error: TaskError;
}

export function settle(attempts: readonly AttemptRecord[], winner: AttemptRecord): Settlement {
  const votes = awaiting(attempts);
  const isEqual = ({ digest }: AttemptRecord) => digest === winner.digest;
  const { task } = winner;
  const message = `its digest differs from the one that ${winner.by} and the vote agree on`;
  return {
    committed: votes.find((vote) => vote.by !== EDGE && isEqual(vote)) ?? winner,
    blamed: votes.filter((vote) => !isEqual(vote)),
    error: { code: 'disagreement', message, task },
  };
}

/**
 * Whether `record`'s failure ends the job. One volunteer must not be able to fail a job that others could
 * finish: where there are others, each volunteer is one voice, and the edge is believed.
 */
export function endsJob(
  { mappers }: TrustRules,
  attempts: readonly AttemptRecord[],
  record: AttemptRecord,
): boolean {
  const voices = (failures: readonly AttemptRecord[]): number => {
    if (mappers !== 'any') return failures.length;
    const volunteers = failures.filter(({ by }) => by !== EDGE);
    return failures.length - volunteers.length + new Set(volunteers.map(({ by }) => by)).size;
  };
  const failures = attempts.filter((attempt) => attempt.state === 'failed' && !hasLapsed(attempt));
  const deterministic = failures.filter(({ error }) => error && isDeterministic(error));
  const certain =
    deterministic.includes(record) && (record.by === EDGE || voices(deterministic) >= 2);
  return certain || voices(failures) >= ATTEMPTS_MAX;
}

/**
 * What volunteers earned with the attempts that one change settled, each listed once. A result is verified when
 * another attempt, by another volunteer or the edge, had the same digest; others count as work only.
 */
export function creditsOf(changed: readonly AttemptRecord[]): Credit[] {
  const credits: Credit[] = [];
  const add = (by: string, earned: Partial<Credit>): void => {
    if (by === EDGE) return;
    credits.push({ by, tasks: 0, bytes: 0, verified: 0, rejected: 0, ...earned });
  };
  const agreeing = new Map<number, AttemptRecord[]>();
  for (const attempt of changed) {
    const { state, error, by, task } = attempt;
    if (state === 'committed' || state === 'discarded') {
      agreeing.set(task, [...(agreeing.get(task) ?? []), attempt]);
    } else if (
      state === 'failed' &&
      (error?.code === 'disagreement' || error?.code === 'bad_spill')
    ) {
      add(by, { rejected: 1 });
    }
  }
  for (const attempts of agreeing.values()) {
    // Discarded without a commit: a second answer of one volunteer.
    if (!attempts.some(({ state }) => state === 'committed')) continue;
    const verified = attempts.length > 1 ? 1 : 0;
    for (const { by, receipt } of attempts) {
      add(by, { tasks: 1, bytes: receipt?.trailer.bytesIn ?? 0, verified });
    }
  }
  return credits;
}

const digestsOf = (votes: readonly AttemptRecord[]) => new Set(votes.map(({ digest }) => digest));

/** The most results that are equal. */
function largestVote(votes: readonly AttemptRecord[]): AttemptRecord[] {
  let largest: AttemptRecord[] = [];
  for (const equal of Map.groupBy(votes, ({ digest }) => digest).values()) {
    if (equal.length > largest.length) largest = equal;
  }
  return largest;
}
