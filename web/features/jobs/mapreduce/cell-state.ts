// What a cell of the grid stands for: the state of its split, or of several, and the words for it. Pure.
import { duration, exact, plural } from '../../../lib/format.ts';
import { LOUDEST, STATE_WORDS } from './cell-drawing.ts';
import type { GridLayout } from './grid-layout.ts';
import type { JobModel, TaskState } from './job-model.ts';

export function cellState(model: JobModel, { perCell }: GridLayout, cell: number): TaskState {
  if (perCell === 1) return model.stateOf(cell);
  const states = new Set<TaskState>();
  const end = Math.min(model.splits, (cell + 1) * perCell);
  for (let task = cell * perCell; task < end; task++) states.add(model.stateOf(task));
  // Some done, some not begun: on the way.
  if (states.size === 2 && states.has('waiting') && states.has('committed')) return 'running';
  return LOUDEST.find((state) => states.has(state)) ?? 'waiting';
}

export function cellText(model: JobModel, { perCell }: GridLayout, cell: number): string {
  const from = cell * perCell;
  if (perCell > 1) {
    const to = Math.min(model.splits, from + perCell) - 1;
    let committed = 0;
    for (let task = from; task <= to; task++) if (model.stateOf(task) === 'committed') committed++;
    return `splits ${exact(from)} to ${exact(to)}: ${committed} of ${to - from + 1} committed`;
  }
  const owner = model.ownerOf(from);
  const ms = model.taskMs[from] ?? 0;
  const attempts = model.taskAttempts[from] ?? 0;
  return [
    `split ${exact(from)}`,
    STATE_WORDS[model.stateOf(from)],
    owner ? `by ${owner.name}` : '',
    ms > 0 ? duration(ms) : '',
    attempts > 1 ? plural(attempts, 'attempt') : '',
  ]
    .filter((part) => part !== '')
    .join(' · ');
}
