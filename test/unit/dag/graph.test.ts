import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { criticalPath, graphErrors, readGraph } from '../../../shared/dag/graph.ts';
import { DAG_DEPTH_MAX } from '../../../shared/limits.ts';

const problemsOf = (needs: Record<string, string[]>) => {
  const graph = readGraph(needs);
  return graph.ok ? [] : graph.problems;
};

describe('readGraph', () => {
  test('puts each step after all that it needs, and side by side what can be', () => {
    const graph = readGraph({
      product: ['video', 'image'],
      video: ['uploaded'],
      image: ['uploaded'],
      uploaded: [],
    });
    expect(graph).toMatchObject({
      ok: true,
      levels: [['uploaded'], ['video', 'image'], ['product']],
    });
  });

  test('names a cycle as a path', () => {
    expect(problemsOf({ a: ['b'], b: ['c'], c: ['a'], d: ['c'] })).toEqual([
      { kind: 'cycle', path: ['a', 'b', 'c', 'a'] },
    ]);
  });

  test('a step that only needs a cycle is not part of it', () => {
    const [problem] = problemsOf({ late: ['a'], a: ['b'], b: ['a'] });
    expect(problem).toEqual({ kind: 'cycle', path: ['a', 'b', 'a'] });
  });

  test('names a self-loop, an unknown need, and one that is there twice', () => {
    const problems = problemsOf({ a: ['a'], b: ['nobody'], c: ['d', 'd'], d: [] });
    expect(graphErrors(problems).map(({ path, message }) => `${path}: ${message}`)).toEqual([
      'steps.b.needs: b needs nobody, and there is no such step',
      'steps.c.needs: c needs d twice',
      'steps.a.needs: a needs itself',
    ]);
  });

  test('a chain past the bound is refused, one at the bound is not', () => {
    const chain = (length: number) =>
      Object.fromEntries(Array.from({ length }, (_, n) => [`s${n}`, n === 0 ? [] : [`s${n - 1}`]]));
    expect(problemsOf(chain(DAG_DEPTH_MAX))).toEqual([]);
    expect(problemsOf(chain(DAG_DEPTH_MAX + 1))).toEqual([
      { kind: 'deep', levels: DAG_DEPTH_MAX + 1 },
    ]);
  });

  test('property: levels are an order of the steps, as early as they can be', () => {
    const dags = fc
      .integer({ min: 1, max: 30 })
      .chain((count) =>
        fc.tuple(
          ...Array.from({ length: count }, (_, n) =>
            fc.uniqueArray(fc.nat({ max: Math.max(0, n - 1) }), { maxLength: n === 0 ? 0 : 4 }),
          ),
        ),
      );
    fc.assert(
      fc.property(dags, (edges) => {
        const needs = Object.fromEntries(
          edges.map((own, n) => [`s${n}`, own.map((need) => `s${need}`)]),
        );
        const graph = readGraph(needs);
        if (!graph.ok) throw new Error('a graph without a cycle was refused');
        const levelOf = new Map(graph.levels.flatMap((steps, n) => steps.map((step) => [step, n])));
        expect(levelOf.size).toBe(edges.length);
        for (const [step, own] of Object.entries(needs)) {
          const before = own.map((need) => levelOf.get(need) as number);
          expect(levelOf.get(step)).toBe(before.length === 0 ? 0 : Math.max(...before) + 1);
        }
      }),
    );
  });

  test('property: what is refused as a cycle is one', () => {
    const graphs = fc.array(fc.uniqueArray(fc.nat({ max: 9 }), { maxLength: 3 }), {
      minLength: 10,
      maxLength: 10,
    });
    fc.assert(
      fc.property(graphs, (edges) => {
        const needs = Object.fromEntries(
          edges.map((own, n) => [`s${n}`, own.map((need) => `s${need}`)]),
        );
        const graph = readGraph(needs);
        if (graph.ok) return;
        for (const problem of graph.problems) {
          if (problem.kind !== 'cycle') throw new Error(problem.kind);
          const { path } = problem;
          expect(path.length).toBeGreaterThan(1);
          expect(path.at(-1)).toBe(path[0]);
          path.slice(1).forEach((need, i) => expect(needs[path[i] as string]).toContain(need));
        }
      }),
    );
  });
});

test('the critical path is the chain that takes the longest', () => {
  const needs = { start: [], slow: ['start'], fast: ['start'], end: ['slow', 'fast'], other: [] };
  const graph = readGraph(needs);
  if (!graph.ok) throw new Error('refused');
  const ms: Record<string, number> = { start: 5, slow: 50, fast: 10, end: 1, other: 20 };
  expect(criticalPath(needs, graph.levels, (step) => ms[step] ?? 0)).toEqual({
    path: ['start', 'slow', 'end'],
    ms: 56,
  });
});
