// What several steps in one box come to, in words and figures. Pure.
import { STEP_STATES, type StepState } from '../../../../shared/schemas/dag.ts';
import { plural } from '../../format.ts';
import type { GraphNode } from './collapse.ts';
import type { StepMark } from './graph-step.ts';

export type Marks = ReadonlyMap<string, StepMark>;

/** How many of a box's steps stand in which state, those that ask for attention first. */
export function statesOf(steps: readonly string[], marks: Marks): [StepState, number][] {
  const counts = new Map<StepState, number>();
  for (const step of steps) {
    const state = marks.get(step)?.state;
    if (state) counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return ORDER.flatMap((state) => {
    const many = counts.get(state);
    return many === undefined ? [] : [[state, many] as [StepState, number]];
  });
}

const ATTENTION: readonly StepState[] = ['failed', 'running', 'ready'];
const ORDER: readonly StepState[] = [
  ...ATTENTION,
  ...STEP_STATES.filter((state) => !ATTENTION.includes(state)),
];

export function groupName({ steps, fromLevel, toLevel }: GraphNode): string {
  const many = plural(steps.length, 'step');
  if (fromLevel === toLevel) return `${many} of level ${fromLevel + 1}`;
  return `${many}, levels ${fromLevel + 1} to ${toLevel + 1}`;
}
