// Real programs, good and bad, through the compiler: what runs is what was written, on the lines it was
// written on, and what cannot run is refused at its place.
import { describe, expect, test } from 'vitest';
import { compileProgram } from '../../../shared/mapreduce/program.ts';
import { NEW_FUNCTION_ORIGIN, programSource } from '../../../shared/sandbox/program-text.ts';
import { taskErrorOf } from '../../../shared/sandbox/task-error.ts';
import { evaluate, type Loaded } from './evaluate.ts';

function load(code: string): Loaded {
  const compiled = compileProgram(code);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
  return evaluate(compiled.program.text)();
}

function errorsOf(code: string) {
  const compiled = compileProgram(code);
  return compiled.ok ? [] : compiled.errors;
}

const stagesOf = (code: string) => {
  const compiled = compileProgram(code);
  return compiled.ok ? [compiled.program.combine, compiled.program.reduce] : compiled.errors;
};

const emitted = (code: string, record: unknown = 'a b') => {
  const out: unknown[] = [];
  load(code).map(record, (key, value) => out.push([key, value]), { params: {} });
  return out;
};

describe('a program', () => {
  test.each([
    ['a function', 'export function map(line, emit) { emit(line, 1) }'],
    ['an arrow in a const', 'export const map = (line, emit) => emit(line, 1)'],
    ['a let', 'export let map = function (line, emit) { emit(line, 1); }'],
    ['another name', 'function go(line, emit) { emit(line, 1) }\nexport { go as map }'],
    ['a string name', 'const go = (line, emit) => emit(line, 1)\nexport { go as "map" };'],
    [
      'the export before the function',
      'export { map }\nfunction map(line, emit) { emit(line, 1) }',
    ],
    ['a pattern', 'export const { map } = { map: (line, emit) => emit(line, 1) }'],
    [
      'a nested pattern',
      'export const [{ m: map = 1 }, ...rest] = [{ m: (l, emit) => emit(l, 1) }]',
    ],
    ['a comment at the end', 'export function map(line, emit) { emit(line, 1) } // the end'],
    ['an open comment between', 'export /* here */ function map(line, emit) { emit(line, 1) }'],
    [
      'no semicolons',
      'const n = 1\nexport const map = (line, emit) => emit(line, n)\n;[1].map(String)',
    ],
    ['a strict directive', '"use strict"\nexport function map(line, emit) { emit(line, 1) }'],
    ['a byte order mark', '\ufeffexport function map(line, emit) { emit(line, 1) }'],
    ['Windows line ends', 'export\r\nfunction map(line, emit) {\r\n emit(line, 1)\r\n}\r\n'],
  ])('may export map as %s', (_, code) => {
    expect(emitted(code)).toEqual([['a b', 1]]);
  });

  test('keeps its templates, its regular expressions and its text to the letter', () => {
    const code = [
      'const text = `export const combine = "sum" ${[1, 2].map((n) => `<${n}>`).join("")}',
      'second line`',
      'export function map(line, emit) { emit(text, /export {a}/.source) }',
    ].join('\n');
    expect(emitted(code)).toEqual([
      ['export const combine = "sum" <1><2>\nsecond line', 'export {a}'],
    ]);
    const compiled = compileProgram(code);
    expect(compiled.ok && programSource(compiled.program.text)).toBe(
      code.replace('export function', 'function'),
    );
  });

  test('has fresh module variables in each task', () => {
    const compiled = compileProgram(
      'let n = 0\nexport function map(line, emit) { emit(line, ++n) }',
    );
    if (!compiled.ok) throw new Error('did not compile');
    const factory = evaluate(compiled.program.text);
    for (let i = 0; i < 2; i++) {
      const out: unknown[] = [];
      factory().map('x', (_, value) => out.push(value), {});
      expect(out).toEqual([1]);
    }
  });

  test('may be async', async () => {
    const program = load('export async function map(line, emit) { await null; emit(line, 1) }');
    const out: unknown[] = [];
    await program.map('x', (key) => out.push(key), {});
    expect(out).toEqual(['x']);
  });

  test.each([
    ["export const combine = 'sum'", 'sum'],
    ['export const combine = `max`', 'max'],
    ['const c = "first"; export { c as combine }', 'first'],
    ['export function combine(key, values) { return values[0] }', 'code'],
    ['export let combine = (key, values) => values[0]', 'code'],
    ['', null],
  ])('names its combine: %s', (line, stage) => {
    expect(stagesOf(`export function map() {}\n${line}`)).toEqual([stage, null]);
    const reduce = line.replace('combine', 'reduce');
    expect(stagesOf(`export function map() {}\n${reduce}`)).toEqual([null, stage]);
  });

  test('throws on the line and column where it was written', () => {
    const lines = ['', 'const', '  a = 1', 'export', '  {', '  a as b', '}', ''];
    const code = `${lines.join('\n')}export /* over\ntwo lines */ function map(line) {\n\n   line.no.no\n}`;
    let thrown: unknown;
    try {
      load(code).map({}, () => undefined, {});
    } catch (error) {
      thrown = error;
    }
    const error = taskErrorOf(thrown, NEW_FUNCTION_ORIGIN);
    expect(error).toMatchObject({ code: 'program_threw', line: 11, column: 12 });
    expect(error.stack).toContain('at map (program.js:11:12)');
  });

  test('throws on its first line at the column where it was written', () => {
    const code = 'export function map(line) { line.no.no }';
    let thrown: unknown;
    try {
      load(code).map({}, () => undefined, {});
    } catch (error) {
      thrown = error;
    }
    // "export " was taken out in front.
    const column = code.indexOf('no.no') + 4 - 'export '.length;
    expect(taskErrorOf(thrown, NEW_FUNCTION_ORIGIN)).toMatchObject({ line: 1, column });
  });
});

