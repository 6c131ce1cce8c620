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
import { type FullWindow, type NewWindow, type KeyWindow, windowName, saidOf } from './window.ts';
import type { PlannedWindow, TimedEvent } from './plan.ts';

export interface Taking {
  keyWindows: readonly PlannedWindow[];
  /** What the windows' parents hold, by `windowName`: those that `readFor` says. */
  held: ReadonlyMap<string, FullWindow>;
  source: number;
  attempt: number;
  keepGoing: boolean;
}

export interface Taken {
  keyWindows: NewWindow[];
  /** Of these events nothing is in the windows. */
  failures: { offset: number; error: TaskError }[];
  /** Nor from here on; null: all were run. */
  stoppedAt: number | null;
  /** Windows of events that failed are missing: it has to be done again without those events. */
  again: boolean;
  log: string[];
}

/** Whose values are needed. Kept events are added behind those that are there. */
export const readFor = (keyWindow: PlannedWindow, adds: boolean): KeyWindow[] =>
  adds
    ? keyWindow.parents
    : keyWindow.parents.filter(({ startMs }) => startMs !== keyWindow.startMs);

const NOTHING = { keyWindows: [], failures: [], stoppedAt: null, again: false, log: [] };

/** Runs `add`. Of a session whose events failed, or were not run, nothing may be used: it may be another one. */
export async function addEvents(code: KeyedCode, taking: Taking): Promise<Taken> {
  const { keyWindows, source, attempt, keepGoing } = taking;
  if (keyWindows.length === 0) return NOTHING;
  const entries = keyWindows
    .flatMap((keyWindow) =>
      keyWindow.events.map((event) => ({ keyWindow, event, name: windowName(keyWindow) })),
    )
    .sort((a, b) => a.event.index - b.event.index);
  const { changed, failures, stoppedAt, log } = await code.fold({
    calls: 'add',
    text: entries.map(({ event }) => event.line).join('\n'),
    keys: entries.map(({ name }) => name),
    shownKeys: entries.map(({ keyWindow }) => keyWindow.key),
    states: statesOf(taking),
    keepGoing,
    attempt,
  });
  const taken: Taken = { keyWindows: [], failures: [...failures], stoppedAt, again: false, log };
  if (failures.length > 0 && !keepGoing) return taken;
  const failed = new Set(failures.map(({ offset }) => offset));
  const states = new Map(changed.map(({ key, state }) => [key, state]));
  for (const keyWindow of keyWindows) {
    const events = keyWindow.events.filter(
      ({ offset }) => !failed.has(offset) && (stoppedAt === null || offset < stoppedAt),
    );
    const last = events.at(-1);
    if (!last) continue;
    const name = windowName(keyWindow);
    const value = states.has(name) ? (states.get(name) ?? null) : stateBefore(taking, keyWindow);
    const bytes = utf8Length(value ?? '');
    const row = {
      ...countedWindow(keyWindow, events, source),
      bytes,
      value,
      last: last.line,
      appends: false,
    };
    if (bytes + utf8Length(last.line) <= EVENT_WINDOW_ROW_MAX_BYTES) taken.keyWindows.push(row);
    else {
      taken.failures.push({
        offset: last.offset,
        error: tooLarge(keyWindow, 'its state and this event'),
      });
      taken.again = true;
    }
  }
  taken.failures.sort((a, b) => a.offset - b.offset);
  return taken;
}

function statesOf({ keyWindows, held }: Taking): [string, string[]][] {
  return keyWindows.flatMap((keyWindow) => {
    const states = keyWindow.parents.flatMap((parent) => held.get(windowName(parent))?.value ?? []);
    return states.length > 0 ? [[windowName(keyWindow), states] as [string, string[]]] : [];
  });
}

/** No event changed it, and there was nothing to merge. */
function stateBefore({ held }: Taking, keyWindow: PlannedWindow): string | null {
  const states = keyWindow.parents.flatMap((parent) => held.get(windowName(parent))?.value ?? []);
  if (states.length > 1) throw new Error(`the states of ${windowName(keyWindow)} were not merged`);
  return states[0] ?? null;
}

/** Keeps the events themselves, each in all of its windows if there is room in all of them. */
export function keepEvents({ keyWindows, held, source, keepGoing }: Taking): Taken {
  const taken: Taken = { ...NOTHING, keyWindows: [], failures: [] };
  const rooms = keyWindows.map((keyWindow): Room => ({
    ...roomOf(keyWindow),
    keyWindow,
    events: [],
    texts: [],
  }));
  for (const [event, own] of roomsByEvent(rooms)) {
    const text = keptText({ ...event, source });
    const bytes = utf8Length(text) + 1;
    const full = own.find(
      (room) => room.count + 1 > EVENT_WINDOW_EVENTS_MAX || room.bytes + bytes > STATE_MAX_BYTES,
    );
    if (full) {
      taken.failures.push({ offset: event.offset, error: tooLarge(full.keyWindow, 'its events') });
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
  for (const { keyWindow, events, texts, bytes } of rooms) {
    if (events.length === 0) continue;
    const others = readFor(keyWindow, false).flatMap(
      (other) => held.get(windowName(other))?.value ?? [],
    );
    const value = [...others, ...texts].join('\n');
    taken.keyWindows.push({
      ...countedWindow(keyWindow, events, source),
      bytes,
      value,
      last: '',
      appends: true,
    });
  }
  return taken;
}

/** What a window has and gets. */
interface Room {
  keyWindow: PlannedWindow;
  count: number;
  bytes: number;
  events: TimedEvent[];
  texts: string[];
}

const roomOf = ({ parents }: PlannedWindow) => ({
  count: parents.reduce((sum, { count }) => sum + count, 0),
  bytes: parents.reduce((sum, { bytes }) => sum + bytes, 0),
});

/** In the order of the log. */
function roomsByEvent(rooms: readonly Room[]): [TimedEvent, Room[]][] {
  const byEvent = new Map<TimedEvent, Room[]>();
  for (const room of rooms) {
    for (const event of room.keyWindow.events) {
      const own = byEvent.get(event);
      if (own) own.push(room);
      else byEvent.set(event, [room]);
    }
  }
  return [...byEvent].sort(([a], [b]) => a.index - b.index);
}

function countedWindow(
  { key, startMs, endMs, parents }: PlannedWindow,
  events: readonly TimedEvent[],
  source: number,
) {
  const before = parents.reduce((sum, { count }) => sum + count, 0);
  const offset = (events.at(-1) as TimedEvent).offset;
  return { key, startMs, endMs, count: before + events.length, source, offset };
}

function tooLarge(keyWindow: PlannedWindow, what: string): TaskError {
  const message = `${saidOf(keyWindow)} is full: ${what} would be more than ${EVENT_WINDOW_EVENTS_MAX} events or ${STATE_MAX_BYTES} bytes`;
  return { code: 'memory', message };
}
