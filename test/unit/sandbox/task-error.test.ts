// Whatever user code throws becomes an error with a stable code and its place in the submitted program.
import { describe, expect, test } from 'vitest';
import { ERROR_MESSAGE_MAX_CHARS, ERROR_STACK_MAX_CHARS } from '../../../shared/limits.ts';
import { BadKeyError, taskErrorOf, TaskFailure } from '../../../shared/sandbox/task-error.ts';

const origin = { lines: 2, firstLineColumns: 10 };

function withStack(message: string, frames: string[]): Error {
  const error = new TypeError(message);
  error.stack = [`TypeError: ${message}`, ...frames].join('\n');
  return error;
}

describe('an error', () => {
  test('has its name, its place and the frames within the program', () => {
    const error = withStack('x is not a function', [
      '    at helper (program.js:9:5)',
      '    at Object.map (program.js:3:31)',
      '    at async runMap (runtime.js:55:2)',
      '    at eval (eval at factory (program.js:12:4), <anonymous>:1:1)',
      '    at program.js:4:7',
    ]);
    expect(taskErrorOf(error, origin)).toEqual({
      code: 'program_threw',
      message: 'TypeError: x is not a function',
      line: 7,
      column: 5,
      stack: [
        'TypeError: x is not a function',
        '    at helper (program.js:7:5)',
        '    at map (program.js:1:21)',
        '    at program (program.js:10:4)',
        '    at program (program.js:2:7)',
      ].join('\n'),
    });
  });

  test('has no place that only its message speaks of', () => {
    const error = withStack('see program.js:99:1\nor program.js:98:1', [
      '    at a (program.js:5:1)',
    ]);
    expect(taskErrorOf(error, origin)).toMatchObject({ line: 3, column: 1 });
    expect(taskErrorOf(withStack('at program.js:99:1', []), origin)).not.toHaveProperty('line');
  });

  test('of the runtime before the program has no place', () => {
    expect(taskErrorOf(withStack('no', ['    at x (program.js:2:1)']), origin)).not.toHaveProperty(
      'line',
    );
  });

  test('has a place in stacks of other engines too', () => {
    const error = withStack('no', ['map@program.js:5:3', '@blob:null/1:2:3']);
    expect(taskErrorOf(error, origin)).toMatchObject({ line: 3, column: 3 });
  });

  test("keeps the code of the system's own failures, and their plain message", () => {
    expect(taskErrorOf(new BadKeyError('a key is long'), origin)).toMatchObject({
      code: 'bad_key',
      message: 'a key is long',
    });
    expect(taskErrorOf(new TaskFailure('memory', 'm'), origin).code).toBe('memory');
    const guard = Object.assign(new Error('steps'), { name: 'LoopGuardError' });
    expect(taskErrorOf(guard, origin).code).toBe('loop_guard');
    expect(taskErrorOf(new Error('x'), origin, 'bad_program').code).toBe('bad_program');
  });

  test('is cut to its bounds', () => {
    const long = withStack(
      'm'.repeat(10_000),
      new Array<string>(900).fill('    at a (program.js:5:1)'),
    );
    const { message, stack } = taskErrorOf(long, origin);
    expect(message).toHaveLength(ERROR_MESSAGE_MAX_CHARS);
    expect(stack).toHaveLength(ERROR_STACK_MAX_CHARS);
  });
});

describe('thrown without being an error', () => {
  const hostile = {
    toString() {
      throw new Error('never');
    },
  };
  const lying = Object.defineProperty(new Error('x'), 'message', {
    get() {
      throw new Error('never');
    },
  });
  test.each<[string, unknown, string]>([
    ['a text', 'oops', 'threw oops'],
    ['undefined', undefined, 'threw undefined'],
    ['a symbol', Symbol('s'), 'threw Symbol(s)'],
    ['an object', {}, 'threw [object Object]'],
    ['what cannot be written', hostile, 'threw a value that cannot be described'],
    [
      'an object without a prototype',
      Object.create(null),
      'threw a value that cannot be described',
    ],
    ['an error that throws', lying, 'threw a value that cannot be described'],
  ])('%s is described', (_, thrown, message) => {
    expect(taskErrorOf(thrown, origin)).toEqual({ code: 'program_threw', message });
  });
});
