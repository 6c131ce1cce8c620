// What windows become by the events that they take: new states by `add` and `merge`, or their events kept. An event
// goes into all of its windows or into none.
import {
  EVENT_WINDOW_EVENTS_MAX,
  EVENT_WINDOW_ROW_MAX_BYTES,
  STATE_MAX_BYTES,
} from '../../../shared/limits.ts';
import { utf8Length } from '../../../shared/sandbox/strict-json.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { KeyedCode } from '../keyed/operator.ts';
import { keptText } from './kept-events.ts';
import { type FullPane, type NewPane, type Pane, paneName, saidOf } from './window.ts';
import type { PlannedPane, TimedEvent } from './plan.ts';

export interface Taking {
  panes: readonly PlannedPane[];
  /** What the panes' parents hold, by `paneName`: those that `readFor` says. */
  held: ReadonlyMap<string, FullPane>;
  source: number;
  attempt: number;
  keepGoing: boolean;
}

export interface Taken {
  panes: NewPane[];
  /** Of these events nothing is in the panes. */
  failures: { offset: number; error: TaskError }[];
  /** Nor from here on; null: all were run. */
  stoppedAt: number | null;
  /** Panes of events that failed are missing: it has to be done again without those events. */
  again: boolean;
  log: string[];
}

/** Whose values are needed. Kept events are added behind those that are there. */
export const readFor = (pane: PlannedPane, adds: boolean): Pane[] =>
  adds ? pane.parents : pane.parents.filter(({ startMs }) => startMs !== pane.startMs);

const NOTHING = { panes: [], failures: [], stoppedAt: null, again: false, log: [] };

/** Runs `add`. Of a session whose events failed, or were not run, nothing may be used: it may be another one. */
export async function addEvents(code: KeyedCode, taking: Taking): Promise<Taken> {
  const { panes, source, attempt, keepGoing } = taking;
  if (panes.length === 0) return NOTHING;
  const entries = panes
    .flatMap((pane) => pane.events.map((event) => ({ pane, event, name: paneName(pane) })))
    .sort((a, b) => a.event.index - b.event.index);
  const { changed, failures, stoppedAt, log } = await code.fold({
    calls: 'add',
    text: entries.map(({ event }) => event.line).join('\n'),
    keys: entries.map(({ name }) => name),
    shownKeys: entries.map(({ pane }) => pane.key),
    states: statesOf(taking),
    keepGoing,
    attempt,
  });
  const taken: Taken = { panes: [], failures: [...failures], stoppedAt, again: false, log };
  if (failures.length > 0 && !keepGoing) return taken;
  const failed = new Set(failures.map(({ offset }) => offset));
  const states = new Map(changed.map(({ key, state }) => [key, state]));
  for (const pane of panes) {
    const events = pane.events.filter(
      ({ offset }) => !failed.has(offset) && (stoppedAt === null || offset < stoppedAt),
    );
    const last = events.at(-1);
    if (!last) continue;
    const name = paneName(pane);
    const value = states.has(name) ? (states.get(name) ?? null) : stateBefore(taking, pane);
    const bytes = utf8Length(value ?? '');
    const row = {
      ...countedPane(pane, events, source),
      bytes,
      value,
      last: last.line,
      appends: false,
    };
    if (bytes + utf8Length(last.line) <= EVENT_WINDOW_ROW_MAX_BYTES) taken.panes.push(row);
    else {
      taken.failures.push({
        offset: last.offset,
        error: tooLarge(pane, 'its state and this event'),
      });
      taken.again = true;
    }
  }
  taken.failures.sort((a, b) => a.offset - b.offset);
  return taken;
}

function statesOf({ panes, held }: Taking): [string, string[]][] {
  return panes.flatMap((pane) => {
    const states = pane.parents.flatMap((parent) => held.get(paneName(parent))?.value ?? []);
    return states.length > 0 ? [[paneName(pane), states] as [string, string[]]] : [];
  });
}

/** No event changed it, and there was nothing to merge. */
function stateBefore({ held }: Taking, pane: PlannedPane): string | null {
  const states = pane.parents.flatMap((parent) => held.get(paneName(parent))?.value ?? []);
  if (states.length > 1) throw new Error(`the states of ${paneName(pane)} were not merged`);
  return states[0] ?? null;
}

/** Keeps the events themselves, each in all of its windows if there is room in all of them. */
export function keepEvents({ panes, held, source, keepGoing }: Taking): Taken {
  const taken: Taken = { ...NOTHING, panes: [], failures: [] };
  const rooms = panes.map((pane): Room => ({ ...roomOf(pane), pane, events: [], texts: [] }));
  for (const [event, own] of roomsByEvent(rooms)) {
    const text = keptText({ ...event, source });
    const bytes = utf8Length(text) + 1;
    const full = own.find(
      (room) => room.count + 1 > EVENT_WINDOW_EVENTS_MAX || room.bytes + bytes > STATE_MAX_BYTES,
    );
    if (full) {
      taken.failures.push({ offset: event.offset, error: tooLarge(full.pane, 'its events') });
      if (!keepGoing) return taken;
      continue;
    }
    for (const room of own) {
      room.count++;
      room.bytes += bytes;
      room.events.push(event);
      room.texts.push(text);
    }
  }
  for (const { pane, events, texts, bytes } of rooms) {
    if (events.length === 0) continue;
    const others = readFor(pane, false).flatMap((other) => held.get(paneName(other))?.value ?? []);
    const value = [...others, ...texts].join('\n');
    taken.panes.push({
      ...countedPane(pane, events, source),
      bytes,
      value,
      last: '',
      appends: true,
    });
  }
  return taken;
}

/** What a pane has and gets. */
interface Room {
  pane: PlannedPane;
  count: number;
  bytes: number;
  events: TimedEvent[];
  texts: string[];
}

const roomOf = ({ parents }: PlannedPane) => ({
  count: parents.reduce((sum, { count }) => sum + count, 0),
  bytes: parents.reduce((sum, { bytes }) => sum + bytes, 0),
});

/** In the order of the log. */
function roomsByEvent(rooms: readonly Room[]): [TimedEvent, Room[]][] {
  const byEvent = new Map<TimedEvent, Room[]>();
  for (const room of rooms) {
    for (const event of room.pane.events) {
      const own = byEvent.get(event);
      if (own) own.push(room);
      else byEvent.set(event, [room]);
    }
  }
  return [...byEvent].sort(([a], [b]) => a.index - b.index);
}

function countedPane(
  { key, startMs, endMs, parents }: PlannedPane,
  events: readonly TimedEvent[],
  source: number,
) {
  const before = parents.reduce((sum, { count }) => sum + count, 0);
  const offset = (events.at(-1) as TimedEvent).offset;
  return { key, startMs, endMs, count: before + events.length, source, offset };
}

function tooLarge(pane: PlannedPane, what: string): TaskError {
  const message = `${saidOf(pane)} is full: ${what} would be more than ${EVENT_WINDOW_EVENTS_MAX} events or ${STATE_MAX_BYTES} bytes`;
  return { code: 'memory', message };
}
