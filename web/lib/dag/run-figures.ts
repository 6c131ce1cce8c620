// What a run comes to in figures and in a sentence: pure, from the run as it was loaded and the time.
import type { DagJob, Step, StepState, StepStatus } from '../../../shared/schemas/dag.ts';
import { STEP_STATES } from '../../../shared/schemas/dag.ts';
import type { JobState } from '../../../shared/schemas/job.ts';
import { duration, exact, plural } from '../format.ts';
import type { StepMark } from './graph/graph-step.ts';

export type StepCounts = Record<StepState, number>;

export function stepCounts(run: Pick<DagJob, 'steps'>): StepCounts {
  const counts = Object.fromEntries(STEP_STATES.map((state) => [state, 0])) as StepCounts;
  for (const { state } of Object.values(run.steps)) counts[state]++;
  return counts;
}

const OVER: ReadonlySet<StepState | JobState> = new Set(['done', 'failed', 'skipped', 'cancelled']);

/** A step or a run in this state changes no more, unless it is tried again. */
export const isSettled = (state: StepState | JobState): boolean => OVER.has(state);

/** From its start to its end, or to now; null: it has not begun. */
export function tookMs(
  { startedAt, finishedAt }: Pick<StepStatus, 'startedAt' | 'finishedAt'>,
  nowMs: number,
): number | null {
  if (startedAt === null) return null;
  const endMs = finishedAt === null ? nowMs : Date.parse(finishedAt);
  return Math.max(0, endMs - Date.parse(startedAt));
}

/**
 * The edge's time as far as it is known here: at the end of a run nothing goes on, and a clock that is behind must not
 * make what just happened lie in the future.
 */
export function runNowMs(run: DagJob, clockMs: number): number {
  if (run.finishedAt !== null && isSettled(run.state)) return Date.parse(run.finishedAt);
  let latestMs = Math.max(clockMs, Date.parse(run.createdAt));
  for (const { startedAt, finishedAt } of Object.values(run.steps)) {
    if (startedAt !== null) latestMs = Math.max(latestMs, Date.parse(startedAt));
    if (finishedAt !== null) latestMs = Math.max(latestMs, Date.parse(finishedAt));
  }
  return latestMs;
}

export function criticalMs(run: DagJob, nowMs: number): number {
  return run.criticalPath.reduce((sum, name) => {
    const step = run.steps[name];
    return sum + (step ? (tookMs(step, nowMs) ?? 0) : 0);
  }, 0);
}

/** How a step stands, for its box. */
export function markOf(status: StepStatus, nowMs: number): StepMark {
  const { state, items, attempts } = status;
  const ms = tookMs(status, nowMs);
  const details = [
    items ? `${exact(items.done)}/${exact(items.count)}` : '',
    attempts > 1 && !items ? plural(attempts, 'attempt') : '',
    ms === null || state === 'waiting' || state === 'ready' ? '' : duration(ms),
  ];
  return {
    state,
    detail: details.filter((text) => text !== '').join(' · '),
    share: items ? (items.count === 0 ? 1 : (items.done + items.failed) / items.count) : null,
  };
}

export const marksOf = (run: DagJob, nowMs: number): Map<string, StepMark> =>
  new Map(Object.entries(run.steps).map(([name, status]) => [name, markOf(status, nowMs)]));

/** Steps that wait for a signal now. */
export function awaited(run: DagJob): { step: string; signal: string }[] {
  if (isSettled(run.state)) return [];
  return Object.entries(run.spec.steps).flatMap(([step, spec]) =>
    spec.run === 'wait' && spec.signal !== undefined && run.steps[step]?.state === 'running'
      ? [{ step, signal: spec.signal }]
      : [],
  );
}

/** What a step that works is busy with, in a few words. */
export function waitWords(spec: Step): string {
  if (spec.run === 'sleep') return `sleeps ${duration(spec.ms)}`;
  if (spec.run !== 'wait') return '';
  if (spec.signal !== undefined) return `waits for the signal ${spec.signal}`;
  return `waits for ${(spec.types ?? []).join(', ')} in the stream ${spec.stream}`;
}

const SHOWN = 3;

/** Every state says why. */
export function whyWords(run: DagJob): string {
  const failed = Object.keys(run.steps).filter((name) => run.steps[name]?.state === 'failed');
  const bad = failed.length === 0 ? [] : [`${named(failed)} failed`];
  if (run.state === 'failed') return bad.join('');
  if (isSettled(run.state)) return run.reason;
  if (run.reason !== '') return [...bad, run.reason].join('; ');
  const working: string[] = [];
  const waiting: string[] = [];
  for (const [name, { state }] of Object.entries(run.steps)) {
    const spec = run.spec.steps[name];
    if (state !== 'running' || !spec) continue;
    const words = waitWords(spec);
    if (words === '') working.push(name);
    else waiting.push(`${name} ${words}`);
  }
  if (working.length + waiting.length === 0) {
    return [
      ...bad,
      'nothing runs just now: a step is about to begin, or waits before it is tried again',
    ].join('; ');
  }
  const atWork = working.length === 0 ? [] : [`${named(working)} at work`];
  return [...bad, ...atWork, ...(waiting.length === 0 ? [] : [named(waiting)])].join('; ');
}

const named = (words: readonly string[]): string =>
  words.length > SHOWN
    ? `${words.slice(0, SHOWN).join(', ')} and ${exact(words.length - SHOWN)} more`
    : words.join(', ');

/** Steps that nothing else needs: what the run is for. */
export function lastSteps(run: Pick<DagJob, 'spec' | 'levels'>): string[] {
  const needed = new Set(Object.values(run.spec.steps).flatMap(({ needs }) => needs));
  return run.levels.flat().filter((step) => !needed.has(step));
}
