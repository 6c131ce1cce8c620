// A job's tasks as one list: its map tasks, then one reduce task a partition. The cursor is a position in it.
import type { List } from '../../../shared/schemas/common.ts';
import type { Attempt, Task, TaskError } from '../../../shared/schemas/job.ts';
import type { PartRow } from './job-rows.ts';
import type { JobStore } from './job.store.ts';

export function listTasks(
  store: JobStore,
  { splits, partitions }: { splits: number; partitions: number },
  cursor: string | undefined,
  limit: number,
): List<Task> {
  const from = Number(cursor ?? 0);
  const mapTasks = Math.max(0, Math.min(limit, splits - from));
  const items = mapTasks > 0 ? store.tasksFrom(from, mapTasks) : [];
  const rows = new Map(store.partRows().map((row) => [row.partition, row]));
  let next = from + mapTasks;
  while (items.length < limit && next >= splits && next < splits + partitions) {
    items.push(reduceTask(next - splits, rows.get(next - splits) ?? null));
    next++;
  }
  return { items, next: next < splits + partitions ? String(next) : null };
}

/** A reduce partition as a task of stage `reduce`. */
function reduceTask(partition: number, row: PartRow | null): Task {
  const error = row?.error ? (JSON.parse(row.error) as TaskError) : null;
  const state = row ? row.state : 'waiting';
  const attempts: Attempt[] = [];
  for (let attempt = 1; attempt <= (row?.attempt ?? 0); attempt++) {
    const last = attempt === row?.attempt;
    attempts.push({
      attempt,
      by: 'edge',
      state:
        last && state === 'committed'
          ? 'committed'
          : last && state === 'running'
            ? 'leased'
            : 'failed',
      ms: last ? (row?.ms ?? null) : null,
      digest: null,
      error: last ? error : null,
    });
  }
  return { task: partition, stage: 'reduce', state, attempts };
}
