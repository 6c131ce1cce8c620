// One join, pure: what an event does to the events that wait under its key, and how a join ends. A join that has
// ended keeps the ids that took part, so that whatever comes after it is known for what it is.
import { JOIN_MAX_BYTES } from '../../../shared/limits.ts';
import { shownKey, utf8Length } from '../../../shared/sandbox/strict-json.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { JoinRules, LateReason } from '../../../shared/schemas/processor.ts';

/** `retrying`: it timed out, and the code failed with what had arrived. */
export type JoinState = 'waiting' | 'fired' | 'timedOut' | 'retrying';

/** An event that took part. */
export interface Taken {
  /** A place in the list of types. */
  type: number;
  source: number;
  offset: number;
  id: string;
  atMs: number;
}

export interface Join {
  key: string;
  state: JoinState;
  /** Waiting, retrying: the first arrival. Ended: the end. */
  sinceMs: number;
  /** Waiting: the time-out. Retrying: the next try. Ended: when it is forgotten. */
  dueMs: number;
  /** A bit for each type that has arrived. */
  arrived: number;
  /** Of the lines. */
  bytes: number;
  /** As the rules were when it opened. */
  onTimeout: JoinRules['onTimeout'];
  rememberMs: number;
  /** How often the code has failed since the time-out. */
  attempts: number;
  /** Its events became dead letters: one that is redriven opens it again. */
  lost: boolean;
  taken: readonly Taken[];
  /** The events' lines, in the order of `taken`. Gone when it has ended. */
  lines: readonly string[];
}

export interface JoinEvent {
  key: string;
  source: number;
  offset: number;
  line: string;
  id: string;
  type: string;
}

/** What all events of one batch have in common. */
export interface Moment {
  rules: JoinRules;
  /** In the order of the bits. */
  types: readonly string[];
  /** When a join opens or ends: two commits never have the same. */
  tickMs: number;
  nowMs: number;
  redrive: boolean;
}

export type Arrived =
  | { kind: 'taken'; join: Join; complete: boolean }
  /** Its id took part already. */
  | { kind: 'repeated' }
  | { kind: 'late'; reason: LateReason }
  | { kind: 'refused'; error: TaskError };

export function arrive(join: Join | null, event: JoinEvent, moment: Moment): Arrived {
  const type = moment.types.indexOf(event.type);
  if (type < 0) {
    const message = `this join takes no events of the type ${shownKey(event.type)}`;
    return { kind: 'refused', error: { code: 'bad_record', message } };
  }
  const opens = join === null || (join.lost && join.state === 'timedOut' && moment.redrive);
  if (!opens) {
    if (join.taken.some(({ id }) => id === event.id)) return { kind: 'repeated' };
    if (join.state === 'fired') return { kind: 'late', reason: 'fired' };
    if (join.state !== 'waiting') return { kind: 'late', reason: 'timed-out' };
    if ((join.arrived & (1 << type)) !== 0) return { kind: 'late', reason: 'type-taken' };
  }
  const before = opens ? opened(event.key, moment) : join;
  const bytes = before.bytes + utf8Length(event.line);
  if (bytes > JOIN_MAX_BYTES) {
    const message = `the events that wait under ${shownKey(event.key)} would be ${bytes} bytes: at most ${JOIN_MAX_BYTES}`;
    return { kind: 'refused', error: { code: 'memory', message } };
  }
  const { source, offset, id } = event;
  const arrived = before.arrived | (1 << type);
  const after: Join = {
    ...before,
    arrived,
    bytes,
    taken: [...before.taken, { type, source, offset, id, atMs: moment.nowMs }],
    lines: [...before.lines, event.line],
  };
  return { kind: 'taken', join: after, complete: arrived === allOf(moment.types) };
}

function opened(key: string, { rules, tickMs }: Moment): Join {
  return {
    key,
    state: 'waiting',
    sinceMs: tickMs,
    dueMs: tickMs + rules.timeoutMs,
    arrived: 0,
    bytes: 0,
    onTimeout: rules.onTimeout,
    rememberMs: rules.rememberMs,
    attempts: 0,
    lost: false,
    taken: [],
    lines: [],
  };
}

/** What is kept of a join that has ended. Null: nothing. */
export function ended(
  join: Join,
  how: { state: 'fired' | 'timedOut'; lost: boolean },
  tickMs: number,
): Join | null {
  if (join.rememberMs === 0) return null;
  const dueMs = tickMs + join.rememberMs;
  return { ...join, ...how, sinceMs: tickMs, dueMs, bytes: 0, attempts: 0, lines: [] };
}

const allOf = (types: readonly string[]): number => 2 ** types.length - 1;

export const missingOf = (arrived: number, types: readonly string[]): string[] =>
  types.filter((_, type) => (arrived & (1 << type)) === 0);

/** JSON of what `process` is given: the events by type; null: it has not arrived. */
export function joinedJson({ taken, lines }: Join, types: readonly string[]): string {
  const fields = types.map((type, t) => {
    const place = taken.findIndex((one) => one.type === t);
    return `${JSON.stringify(type)}:${lines[place] ?? 'null'}`;
  });
  return `{${fields.join(',')}}`;
}

/** Where a partial join's outputs come from: the event that came last. */
export function lastTaken({ key, taken }: Join): Taken {
  const last = taken.at(-1);
  if (!last) throw new Error(`the join of ${key} waits without an event`);
  return last;
}

export function timeOutError(join: Join, types: readonly string[]): TaskError {
  const missing = missingOf(join.arrived, types).join(', ');
  const ms = join.dueMs - join.sinceMs;
  return {
    code: 'deadline',
    message: `the join of ${shownKey(join.key)} timed out after ${ms} ms: ${missing} had not arrived`,
  };
}

/** Lines begin like this, as the log writes them. */
const HEAD =
  /^\{"partition":\d+,"offset":\d+,"id":("(?:[^"\\]|\\.)*"),"type":("(?:[^"\\]|\\.)*")[,}]/;

/** An event's id and type, without reading the payload. */
export function idAndType(line: string): { id: string; type: string } {
  const [, id, type] = HEAD.exec(line) ?? [];
  if (id === undefined || type === undefined) {
    return JSON.parse(line) as { id: string; type: string };
  }
  return { id: JSON.parse(id) as string, type: JSON.parse(type) as string };
}
