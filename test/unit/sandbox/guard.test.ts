// The loop guard: whatever never ends is ended, and what ends does the same with it as without it.
import { describe, expect, test } from 'vitest';
import { guardProgram } from '../../../shared/sandbox/guard.ts';
import { compileProgram } from '../../../shared/mapreduce/program.ts';
import { NEW_FUNCTION_ORIGIN } from '../../../shared/sandbox/program-text.ts';
import { taskErrorOf } from '../../../shared/sandbox/task-error.ts';
import { evaluate, type Loaded } from '../mapreduce/evaluate.ts';

function textOf(code: string): string {
  const compiled = compileProgram(code);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
  return compiled.program.text;
}

const guarded = (body: string, steps = 10_000): Loaded =>
  evaluate(guardProgram(textOf(`export function map(record, emit) {\n${body}\n}`), steps))();

describe('stopped is', () => {
  test.each([
    'while (true) {}',
    'while (true);',
    'while (1) emit(1, 1)',
    'do {} while (true)',
    'do record++; while (true)',
    'for (;;) {}',
    'for (;;);',
    'for (/* ; */;;) {}',
    'for (let i = 0; ; i++) {}',
    'for (let i = 0, s = ";"; ; i++);',
    'for (let i = 0; i < 1; i--) {}',
    'for (const x of { *[Symbol.iterator]() { for (;;) yield 1 } }) ;',
    'const list = [1]; for (const x of list) list.push(x)',
    'const o = new Proxy({}, { ownKeys: () => [] }); for (;;) for (const k in o) ;',
    'outer: for (;;) { for (;;) { continue outer } }',
    'outer: while (true) while (true) continue outer',
    'try { while (true) {} } finally { while (true) {} }',
    'while (true) { try { while (true) {} } catch {} }',
    'for (;;) try { for (;;); } catch {}',
    'do try { throw 1 } catch { continue } while (true)',
    'if (record) while (true) ; else record = 1',
    'const f = () => f() || f(); try { f() } catch {} ; for (;;) try { f() } catch {}',
    'const f = (n) => n === 0 ? 1 : f(n - 1) + f(n - 1); f(64)',
    'function f(n) { if (n) { f(n - 1); f(n - 1) } } f(64)',
    'class A { m(n) { if (n) { this.m(n - 1); this.m(n - 1) } } } new A().m(64)',
    'const o = { get x() { return 1 }, set x(v) {} }; for (;;) o.x',
    'class A { static { for (;;); } }',
    'class A { static x = (() => { for (;;); })() }',
    'new (class { constructor() { for (;;); } })()',
    '[...{ *[Symbol.iterator]() { while (true) yield 0 } }]',
    'Array.from({ length: 1e9 }, (_, i) => i)',
    'const x = (a = (() => { for (;;); })()) => a; x()',
    'const __step = () => {}; for (;;) __step()',
  ])('%s', (body) => {
    let thrown: unknown;
    try {
      guarded(body).map(1, () => undefined, {});
    } catch (error) {
      thrown = error;
    }
    expect(taskErrorOf(thrown, NEW_FUNCTION_ORIGIN).code).toBe('loop_guard');
  });

  test('an endless loop that waits', async () => {
    const code = 'export async function map() { for (;;) await null }';
    const program = evaluate(guardProgram(textOf(code), 1000))();
    await expect(program.map(1, () => undefined, {})).rejects.toMatchObject({
      name: 'LoopGuardError',
    });
  });

  test('a chain of promises without end', async () => {
    const code =
      'export const map = () => { const f = (n) => Promise.resolve().then(() => f(n + 1)); return f(0) }';
    const program = evaluate(guardProgram(textOf(code), 1000))();
    await expect(program.map(1, () => undefined, {})).rejects.toMatchObject({
      name: 'LoopGuardError',
    });
  });

  test('each task on its own count', () => {
    const code = 'export function map() { for (let i = 0; i < 600; i++); }';
    const factory = evaluate(guardProgram(textOf(code), 1000));
    for (let i = 0; i < 5; i++) expect(() => factory().map(1, () => undefined, {})).not.toThrow();
    const one = factory();
    one.map(1, () => undefined, {});
    expect(() => one.map(1, () => undefined, {})).toThrow(/more than 1000 loop turns/);
  });
});

