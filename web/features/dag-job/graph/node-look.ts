// How a box says what it is, in words: what a screen reader gets, and what several steps in one box come to. Pure.
import { STEP_STATES, type StepState } from '../../../../shared/schemas/dag.ts';
import { count, plural } from '../../../lib/format.ts';
import { KINDS } from '../../../lib/theme/kinds.ts';
import type { GraphNode } from './collapse.ts';
import type { GraphStep, StepMark } from './graph-step.ts';

export type Marks = ReadonlyMap<string, StepMark>;

export function stepWords(step: GraphStep, mark: StepMark | undefined, critical: boolean): string {
  const what = step.run === null ? 'step' : `${KINDS[step.run].label} step`;
  const state = mark?.state ? KINDS[mark.state].label : '';
  return [
    `${step.name}: ${what}${step.repeated ? ', for each item' : ''}`,
    state,
    mark?.detail ?? '',
    critical ? 'on the critical path' : '',
  ]
    .filter((words) => words !== '')
    .join(', ');
}

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

export const groupWords = (node: GraphNode, marks: Marks): string =>
  [
    groupName(node),
    ...statesOf(node.steps, marks).map(([state, many]) => `${count(many)} ${KINDS[state].label}`),
  ].join(', ');
