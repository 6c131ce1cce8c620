// What the parts of a run may ask of it and do to it: its code (run-code), the jobs of its steps (run-jobs), the streams
// that steps wait on (run-watches), what it holds (run-held). The coordinator is one; the parts do not know it.
import type { NeededOutput } from '../../../contracts/step-runner.rpc.ts';
import type { Effects } from '../../../platform/effects.ts';
import type { Machine } from './machine.ts';
import type { RunPorts } from './run-ports.ts';
import type { RunRecord, Submitted } from './run-record.ts';
import type { RunStore } from './run.store.ts';
import type { UnitOfWork } from './unit-of-work.ts';

export interface RunContext {
  readonly id: string;
  readonly submitted: Submitted;
  /** JSON of the run's input. */
  readonly input: string;
  readonly record: RunRecord;
  readonly machine: Machine;
  readonly store: RunStore;
  readonly work: UnitOfWork;
  readonly effects: Effects;
  readonly ports: RunPorts;
  /** The record in memory is no longer the run's: late answers are ignored. */
  readonly closed: boolean;
  readonly deleted: boolean;
  /**
   * One transaction: `change` tells the machine what happened, and all that changed is stored. Throws when it could not be
   * stored: then the run is closed, and what is stored stands.
   */
  turn<Result>(change: (nowMs: number) => Result): Result;
  /** Adds to the operations that the run is charged for. */
  count(operations: Record<string, number>): void;
  /** The outputs that a step gets to see. */
  needsOf(step: string): NeededOutput[];
}
