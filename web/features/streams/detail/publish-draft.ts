// What the publish form holds, and what it sends: one event, or lines of them. Checked here before anything
// is sent, by the same schema that the edge uses. Pure.
import {
  EventInput,
  type Appended,
  type EventInput as Event,
} from '../../../../shared/schemas/stream.ts';
import type { FieldError } from '../../../../shared/schemas/problem.ts';
import { jsonProblem } from './json-place.ts';

export interface PublishDraft {
  mode: 'one' | 'lines';
  type: string;
  key: string;
  id: string;
  /** JSON text; empty: an event without payload. */
  payload: string;
  /** NDJSON. */
  lines: string;
}

export const emptyPublishDraft = (): PublishDraft => ({
  mode: 'one',
  type: 'Greeting',
  key: '',
  id: '',
  payload: '{\n  "hello": "world"\n}',
  lines:
    '{"type":"Greeting","key":"ann","payload":{"hello":"Ann"}}\n{"type":"Greeting","key":"bob","payload":{"hello":"Bob"}}\n',
});

export type OneEvent = { ok: true; event: Event } | { ok: false; errors: FieldError[] };

export function eventOf({ type, key, id, payload }: PublishDraft): OneEvent {
  const wrong = payload.trim() === '' ? null : jsonProblem(payload);
  const parsed = EventInput.safeParse({
    type: type.trim(),
    ...(key !== '' && { key }),
    ...(id.trim() !== '' && { id: id.trim() }),
    ...(payload.trim() !== '' && !wrong && { payload: JSON.parse(payload) as unknown }),
  });
  const errors: FieldError[] = parsed.success
    ? []
    : parsed.error.issues.map(({ path, message }) => ({
        path: path.join('.'),
        message: path[0] === 'type' && type.trim() === '' ? 'give it a type' : message,
      }));
  if (wrong) {
    const at = wrong.line === null ? '' : `line ${wrong.line}, column ${wrong.column}: `;
    errors.push({ path: 'payload', message: `${at}${wrong.message}` });
  }
  return parsed.success && errors.length === 0
    ? { ok: true, event: parsed.data }
    : { ok: false, errors };
}

export interface CheckedLines {
  events: number;
  /** Lines are counted from 1, as the edge counts them. */
  problems: { line: number; message: string }[];
}

/** Stops at this many: a text that is not NDJSON at all is wrong in every line. */
const LINE_PROBLEMS_MAX = 20;

export function checkLines(text: string): CheckedLines {
  const checked: CheckedLines = { events: 0, problems: [] };
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    if (checked.problems.length >= LINE_PROBLEMS_MAX) break;
    const message = lineProblem(line);
    if (message === null) checked.events++;
    else checked.problems.push({ line: index + 1, message });
  }
  return checked;
}

function lineProblem(line: string): string | null {
  const wrong = jsonProblem(line);
  if (wrong)
    return wrong.column === null ? wrong.message : `column ${wrong.column}: ${wrong.message}`;
  const parsed = EventInput.safeParse(JSON.parse(line));
  if (parsed.success) return null;
  const issue = parsed.error.issues[0];
  return issue ? [issue.path.join('.'), issue.message].filter(Boolean).join(': ') : 'not an event';
}

/** "3 events appended: partition 0 at 12–14 · 1 was there already" */
export function appendedText({ accepted, duplicates, offsets }: Appended): string {
  const places = offsets
    .map(({ partition, first, last }) =>
      first === last
        ? `partition ${partition} at ${first}`
        : `partition ${partition} at ${first}–${last}`,
    )
    .join(', ');
  const parts = [`${accepted} ${accepted === 1 ? 'event' : 'events'} appended`];
  if (places !== '') parts[0] += `: ${places}`;
  if (duplicates > 0)
    parts.push(`${duplicates} ${duplicates === 1 ? 'was' : 'were'} there already`);
  return parts.join(' · ');
}
