// Keys, values and lengths at their bounds: what passes is what comes out again, and what would change is
// refused with its reason.
import { describe, expect, test } from 'vitest';
import { KEY_MAX_BYTES, VALUE_MAX_BYTES } from '../../../shared/limits.ts';
import { accumulate, BUILTINS, initial, isBuiltin } from '../../../shared/mapreduce/builtins.ts';
import { checkJson, keyText, utf8Length, valueText } from '../../../shared/sandbox/strict-json.ts';
import { BadKeyError, BadValueError } from '../../../shared/sandbox/task-error.ts';
import {
  readVarint,
  SpillFormatError,
  tryReadVarint,
  varintBytes,
  writeVarint,
} from '../../../shared/mapreduce/varint.ts';

describe('a key', () => {
  test.each([
    ['text', 'text'],
    ['', ''],
    [5, '5'],
    [-0, '0'],
    [1e21, '1e+21'],
    [NaN, 'NaN'],
    [true, 'true'],
    ['lone \ud800 surrogate', 'lone \ufffd surrogate'],
  ])('%j is written as %j', (key, text) => {
    expect(keyText(key)).toBe(text);
  });

  test.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [{}, 'an Object'],
    [['a'], 'an array'],
    [new Date(0), 'a Date'],
    [Object.create(null), 'an object'],
    [() => 1, 'a function'],
    [Symbol('s'), 'a symbol'],
    [5n, 'a bigint'],
  ])('is not %s', (key, what) => {
    expect(() => keyText(key)).toThrow(BadKeyError);
    expect(() => keyText(key)).toThrow(new RegExp(`not ${what}$`));
  });

  test.each(['a', 'é', '€', '😀', '\ud800'])('of %j has at most 64 KiB in UTF-8', (unit) => {
    const bytes = Buffer.byteLength(unit.toWellFormed());
    const fits = unit.repeat(Math.floor(KEY_MAX_BYTES / bytes));
    expect(Buffer.byteLength(keyText(fits))).toBeLessThanOrEqual(KEY_MAX_BYTES);
    expect(() => keyText(fits + unit)).toThrow(/the most is 65536/);
  });
});

describe('a value', () => {
  test.each<[unknown, string]>([
    [0, '0'],
    [-0, '0'],
    [1.5, '1.5'],
    [1e300, '1e+300'],
    ['a"b', '"a\\"b"'],
    ['\ud800', '"\\ud800"'],
    [null, 'null'],
    [true, 'true'],
    [[1, [2], {}], '[1,[2],{}]'],
    [Object.assign(Object.create(null) as object, { a: 1 }), '{"a":1}'],
  ])('%j is written as %s', (value, text) => {
    expect(valueText(value, 'k')).toBe(text);
  });

  const circle: unknown[] = [];
  circle.push(circle);
  const sparse: unknown[] = [];
  sparse[1] = 1;
  test.each<[string, unknown, string]>([
    ['undefined', undefined, 'not undefined'],
    ['NaN', NaN, 'not NaN'],
    ['Infinity', Infinity, 'not Infinity'],
    ['a function', () => 1, 'not a function'],
    ['a symbol', Symbol('s'), 'not a symbol'],
    ['a bigint', 1n, 'not a bigint'],
    ['a Date', new Date(0), 'not a Date'],
    ['a Map', new Map(), 'not a Map'],
    ['a promise', Promise.resolve(), 'not a Promise'],
    ['bytes', new Uint8Array(2), 'not a Uint8Array'],
    ['undefined within', { a: [undefined] }, 'not undefined'],
    ['NaN within', [[NaN]], 'not NaN'],
    ['a hole', sparse, 'not undefined'],
    ['a method', { toJSON: () => 1 }, 'not a function'],
    ['a class of its own', new (class Point {})(), 'not a Point'],
    ['a circle', circle, 'nested too deeply, or in a circle'],
  ])('is not %s', (_, value, message) => {
    expect(() => valueText(value, 'the key')).toThrow(BadValueError);
    expect(() => valueText(value, 'the key')).toThrow(message);
    expect(() => valueText(value, 'the key')).toThrow('"the key"');
  });

  test.each(['a', 'é', '😀'])('of %j has at most 1 MiB as JSON', (unit) => {
    const bytes = Buffer.byteLength(unit);
    const fits = unit.repeat(Math.floor((VALUE_MAX_BYTES - 2) / bytes));
    expect(Buffer.byteLength(valueText(fits, 'k'))).toBeLessThanOrEqual(VALUE_MAX_BYTES);
    expect(() => valueText(`${fits}${unit}`, 'k')).toThrow(BadValueError);
  });

  test('of many small parts has at most 1 MiB too', () => {
    const fits = new Array<number>(((VALUE_MAX_BYTES - 1) / 2) | 0).fill(1);
    expect(valueText(fits, 'k').length).toBeLessThanOrEqual(VALUE_MAX_BYTES);
    expect(() => valueText([...fits, 1, 1], 'k')).toThrow(BadValueError);
    const names = Object.fromEntries(
      Array.from({ length: 200 }, (_, i) => [`${i}${'n'.repeat(6000)}`, 0]),
    );
    expect(() => valueText(names, 'k')).toThrow(BadValueError);
  });

  test('that holds itself two hundred times over is refused at once', () => {
    let doubled: unknown = ['x'];
    for (let i = 0; i < 150; i++) doubled = [doubled, doubled];
    expect(() => checkJson(doubled, 'k')).toThrow(/over 1048576 bytes/);
    const long = 'x'.repeat(500_000);
    expect(() => checkJson(new Array(1_000_000).fill(long), 'k')).toThrow(/over 1048576 bytes/);
  });

  test('has its bytes counted as an encoder does', () => {
    for (const text of ['', 'a', 'é', '€', '😀', 'a😀é\uffff']) {
      expect(utf8Length(text)).toBe(Buffer.byteLength(text));
    }
  });
});

