// Events as they come: one, a list, or NDJSON. All of a request is checked before any of it is appended. What
// fits is checked by hand, since a schema costs more than reading the JSON; what does not, the schema explains.
import * as z from 'zod';
import {
  APPEND_MAX_EVENTS,
  EVENT_ID_MAX_CHARS,
  EVENT_KEY_MAX_BYTES,
  EVENT_TYPE_MAX_CHARS,
} from '../../shared/limits.ts';
import { messageOf } from '../../shared/message-of.ts';
import type { Claim } from '../../shared/schemas/claim.ts';
import type { FieldError } from '../../shared/schemas/problem.ts';
import { EventInput, type EventSource } from '../../shared/schemas/stream.ts';
import { parse } from '../platform/parse.ts';
import { ProblemError } from '../platform/problem.ts';
import { payloadAt, PayloadRefused, skipBlanks } from './payload-text.ts';

/** An event that is to be appended. Null: made by the edge, or not there. */
export interface NewEvent {
  id: string | null;
  type: string;
  key: string | null;
  time: string | null;
  /** JSON text. */
  payload: string | null;
  claim: Claim | null;
  source: EventSource | null;
}

const NOTHING = 'none of the events was appended';
const ISO_TIME = z.regexes.datetime({ offset: true });

/**
 * NDJSON of EventInput; blank lines are passed over. Throws a ProblemError `invalid_request` that names the line,
 * counted from 1, or `too_large` past `maxEvents`.
 */
export function parseEventLines(text: string, maxEvents = APPEND_MAX_EVENTS): NewEvent[] {
  const events: NewEvent[] = [];
  for (let start = 0, line = 1; start < text.length; line++) {
    let end = text.indexOf('\n', start);
    if (end === -1) end = text.length;
    const json = text.slice(start, end);
    start = end + 1;
    if (isBlank(json)) continue;
    if (events.length === maxEvents) throw tooMany(maxEvents);
    const where = { line };
    let value: unknown;
    try {
      value = JSON.parse(json);
    } catch (error) {
      throw refused(textOf(where), `the line is not JSON: ${messageOf(error)}`);
    }
    events.push(newEvent(value, where, json, skipBlanks(json, 0)).event);
  }
  return events;
}

/**
 * One event or a list of them, and the JSON text that it was read from. Throws like `parseEventLines`; places in a
 * list are `[6]`, counted from 0.
 */
export function parseEventBody(value: unknown, json = JSON.stringify(value)): NewEvent[] {
  let at = skipBlanks(json, 0);
  if (!Array.isArray(value)) return [newEvent(value, null, json, at).event];
  if (value.length > APPEND_MAX_EVENTS) throw tooMany(APPEND_MAX_EVENTS);
  return value.map((item: unknown, i) => {
    const { event, end } = newEvent(item, { item: i }, json, skipBlanks(json, at + 1));
    at = skipBlanks(json, end);
    return event;
  });
}

/** A line, counted from 1, or a place in a list, counted from 0. A value, since most events need no words for it. */
type Where = { line: number } | { item: number };

const textOf = (where: Where) => ('line' in where ? `line ${where.line}` : `[${where.item}]`);

/** `where`: null for an event that stands alone. `json`: what it was read from; the event begins at `at`. */
function newEvent(
  value: unknown,
  where: Where | null,
  json: string,
  at: number,
): { event: NewEvent; end: number } {
  const { id, type, key, time, claim } = isPlainEvent(value) ? value : checkedEvent(value, where);
  try {
    const { payload, end } = payloadAt(json, at);
    const event = {
      id: id ?? null,
      type,
      key: key ?? null,
      time: time ?? null,
      payload,
      claim: claim ?? null,
      source: null,
    };
    return { event, end };
  } catch (error) {
    if (!(error instanceof PayloadRefused)) throw error;
    throw refused(where ? textOf(where) : 'payload', error.message);
  }
}

/**
 * True: EventInput accepts it. False says nothing: events with a claim, or with long keys, are for the schema. The
 * payload came out of JSON, and needs no look.
 */
function isPlainEvent(value: unknown): value is EventInput {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const event = value as Record<string, unknown>;
  for (const name in event) {
    const field = event[name];
    switch (name) {
      case 'type':
        if (!isText(field, EVENT_TYPE_MAX_CHARS)) return false;
        break;
      case 'id':
        if (!isText(field, EVENT_ID_MAX_CHARS)) return false;
        break;
      case 'key':
        // Three bytes a UTF-16 unit at most.
        if (
          field !== null &&
          !(typeof field === 'string' && field.length * 3 <= EVENT_KEY_MAX_BYTES)
        )
          return false;
        break;
      case 'time':
        if (!(typeof field === 'string' && isTime(field))) return false;
        break;
      case 'payload':
        break;
      default:
        return false;
    }
  }
  return event['type'] !== undefined;
}

/** Most times need no look at the length of months. */
const PLAIN_TIME =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?Z$/;
const isTime = (text: string) => PLAIN_TIME.test(text) || ISO_TIME.test(text);

const isText = (value: unknown, maxChars: number) =>
  typeof value === 'string' && value.length > 0 && value.length <= maxChars;

function checkedEvent(value: unknown, where: Where | null): EventInput {
  // The schema need not walk through the payload, which may be deep.
  const hasPayload = typeof value === 'object' && value !== null && 'payload' in value;
  try {
    const event = parse(EventInput, hasPayload ? { ...value, payload: null } : value, 'event');
    return hasPayload ? { ...event, payload: value.payload as EventInput['payload'] } : event;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const path = where ? textOf(where) : undefined;
    const errors = error.errors.map((field): FieldError =>
      path === undefined
        ? field
        : { path, message: field.path ? `${field.path}: ${field.message}` : field.message },
    );
    const detail = path === undefined ? error.message : `${path}: ${error.message}`;
    throw new ProblemError('invalid_request', `${detail}; ${NOTHING}`, errors);
  }
}

function isBlank(line: string): boolean {
  return line.length === 0 || (line.charCodeAt(0) <= 0x20 && line.trim() === '');
}

const refused = (path: string, message: string) =>
  new ProblemError('invalid_request', `${path}: ${message}; ${NOTHING}`, [{ path, message }]);

const tooMany = (maxEvents: number) =>
  new ProblemError('too_large', `a request has at most ${maxEvents} events; ${NOTHING}`);
