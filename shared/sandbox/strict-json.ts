// Keys and values as they leave user code. Values are plain JSON data and nothing else: what JSON.stringify
// would silently change (undefined, NaN, Date, class instances) is refused, since it would surprise later.
import { KEY_MAX_BYTES, VALUE_MAX_BYTES } from '../limits.ts';
import type { Json } from '../schemas/common.ts';
import { BadKeyError, BadValueError, ValueTooLargeError } from './task-error.ts';

const DEPTH_MAX = 200;
const { stringify } = JSON;
const { getPrototypeOf, keys: ownKeys, prototype: objectPrototype } = Object;
const { isArray } = Array;
const { isFinite } = Number;

/** A key as a well-formed string. Throws BadKeyError. */
export function keyText(key: unknown): string {
  if (typeof key === 'string') {
    const text = key.isWellFormed() ? key : key.toWellFormed();
    if (text.length * 3 > KEY_MAX_BYTES && utf8Length(text) > KEY_MAX_BYTES) {
      throw new BadKeyError(`a key has ${utf8Length(text)} bytes, the most is ${KEY_MAX_BYTES}`);
    }
    return text;
  }
  if (typeof key === 'number' || typeof key === 'boolean') return String(key);
  throw new BadKeyError(`a key has to be a string, a number or a boolean, not ${describe(key)}`);
}

/** A value as JSON text of at most `maxBytes`. Throws BadValueError. */
export function valueText(value: unknown, key: string, maxBytes: number = VALUE_MAX_BYTES): string {
  if (typeof value === 'number' && isFinite(value)) return value === 0 ? '0' : String(value);
  checkJson(value, key, maxBytes);
  const text = stringify(value);
  if (text.length * 3 > maxBytes && utf8Length(text) > maxBytes) {
    throw new ValueTooLargeError(
      `the value of ${shownKey(key)} has ${utf8Length(text)} bytes as JSON, the most is ${maxBytes}`,
    );
  }
  return text;
}

/**
 * Throws BadValueError unless it is JSON data through and through. Looks at no more than what `maxBytes` of
 * JSON could hold: a small object that holds itself many times over is endless as text.
 */
export function checkJson(
  value: unknown,
  key: string,
  maxBytes: number = VALUE_MAX_BYTES,
): asserts value is Json {
  checkWithin(value, key, 0, { chars: maxBytes, maxBytes });
}

function checkWithin(
  value: unknown,
  key: string,
  depth: number,
  left: { chars: number; readonly maxBytes: number },
): void {
  left.chars -= typeof value === 'string' ? value.length + 2 : 1;
  if (left.chars < 0) {
    throw new ValueTooLargeError(
      `the value of ${shownKey(key)} is over ${left.maxBytes} bytes as JSON, the most there may be`,
    );
  }
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return;
  if (typeof value === 'number') {
    if (isFinite(value)) return;
  } else if (typeof value === 'object') {
    if (depth > DEPTH_MAX) {
      throw new BadValueError(`the value of ${shownKey(key)} is nested too deeply, or in a circle`);
    }
    if (isArray(value)) {
      for (let i = 0; i < value.length; i++) checkWithin(value[i], key, depth + 1, left);
      return;
    }
    const prototype: unknown = getPrototypeOf(value);
    if (prototype === objectPrototype || prototype === null) {
      const names = ownKeys(value);
      for (let i = 0; i < names.length; i++) {
        const name = names[i] as string;
        left.chars -= name.length + 3;
        checkWithin((value as Record<string, unknown>)[name], key, depth + 1, left);
      }
      return;
    }
  }
  throw new BadValueError(`the value of ${shownKey(key)} has to be JSON, not ${describe(value)}`);
}

export function shownKey(key: string): string {
  return stringify(key.length > 60 ? `${key.slice(0, 60)}…` : key);
}

function describe(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (value === null) return 'null';
  if (typeof value === 'object') {
    const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
    if (isArray(value)) return 'an array';
    if (typeof name !== 'string' || name === '') return 'an object';
    return `${/^[AEIO]/i.test(name) ? 'an' : 'a'} ${name}`;
  }
  return typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`;
}

/** Bytes of a well-formed text in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    // A surrogate pair is two units and four bytes.
    bytes += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2;
  }
  return bytes;
}
