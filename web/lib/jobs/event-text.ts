// An event as a sentence, and which look it has. One line each in the list of what happened.
import type { JobEvent } from '../../../shared/schemas/job.ts';
import type { Kind } from '../theme/kinds.ts';
import { bytes, count, duration, plural } from '../format.ts';
import { byOf, errorOf, numberOf, numbersOf, textOf } from './event-fields.ts';

const KIND: Record<JobEvent['type'], Kind> = {
  submitted: 'queued',
  planned: 'split',
  waiting: 'waiting',
  mapping: 'mapping',
  granted: 'leased',
  committed: 'committed',
  attemptFailed: 'retry',
  returned: 'returned',
  backup: 'leased',
  disagreement: 'disagreement',
  edge: 'edge',
  reducing: 'reducing',
  partReduced: 'reduce',
  reduceFailed: 'retry',
  retried: 'retry',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
  stepReady: 'waiting',
  stepStarted: 'running',
  stepDone: 'done',
  stepRetried: 'retry',
  stepFailed: 'failed',
  stepSkipped: 'cancelled',
  stepCancelled: 'cancelled',
  signal: 'running',
};

export const eventKind = (event: JobEvent): Kind => KIND[event.type] ?? 'waiting';

/** `nameOf`: who a volunteer's id is. */
export function eventText(event: JobEvent, nameOf: (by: string) => string): string {
  const who = () => textOf(event, 'name') || nameOf(byOf(event));
  const message = () => errorOf(event)?.message ?? 'no reason given';
  switch (event.type) {
    case 'submitted':
      return 'The job was submitted.';
    case 'planned':
      return `The input has ${plural(numberOf(event, 'splits'), 'split')}.`;
    case 'waiting':
      return `It waits: ${textOf(event, 'reason')}.`;
    case 'mapping':
      return 'The map stage began.';
    case 'granted':
      return `${who()} got ${tasksText(numbersOf(event, 'tasks'))}.`;
    case 'committed': {
      const rows = numbersOf(event, 'tasks');
      const read = rows.reduce((sum, row) => sum + (row[4] ?? 0), 0);
      const records = rows.reduce((sum, row) => sum + (row[3] ?? 0), 0);
      const amount = read > 0 ? bytes(read) : plural(records, 'record');
      return `${who()} finished ${tasksText(rows)}, ${amount}.`;
    }
    case 'attemptFailed':
      return `${who()} failed at split ${numberOf(event, 'task')}: ${message()}.`;
    case 'returned':
      return `${who()} gave back ${tasksText(numbersOf(event, 'tasks'))}: ${textOf(event, 'reason')}.`;
    case 'backup':
      return `Split ${numberOf(event, 'task')} went to ${who()} too: its mapper is silent.`;
    case 'disagreement':
      return `Results of split ${numberOf(event, 'task')} differ.`;
    case 'edge':
      return `The edge was asked to map: ${textOf(event, 'reason')}.`;
    case 'reducing':
      return `All splits are committed; ${plural(numberOf(event, 'partitions'), 'partition')} to reduce.`;
    case 'partReduced': {
      const [keys, size] = [numberOf(event, 'keys'), bytes(numberOf(event, 'bytes'))];
      const ms = duration(numberOf(event, 'ms'));
      return `Partition ${numberOf(event, 'partition')} is reduced: ${count(keys)} keys, ${size}, ${ms}.`;
    }
    case 'reduceFailed':
      return `Reducing partition ${numberOf(event, 'partition')} failed: ${message()}.`;
    case 'retried':
      return 'Somebody asked to try again what is not committed.';
    case 'done':
      return 'The job is done.';
    case 'failed':
      return `The job failed: ${message()}.`;
    case 'cancelled':
      return 'The job was cancelled.';
    default:
      return 'Something happened that this page does not know.';
  }
}

function tasksText(rows: readonly (readonly number[])[]): string {
  const [first, ...others] = rows.map(([task = 0]) => task);
  if (first === undefined) return 'nothing';
  if (others.length === 0) return `split ${first}`;
  if (others.length < 4) return `splits ${[first, ...others].join(', ')}`;
  return `${rows.length} splits (${first}, ${others.slice(0, 2).join(', ')}, …)`;
}
