// What a list of jobs shows of a run: how many of its steps are where, and none of what they came to.
import type { DagJob, DagJobSummary, StepState } from '../schemas/dag.ts';

type Shown = Omit<DagJobSummary, 'kind' | 'progress'>;

/** Of a run's steps, only the states are looked at. */
export function runSummary(
  run: Shown,
  steps: Readonly<Record<string, { state: StepState }>>,
): DagJobSummary {
  const { id, name, state, reason, createdAt, startedAt, finishedAt, cost, error } = run;
  const progress = { steps: 0, done: 0, skipped: 0, failed: 0, cancelled: 0, running: 0 };
  for (const step of Object.values(steps)) {
    progress.steps++;
    if (step.state !== 'waiting' && step.state !== 'ready') progress[step.state]++;
  }
  const shown = { id, name, state, reason, createdAt, startedAt, finishedAt, cost, error };
  return { ...shown, kind: 'dag', progress };
}

export const summaryOfRun = (run: DagJob): DagJobSummary => runSummary(run, run.steps);
