// The code of DAG jobs through the compiler: what runs is what was written, on the lines it was written on, and what
// cannot run is refused at its place.
import { describe, expect, it } from 'vitest';
import { compileExpressions, compileStep } from '../../../shared/dag/program.ts';
import { NEW_FUNCTION_ORIGIN } from '../../../shared/sandbox/program-text.ts';
import { taskErrorOf } from '../../../shared/sandbox/task-error.ts';
import { DagSpec } from '../../../shared/schemas/dag.ts';
import { evaluated } from './programs.ts';

function load(code: string): (...given: unknown[]) => unknown {
  const compiled = compileStep(code);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
  return evaluated(compiled.text)(() => undefined).default as () => unknown;
}

describe('a step’s program', () => {
  it.each([
    ['an arrow', 'export default (a) => a + 1'],
    ['a function without a name', 'export default function (a) { return a + 1 }'],
    [
      'a function without a name, and a line that could call it',
      'export default function (a) { return a + 1 }\n(1, 2)',
    ],
    ['a named function', 'export default function go(a) { return a + 1 }'],
    ['a function that is used before', 'go(1)\nexport default function go(a) { return a + 1 }'],
    ['a name', 'const go = (a) => a + 1\nexport default go'],
    ['a named export', 'const go = (a) => a + 1\nexport { go as default }'],
    ['a string name', 'const go = (a) => a + 1\nexport { go as "default" }'],
    ['what a call gives', 'const add = (b) => (a) => a + b\nexport default add(1)'],
    ['parentheses', 'export default (function (a) { return a + 1 })'],
    ['a conditional', 'export default true ? (a) => a + 1 : null;'],
    ['over lines', 'export\ndefault // here\n\n(a) => a + 1 // the end'],
    ['beside other exports', 'export const main = 1, main_ = 2\nexport default (a) => a + main'],
    ['an object in parentheses', 'export default (a) => ({ n: a + 1 }).n'],
  ])('exports its function as %s', (_, code) => {
    expect(load(code)(1)).toBe(2);
  });

  it('may be async', async () => {
    expect(await load('export default async (a) => a + 1')(1)).toBe(2);
    expect(await load('export default async function (a) { return a + 1 }')(1)).toBe(2);
  });

  it.each([
    ['export default (a) => a.no.no', 1, 28],
    ['const x = 1\n\nexport default function (a) {\n  return a.no.no\n}', 4, 15],
    ['export default\n\n  (a) =>\n    a.no.no', 4, 10],
    ['export default function go(a) { return a.no.no }', 1, 45],
  ])('throws on the line and column where it was written: %s', (code, line, column) => {
    let thrown: unknown;
    try {
      load(code)({});
    } catch (error) {
      thrown = error;
    }
    expect(taskErrorOf(thrown, NEW_FUNCTION_ORIGIN)).toMatchObject({ line, column });
  });

  it.each([
    ['', 'a step has one function', 1, 1],
    ['export function process() {}', 'a step has one function', 1, 1],
    ['export default 5', 'has to be a function', 1, 16],
    ['export default {}', 'has to be a function', 1, 16],
    ['const a = "x"\nexport { a as default }', 'has to be a function', 1, 11],
    ['export default class {}', 'has to be a function', 1, 16],
    ['export default class A {}', 'has to be a function', 1, 16],
    ['export default function* () {}', 'has to be a function', 1, 16],
    ['export default () => 1\nexport default () => 2', 'Duplicate export', 2, 8],
    ['import x from "y"\nexport default () => x', 'cannot import', 1, 1],
    ['export default () => import("y")', 'cannot import', 1, 22],
    ['await 1\nexport default () => 1', 'cannot await', 1, 1],
    ['export default () => {', 'Unexpected token', 1, 23],
  ])('is refused at its place: %s', (code, message, line, column) => {
    const compiled = compileStep(code);
    expect(compiled).toMatchObject({
      ok: false,
      errors: [{ message: expect.stringContaining(message) as string, line, column }],
    });
  });
});