describe('a built-in', () => {
  const fold = (name: Exclude<(typeof BUILTINS)[number], 'collect'>, values: number[]) =>
    values.map((value) => initial(name, value, false)).reduce((a, b) => accumulate(name, a, b));

  test('gives the same whether it is combined on the way or not', () => {
    for (const name of ['sum', 'count', 'min', 'max', 'first'] as const) {
      const whole = fold(name, [3, -1, 7, 7]);
      const parts = [fold(name, [3, -1]), fold(name, [7, 7])].map((part) =>
        initial(name, part, true),
      );
      expect(parts.reduce((a, b) => accumulate(name, a, b))).toBe(whole);
    }
    expect(
      ['sum', 'count', 'min', 'max', 'first'].map((name) => fold(name as 'sum', [3, -1, 7, 7])),
    ).toEqual([16, 4, -1, 7, 3]);
  });

  test('counts anything, keeps the first of anything, and adds numbers only', () => {
    expect(initial('count', { a: 1 }, false)).toBe(1);
    expect(initial('first', { a: 1 }, false)).toEqual({ a: 1 });
    for (const name of ['sum', 'min', 'max'] as const) {
      expect(() => initial(name, '5', false)).toThrow(`"${name}" wants numbers, and got "5"`);
      expect(() => accumulate(name, 1, null)).toThrow(BadValueError);
    }
    expect(() => initial('count', 'x', true)).toThrow(BadValueError);
  });

  test('has a name', () => {
    expect(BUILTINS.every(isBuiltin)).toBe(true);
    expect(['avg', '', 'toString', 5, null, undefined].some(isBuiltin)).toBe(false);
  });
});

describe('a varint', () => {
  const values = [
    0,
    1,
    127,
    128,
    16_383,
    16_384,
    2 ** 21 - 1,
    2 ** 21,
    2 ** 28,
    2 ** 31,
    2 ** 32 - 1,
  ];

  test.each(values)('of %i is read as it was written, and no shorter', (value) => {
    const bytes = new Uint8Array(8);
    const end = writeVarint(bytes, 1, value);
    expect(end - 1).toBe(varintBytes(value));
    const cursor = { at: 1 };
    expect(readVarint(bytes, cursor)).toBe(value);
    expect(cursor.at).toBe(end);
    const cutOff = { at: 1 };
    expect(tryReadVarint(bytes.subarray(0, end - 1), cutOff)).toBeNull();
    expect(cutOff.at).toBe(1);
    expect(() => readVarint(bytes.subarray(0, end - 1), { at: 1 })).toThrow(SpillFormatError);
  });

  test.each([
    ['longer than it has to be', [0x80, 0x00]],
    ['one and a zero', [0x81, 0x80, 0x00]],
    ['past 32 bits', [0xff, 0xff, 0xff, 0xff, 0x1f]],
    ['endless', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80]],
  ])('that is %s is refused', (_, bytes) => {
    expect(() => readVarint(Uint8Array.from(bytes), { at: 0 })).toThrow(SpillFormatError);
  });
});