describe('refused, at its place, is', () => {
  const map = 'export function map() {}\n';
  test.each([
    ['no map', 'const a = 1', 'exports no `map`', 1, 1],
    ['an empty program', '', 'exports no `map`', 1, 1],
    ['a map that is a number', 'export const map = 5', 'map has to be a function', 1, 20],
    ['a map that is a built-in', "export const map = 'sum'", 'map has to be a function', 1, 20],
    ['a map that is a class', 'export class map {}', 'map cannot be a class', 1, 8],
    ['a generator', 'export function* map() {}', 'map cannot be a generator', 1, 8],
    [
      'a generator in a const',
      '\nexport const map = function* () {}',
      'map cannot be a generator',
      2,
      20,
    ],
    ['an unknown built-in', `${map}export const combine = 'avg'`, 'combine is "avg"', 2, 24],
    ['a reduce that is a number', `${map}export const reduce = 1`, 'reduce is 1', 2, 23],
    [
      'an async combine',
      `${map}export async function combine() {}`,
      'combine cannot be async',
      2,
      8,
    ],
    ['an import', `import a from 'a'\n${map}`, 'cannot import', 1, 1],
    ['a dynamic import', `${map}  const a = () => import('a')`, 'cannot import', 2, 19],
    ['import.meta', `${map}const a = import.meta.url`, 'import.meta', 2, 11],
    ['a re-export', `${map}export { a } from 'a'`, 'another module', 2, 1],
    ['export *', `${map}export * from 'a'`, 'another module', 2, 1],
    ['a default export', 'export default function map() {}', 'not a default export', 1, 1],
    ['await at the top', `${map}const a = [await 1]`, 'cannot await outside', 2, 12],
    ['for await at the top', `${map}for await (const a of []) ;`, 'cannot await outside', 2, 1],
    ['return at the top', `${map}return 1`, "'return' outside of function", 2, 1],
    ['a syntax error', `${map}\n  const = 4`, 'Unexpected token', 3, 9],
    ['an undeclared export', 'export { map }', "Export 'map' is not defined", 1, 10],
    ['the same export twice', `${map}${map}`, "'map'", 2, 17],
    ['a hash bang', `#!/usr/bin/env node\n${map}`, 'Unexpected', 1, 2],
  ])('%s', (_, code, message, line, column) => {
    const [first] = errorsOf(code);
    expect(first?.message).toContain(message);
    expect([first?.line, first?.column]).toEqual([line, column]);
    expect(first?.message).not.toMatch(/\(\d+:\d+\)/);
  });

  test('everything that is wrong with it, in order', () => {
    const errors = errorsOf("export * from 'b'\nimport a from 'a'\nexport const combine = 'avg'");
    expect(errors.map(({ line }) => line)).toEqual([1, 1, 2, 3]);
  });

  test('a program that is nested too deeply to read', () => {
    const deep = `export function map() { return ${'['.repeat(100_000)}${']'.repeat(100_000)} }`;
    expect(errorsOf(deep)).toHaveLength(1);
  });
});