const specOf = (fields: Record<string, string>) =>
  DagSpec.parse({
    kind: 'dag',
    steps: {
      first: { run: 'sleep', ms: 1 },
      'the-step': { run: 'edge', code: 'x', needs: ['first'], ...fields },
    },
  });

describe('expressions', () => {
  it('are one program: names to functions of the input and the steps', () => {
    const compiled = compileExpressions(specOf({ when: 'input.n > 1', forEach: 'steps.first' }));
    if (!compiled.ok || compiled.text === null) throw new Error('did not compile');
    const program = evaluated(compiled.text)(() => undefined) as Record<
      string,
      (given: object) => unknown
    >;
    expect(Object.keys(program)).toEqual(['the-step.when', 'the-step.forEach']);
    const given = { input: { n: 2 }, steps: { first: [1] } };
    expect(program['the-step.when']?.(given)).toBe(true);
    expect(program['the-step.forEach']?.(given)).toEqual([1]);
  });

  it('may read steps that are there; others are named before anything runs', () => {
    const told = (source: string) => {
      const compiled = compileExpressions(specOf({ when: source }));
      return compiled.ok ? [] : compiled.errors;
    };
    const refused = (column: number, name: string) => [
      {
        path: 'steps.the-step.when',
        message: `line 1, column ${column}: there is no step "${name}"`,
      },
    ];
    expect(told('steps.frist > 1')).toEqual(refused(7, 'frist'));
    expect(told('input.n && steps?.["the step"]')).toEqual(refused(20, 'the step'));
    expect(told('steps.first > 1 && steps["the-step"]')).toEqual([]);
    expect(told('steps.hasOwnProperty(input.n) || input.steps.x || steps[input.n]')).toEqual([]);
    expect(told('input.map((steps) => steps.x)')).toEqual([]);
    expect(told('input.map(({ steps }) => steps.x)')).toEqual([]);
  });

  it('are none: then there is no program', () => {
    expect(compileExpressions(specOf({}))).toEqual({ ok: true, text: null });
  });

  it.each([
    ['{ a: 1 }', { a: 1 }],
    ['(1)', 1],
    ['(1) + (2) // three', 3],
    ['/* a */ 1 /* b */\n// c', 1],
    ['1, 2', 2],
    ['((a) => a * 2)(4)', 8],
    ['`${input}`', 'in'],
    ['"a // b"', 'a // b'],
  ])('mean what they say: %s', (source, value) => {
    const compiled = compileExpressions(specOf({ when: source }));
    if (!compiled.ok || compiled.text === null) throw new Error(JSON.stringify(compiled));
    const program = evaluated(compiled.text)(() => undefined) as Record<
      string,
      (given: object) => unknown
    >;
    expect(program['the-step.when']?.({ input: 'in', steps: {} })).toEqual(value);
  });

  it.each([
    ['a b', 'line 1, column 3: one expression is expected, and after it stands "b"'],
    ['a;', 'line 1, column 2: one expression'],
    ['1)\n; evil(); (2', 'line 1, column 2: one expression'],
    ['a // fine\n b', 'line 2, column 2: one expression'],
    ['const a = 1', 'line 1, column 1: Unexpected token'],
    ['return 1', 'Unexpected token'],
    ['steps.', 'line 1, column 7: Unexpected token'],
    ['await input', 'cannot await'],
    ['1 + (await input)', 'line 1, column 6: an expression cannot await'],
    ['import("x")', 'cannot import'],
    ['import.meta.url', 'import.meta'],
    ['/* open', 'Unterminated comment'],
    ['// nothing', 'Unexpected token'],
    ['(() => { with (a) {} })()', "'with' in strict mode"],
    ['!'.repeat(300), 'Unexpected token'],
  ])('are refused at their place: %s', (source, message) => {
    const compiled = compileExpressions(specOf({ forEach: source }));
    expect(compiled).toMatchObject({
      ok: false,
      errors: [
        {
          path: 'steps.the-step.forEach',
          message: expect.stringContaining(message) as string,
        },
      ],
    });
  });
});
