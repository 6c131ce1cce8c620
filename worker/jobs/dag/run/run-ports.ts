// What a run needs of the world: clock and chance, the StepRunner, the jobs of steps, logs, claims, the catalog. So its
// decisions can be tested without any of them.
import type { DagJobSummary } from '../../../../shared/schemas/dag.ts';
import type { JobStepsRpc } from '../../../contracts/job-steps.rpc.ts';
import type { StepRunnerRpc } from '../../../contracts/step-runner.rpc.ts';
import type { WatchRecord } from './run-record.ts';

/** What lies outside the run's object. */
export interface OutsidePorts {
  runner: StepRunnerRpc;
  jobs: JobStepsRpc;
  /** What the job of this attempt is called, also when its submission was never answered. */
  jobId(run: string, step: string, attempt: number): Promise<string>;
  /** The step's dispatcher is woken from now on; idempotent. */
  watch(run: string, watch: WatchRecord): Promise<void>;
  unwatch(run: string, watch: WatchRecord): Promise<void>;
  hold(run: string, tokens: readonly string[]): Promise<void>;
  release(run: string, tokens: readonly string[]): Promise<void>;
  /** The catalog shows it. */
  tell(summary: DagJobSummary): Promise<void>;
}

export interface RunPorts extends OutsidePorts {
  nowMs(): number;
  /** From 0 to 1. */
  random(): number;
  /** Calls `woken` then, or earlier. */
  wake(atMs: number): void;
  /** Something happened: live readers look again. */
  changed(): void;
  /** Keeps the object awake until the work is done. It never rejects. */
  later(work: Promise<void>): void;
  /** What is in memory and what is stored may differ: everything is to be read anew. */
  broken(error: unknown): void;
}
