// What every change to joins has in common: the rows of the joins, and the rows that say when each is due.
import type { DueRows } from './due-rows.store.ts';
import type { JoinChange, JoinRecord, JoinStore } from './join.store.ts';

/** Writes joins, and lists those that opened or ended in this commit for when they are due. */
export function writeChanges(
  store: JoinStore,
  rows: DueRows,
  record: JoinRecord,
  changes: readonly JoinChange[],
  tickMs: number,
): void {
  record.tickMs = tickMs;
  store.write(changes, record);
  const opened = new Map<number, string[]>();
  const closed = new Map<number, string[]>();
  for (const { after } of changes) {
    if (!after || after.sinceMs !== tickMs) continue;
    const lanes = after.state === 'waiting' ? opened : closed;
    const lane = after.dueMs - tickMs;
    const keys = lanes.get(lane);
    if (keys) keys.push(after.key);
    else lanes.set(lane, [after.key]);
  }
  for (const [lane, keys] of opened) rows.add(record, 'timeOut', lane, tickMs, keys);
  for (const [lane, keys] of closed) rows.add(record, 'forget', lane, tickMs, keys);
}
