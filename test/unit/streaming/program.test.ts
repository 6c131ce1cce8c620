// What a processor's program has to export, by its kind.
import { describe, expect, it } from 'vitest';
import { compileProcessor, type ProgramUse } from '../../../shared/streaming/program.ts';

const compiled = (code: string, use?: ProgramUse) => {
  const result = compileProcessor(code, use);
  return result.ok
    ? result.program
    : result.errors.map(({ message, line }) => `${line}: ${message}`);
};

const PROCESS = 'export const process = () => 1\n';
const SESSION: ProgramUse = { kind: 'window', window: { type: 'session' } };
const TUMBLING: ProgramUse = { kind: 'window', window: { type: 'tumbling' } };

describe('a program', () => {
  it('has a process, whatever its kind', () => {
    for (const kind of ['stateless', 'stateful', 'join', 'window', 'batch'] as const) {
      expect(compiled(PROCESS, { kind })).toMatchObject({ adds: false, merges: false });
      expect(compiled('export const add = () => 1', { kind })).toEqual([
        '1: the program exports no `process` function',
      ]);
    }
  });

  it('of a window may have add and merge, which are made for windows only', () => {
    const code = `${PROCESS}export const add = () => 1\nexport function merge() {}`;
    expect(compiled(code, SESSION)).toMatchObject({ adds: true, merges: true });
    expect(compiled(code, TUMBLING)).toMatchObject({ adds: true, merges: true });
    const without = {
      adds: false,
      merges: false,
      text: expect.not.stringContaining('add: add') as string,
    };
    expect(compiled(code, { kind: 'stateful' })).toMatchObject(without);
    expect(compiled(code)).toMatchObject(without);
  });

  it('of session windows has a merge when it has an add', () => {
    const code = `${PROCESS}export const add = () => 1`;
    expect(compiled(code, TUMBLING)).toMatchObject({ adds: true, merges: false });
    expect(compiled(code, SESSION)).toEqual([
      expect.stringMatching(/^2: session windows with `add` need `merge/),
    ]);
  });

  it.each([
    ['export const add = 5', '2: add has to be a function'],
    ['export function* add() {}', '2: add cannot be a generator: call emit instead of yielding'],
    ['export class merge {}', '2: merge cannot be a class'],
    [
      'export async function merge() {}',
      '2: merge cannot be async: it runs before an event is added',
    ],
  ])('of a window is refused with %s', (more, error) => {
    expect(compiled(PROCESS + more, TUMBLING)).toEqual([error]);
  });
});