describe('the same with the guard as without it is', () => {
  test.each([
    'for (const word of record.split(" ")) emit(word, 1)',
    'for (let i = 0; i < 3; i++) emit(i, i)',
    'for (let i = 0, fs = []; i < 3; i++) { fs.push(() => i); emit(i, fs.map((f) => f())) }',
    'let i = 3; while (i--) emit(i, 1)',
    'let i = 3; do emit(i, 1); while (--i)',
    'let i = 3; do { if (i === 2) continue; emit(i, 1) } while (--i)',
    'let n = 0; for (;;) { if (++n > 3) break; emit(n, 1) }',
    'outer: for (const a of [1, 2]) for (const b of [1, 2]) { if (b > a) continue outer; emit(a, b) }',
    'for (const k in { a: 1, b: 2 }) emit(k, 1)',
    'for (const x of [1, 2]) if (x > 1) emit(x, 1); else emit(x, 0)',
    'if (record) for (const x of [1]) emit(x, 1); else emit(0, 0)',
    'if (record) while (false) ; else emit(0, 0); emit(1, 1)',
    'const make = () => ({ a: 1 }); emit("o", make())',
    'const make = () => ([1, 2]); emit("o", make())',
    'const add = (a) => (b) => (c) => a + b + c; emit("n", add(1)(2)(3))',
    'const f = (a, b = () => a) => b(); emit("n", f(4))',
    'const f = () => (1, 2); emit("n", f())',
    'const f = x => x ? y => y : z => -z; emit("n", f(1)(2) + f(0)(3))',
    'const f = () => `a${[1, 2].map((n) => n * 2).join()}`; emit(f(), 1)',
    'function f() { "use strict"\n return this === undefined }\n emit(f(), 1)',
    "function f() { 'use strict'; 'another'\n; return 1 }\n emit(f(), 1)",
    'function f() { "use strict" }\n emit(String(f()), 1)',
    'const f = () => { "a directive" \n return 2 }; emit(f(), 1)',
    'class P { #n = 1; static of() { return new P() } get n() { return this.#n } set n(v) { this.#n = v } }\n' +
      'const p = P.of(); p.n = 5; emit("n", p.n)',
    'class B { v() { return 1 } } class C extends B { constructor() { super() } v() { return super.v() + 1 } }\n' +
      'emit("n", new C().v())',
    'const o = { f() { return 1 }, get g() { return 2 }, async h() {}, *i() { yield 3 } }\n' +
      'emit("n", [o.f(), o.g, ...o.i()])',
    'function* g() { for (let i = 0; i < 3; i++) yield i } for (const x of g()) emit(x, 1)',
    'const f = function fact(n) { return n < 2 ? 1 : n * fact(n - 1) }; emit("n", f(5))',
    'emit(f(), 1); function f() { return "hoisted" }',
    'try { throw new Error("x") } catch ({ message }) { emit(message, 1) } finally { emit("f", 1) }',
    'switch (record.length) { case 5: for (const x of [1]) emit(x, 1); break; default: emit(0, 0) }',
    'const [a, ...b] = [1, 2, 3].filter((n) => n > 1); emit(a, b)',
    'emit("re", "a;b".split(/;/).map((x) => x))\n/* for (;;) */ // while (true)',
    'let s = ""; for (var i = 0; i < 2; i++) for (var j = 0; j < 2; j++) s += i + j; emit(s, i + j)',
  ])('%s', (body) => {
    const text = textOf(`export function map(record, emit) {\n${body}\n}`);
    const run = (program: string) => {
      const out: unknown[] = [];
      evaluate(program)().map('a b c', (key, value) => out.push([key, value]), {});
      return out;
    };
    const expected = run(text);
    expect(expected.length).toBeGreaterThan(0);
    expect(run(guardProgram(text, 10_000))).toEqual(expected);
    expect(guardProgram(text, 10_000).split('\n')).toHaveLength(text.split('\n').length);
  });
});
