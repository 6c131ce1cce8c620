// An event as it leaves user code: the rules of EventInput (shared/schemas/stream.ts), without zod, since this
// runs in isolates for every output. A test holds the two against each other.
import {
  CONTENT_TYPE_MAX_CHARS,
  EVENT_ID_MAX_CHARS,
  EVENT_KEY_MAX_BYTES,
  EVENT_TYPE_MAX_CHARS,
  OUTPUT_BATCH_MAX_BYTES,
} from '../limits.ts';
import { utf8Length, valueText } from './strict-json.ts';
import { BadValueError } from './task-error.ts';
import { isArray, keys, RealDate, RealPromise, stringify } from './intrinsics.ts';

const FIELDS = 'type, key, payload, claim, id, time';
const { test } = RegExp.prototype;
const matches = (pattern: RegExp, text: string) => Reflect.apply(test, pattern, [text]) as boolean;

/**
 * The event as one line of JSON. Throws BadValueError saying what is wrong, or what a getter throws.
 * An event that was read and is passed on (it has `partition` and `offset`) becomes a new event: its id is
 * left out, since two outputs made from one input would else be taken for one.
 */
export function outputLine(value: unknown): string {
  if (value instanceof RealPromise) {
    throw new BadValueError('an event has to be an object, not a promise: await it first');
  }
  if (typeof value !== 'object' || value === null) {
    throw new BadValueError(`an event has to be an object with a \`type\`, not ${named(value)}`);
  }
  if (isArray(value)) throw new BadValueError('an event has to be an object, not an array');
  const fields = value as Record<string, unknown>;
  const names = keys(fields);
  let type: unknown;
  let key: unknown;
  let id: unknown;
  let time: unknown;
  let payload: unknown;
  let claim: unknown;
  let places = 0;
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    if (name === 'type') type = fields[name];
    else if (name === 'key') key = fields[name];
    else if (name === 'payload') payload = fields[name];
    else if (name === 'claim') claim = fields[name];
    else if (name === 'id') id = fields[name];
    else if (name === 'time') time = fields[name];
    else if (name === 'partition' || name === 'offset') places++;
    else if (name !== 'source') {
      throw new BadValueError(`an event has no field ${stringify(name)}: it has ${FIELDS}`);
    }
  }
  let line = `{"type":${stringify(textOf(type, 'type', EVENT_TYPE_MAX_CHARS))}`;
  if (key !== undefined && key !== null) line += `,"key":${stringify(keyOf(key))}`;
  if (id !== undefined && places < 2) {
    line += `,"id":${stringify(textOf(id, 'id', EVENT_ID_MAX_CHARS))}`;
  }
  if (time !== undefined) line += `,"time":${stringify(timeOf(time))}`;
  if (claim !== undefined) {
    if (payload !== undefined) {
      throw new BadValueError('an event has a payload or a claim, not both');
    }
    return `${line},"claim":${claimText(claim)}}`;
  }
  if (payload === undefined) return `${line}}`;
  return `${line},"payload":${valueText(payload, 'payload', OUTPUT_BATCH_MAX_BYTES)}}`;
}

function textOf(value: unknown, field: string, maxChars: number): string {
  if (typeof value !== 'string' || value.length === 0) {
    throw new BadValueError(`an event's ${field} has to be a text, not ${named(value)}`);
  }
  if (value.length > maxChars) {
    throw new BadValueError(`an event's ${field} has at most ${maxChars} characters`);
  }
  return value;
}

function keyOf(value: unknown): string {
  if (typeof value !== 'string') {
    throw new BadValueError(`an event's key has to be a text or null, not ${named(value)}`);
  }
  if (value.length > EVENT_KEY_MAX_BYTES || utf8Length(value) > EVENT_KEY_MAX_BYTES) {
    throw new BadValueError(`an event's key has at most ${EVENT_KEY_MAX_BYTES} bytes`);
  }
  return value;
}

const ISO_TIME =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

function timeOf(value: unknown): string {
  if (typeof value === 'string' && matches(ISO_TIME, value)) {
    // The 30th of February is another day.
    const day = new RealDate(`${value.slice(0, 10)}T00:00:00Z`);
    if (day.getUTCDate() === Number(value.slice(8, 10))) return value;
  }
  throw new BadValueError(
    `an event's time has to be a text such as 2026-01-31T12:00:00.000Z, not ${named(value)}`,
  );
}

const SHA256 = /^[0-9a-f]{64}$/;

function claimText(value: unknown): string {
  if (typeof value === 'object' && value !== null && keys(value).length === 4) {
    const { token, bytes, sha256, contentType } = value as Record<string, unknown>;
    if (
      typeof token === 'string' &&
      token.length >= 1 &&
      token.length <= 128 &&
      typeof bytes === 'number' &&
      Number.isSafeInteger(bytes) &&
      bytes >= 0 &&
      typeof sha256 === 'string' &&
      matches(SHA256, sha256) &&
      typeof contentType === 'string' &&
      contentType.length <= CONTENT_TYPE_MAX_CHARS
    ) {
      return `{"token":${stringify(token)},"bytes":${bytes},"sha256":"${sha256}","contentType":${stringify(contentType)}}`;
    }
  }
  throw new BadValueError(
    'an event\'s claim has to be {"token", "bytes", "sha256", "contentType"}, as POST /api/claims answers it',
  );
}

function named(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (typeof value === 'string')
    return stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
