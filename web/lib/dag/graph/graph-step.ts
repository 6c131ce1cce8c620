// What the picture of a graph is drawn from: the steps as they are defined, and how each one stands. It knows neither
// runs nor editors, so that both draw the same picture.
import type { DagSpec, Step, StepState } from '../../../../shared/schemas/dag.ts';

export interface GraphStep {
  name: string;
  needs: readonly string[];
  /** Null: not said yet. */
  run: Step['run'] | null;
  /** It runs once for each item of a list. */
  repeated: boolean;
}

/** What is written into a step's box besides its name. */
export interface StepMark {
  /** Null: nothing has happened, and nothing is wrong. */
  state: StepState | null;
  /** A few words or figures: how long it took, what is wrong with it. */
  detail: string;
  /** Of its items, 0 to 1; null: it has none. */
  share: number | null;
}

export const graphSteps = (steps: DagSpec['steps']): GraphStep[] =>
  Object.entries(steps).map(([name, step]) => ({
    name,
    needs: step.needs,
    run: step.run,
    repeated: 'forEach' in step && step.forEach !== undefined,
  }));
