import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { STATE_KEY_MAX_BYTES } from '../../../shared/limits.ts';
import type { KeyPath } from '../../../shared/schemas/processor.ts';
import { keyTaker } from '../../../shared/streaming/key-path.ts';

const taken = (path: KeyPath, event: unknown) => {
  const key = keyTaker(path)(event);
  return key.ok ? key.key : key.error;
};
const failing = (message: string) => ({
  code: 'bad_key',
  message: expect.stringContaining(message),
});

describe('a key path', () => {
  const event = {
    key: 'k',
    type: 'T',
    payload: { id: 7, on: false, list: ['a', { b: 'c' }], none: null, 'with space': '' },
  };

  test('reaches into the event, its payload, and lists', () => {
    expect(taken('key', event)).toBe('k');
    expect(taken('type', event)).toBe('T');
    expect(taken('payload.list.1.b', event)).toBe('c');
  });

  test('makes text of numbers and booleans; empty text is a key', () => {
    expect(taken('payload.id', event)).toBe('7');
    expect(taken('payload.on', event)).toBe('false');
    expect(taken('payload.with space', event)).toBe('');
    expect(taken('key', { key: -0 })).toBe('0');
  });

  test('says what is there instead of a key', () => {
    expect(taken('payload.id2', event)).toEqual(failing('there is nothing at "payload.id2"'));
    expect(taken('payload.none', event)).toEqual(failing('there is null at "payload.none"'));
    expect(taken('payload.list', event)).toEqual(failing('there is a list at "payload.list"'));
    expect(taken('payload', event)).toEqual(failing('there is an object at "payload"'));
    expect(taken('payload.id.deeper', event)).toEqual(failing('there is nothing at'));
  });

  test('finds nothing that every object has', () => {
    expect(taken('payload.constructor', event)).toEqual(failing('there is nothing'));
    expect(taken('payload.list.length.x', event)).toEqual(failing('there is nothing'));
    expect(taken('payload.__proto__', event)).toEqual(failing('there is nothing'));
  });

  test('takes keys up to their bound, in bytes', () => {
    const most = 'ä'.repeat(STATE_KEY_MAX_BYTES / 2);
    expect(taken('key', { key: most })).toBe(most);
    expect(taken('key', { key: `${most}x` })).toEqual(failing(`${STATE_KEY_MAX_BYTES + 1} bytes`));
    const half = 'x'.repeat(STATE_KEY_MAX_BYTES / 2);
    expect(taken(['key', 'id'], { key: half, id: half })).toEqual(failing('bytes'));
  });

  test('of several parts names the part that is missing', () => {
    expect(taken(['key', 'payload.id'], event)).toBe('k|7');
    expect(taken(['key', 'payload.no'], event)).toEqual(failing('"payload.no"'));
  });

  test('of several parts makes different keys of different parts', () => {
    const part = fc.string({ unit: fc.constantFrom('|', '\\', 'a'), maxLength: 4 });
    fc.assert(
      fc.property(part, part, part, part, (a, b, c, d) => {
        const key = (x: string, y: string) => taken(['key', 'id'], { key: x, id: y });
        expect(key(a, b) === key(c, d)).toBe(a === c && b === d);
      }),
    );
  });
});
