// What is refused of a definition before anything is stored: by its code, with all places, the circle first.
import { describe, expect, it } from 'vitest';
import { DAG_SPEC_MAX_BYTES } from '../../../shared/limits.ts';
import { DagSpec, type DagSpecInput } from '../../../shared/schemas/dag.ts';
import { compileDag } from '../../../worker/jobs/dag/definition.ts';
import { ProblemError } from '../../../worker/platform/problem.ts';

const sleep = (...needs: string[]) => ({ run: 'sleep' as const, ms: 1, needs });
const edge = (code: string, more: object = {}) => ({ run: 'edge' as const, code, ...more });

const compile = (steps: DagSpecInput['steps'], input: DagSpecInput['input'] = null) =>
  compileDag(DagSpec.parse({ kind: 'dag', steps, input }));

function refusal(work: () => unknown): { code: string; detail: string; paths: string[] } {
  try {
    work();
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const { code, message, errors } = error;
    return { code, detail: message, paths: errors.map(({ path }) => path) };
  }
  throw new Error('it was not refused');
}

describe('a definition', () => {
  it('becomes levels, programs and one program of all expressions', () => {
    const same = 'export default () => 1';
    const compiled = compile({
      end: sleep('a', 'b'),
      a: edge(same, { when: 'input.x' }),
      b: edge(same, { forEach: 'input.list' }),
      helped: { run: 'volunteer', code: same },
    });
    expect(compiled.levels).toEqual([['a', 'b', 'helped'], ['end']]);
    // What a volunteer runs is compiled for volunteers when it is begun.
    expect(Object.keys(compiled.programs)).toEqual(['a', 'b']);
    expect(compiled.programs['a']).toBe(compiled.programs['b']);
    expect(compiled.expressions).toContain('"a.when"');
    expect(compiled.expressions).toContain('"b.forEach"');
    expect(compile({ a: sleep() })).toEqual({ levels: [['a']], programs: {}, expressions: null });
  });

  it('with a circle is called after it, whatever else is wrong', () => {
    const { code, detail, paths } = refusal(() =>
      compile({ x: sleep('gone'), a: sleep('b'), b: sleep('a'), y: sleep('x', 'x') }),
    );
    expect(code).toBe('cycle');
    expect(detail).toMatch(/^steps\.a\.needs: .*a → b → a/);
    expect(paths).toEqual(['steps.a.needs', 'steps.x.needs', 'steps.y.needs']);
  });

  it('with a need of an unknown step, or the same need twice, says which', () => {
    expect(refusal(() => compile({ x: sleep('gone'), y: sleep('x', 'x') }))).toMatchObject({
      code: 'unknown_step',
      paths: ['steps.x.needs', 'steps.y.needs'],
    });
    expect(refusal(() => compile({ x: sleep(), y: sleep('x', 'x') }))).toMatchObject({
      code: 'invalid_request',
      paths: ['steps.y.needs'],
    });
  });

  it('names every program and expression that does not parse', () => {
    const { code, paths } = refusal(() =>
      compile({
        a: edge('export default () => {'),
        b: edge('export const x = 1', { when: 'input.', forEach: '1; 2' }),
        c: { run: 'volunteer', code: 'export default 3' },
        d: edge('export default () => 1'),
      }),
    );
    expect(code).toBe('bad_program');
    expect(paths).toEqual([
      'steps.a.code',
      'steps.b.code',
      'steps.c.code',
      'steps.b.when',
      'steps.b.forEach',
    ]);
  });

  it('past its bound is too large, by what it has as JSON', () => {
    const input = 'ü'.repeat(DAG_SPEC_MAX_BYTES / 2);
    const { code, detail } = refusal(() => compile({ a: sleep() }, input));
    expect(code).toBe('too_large');
    expect(detail).toContain(String(DAG_SPEC_MAX_BYTES));
  });
});
