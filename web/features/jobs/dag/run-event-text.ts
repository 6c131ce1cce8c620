// An event of a run as a sentence. What it has in common with other jobs is said in the same words there.
import type { JobEvent } from '../../../../shared/schemas/job.ts';
import { count } from '../../../lib/format.ts';
import { errorOf, numberOf, textOf } from '../../../lib/jobs/event-fields.ts';
import { eventText } from '../../../lib/jobs/event-text.ts';

export function runEventText(event: JobEvent): string {
  const message = () => errorOf(event)?.message ?? 'no reason given';
  const who = whoOf(event);
  switch (event.type) {
    case 'stepReady':
      return `${who} may begin: all that it needs is there.`;
    case 'stepStarted':
      return `${who} began.`;
    case 'stepDone':
      return `${who} done.`;
    case 'stepRetried':
      return `${who} failed at attempt ${numberOf(event, 'attempt')}, and is tried again: ${message()}.`;
    case 'stepFailed':
      return `${who} failed: ${message()}.`;
    case 'stepSkipped':
      return `${who} was skipped: ${textOf(event, 'reason') || 'its condition is false'}.`;
    case 'stepCancelled':
      return `${who} was cancelled: ${textOf(event, 'reason') || 'no reason given'}.`;
    case 'signal':
      return `The signal ${textOf(event, 'name') || textOf(event, 'signal')} came.`;
    case 'retried':
      return 'Somebody asked to try again what failed; what is done stays done.';
    case 'done':
      return 'The run is done.';
    case 'failed':
      return `The run failed: ${message()}.`;
    case 'cancelled':
      return 'The run was cancelled.';
    case 'submitted':
      return 'The run was submitted.';
    default:
      return eventText(event, (by) => by);
  }
}

const SHOWN = 4;

/** `encode`, `encode 7`, `3 items of encode (0, 1, 2)` */
function whoOf(event: JobEvent): string {
  const step = textOf(event, 'step');
  const items = Array.isArray(event['items']) ? event['items'].map(Number) : null;
  if (items === null) {
    return typeof event['item'] === 'number' ? `${step} item ${event['item']}` : step;
  }
  if (items.length === 1) return `${step} item ${items[0]}`;
  const some = items.slice(0, SHOWN).join(', ');
  return `${step} items ${some}${items.length > SHOWN ? `, … (${count(items.length)})` : ''}`;
}

/** The steps that events speak of. */
export const stepOf = (event: JobEvent): string => textOf(event, 'step');
