// A submitted DAG, checked and compiled before anything is stored: the graph, every step's code, every expression. Pure.
// All mistakes of a kind are named at once, each with its place in the specification.
import { compileExpressions, compileStep } from '../../../shared/dag/program.ts';
import { graphErrors, needsOf, readGraph } from '../../../shared/dag/graph.ts';
import { DAG_SPEC_MAX_BYTES } from '../../../shared/limits.ts';
import { setOwn } from '../../../shared/own.ts';
import type { DagSpec } from '../../../shared/schemas/dag.ts';
import type { FieldError } from '../../../shared/schemas/problem.ts';
import { ProblemError } from '../../platform/problem.ts';

export interface CompiledDag {
  /** Each step after all that it needs. */
  levels: string[][];
  /** Compiled programs of edge steps, by step; steps with the same code have the same text. */
  programs: Record<string, string>;
  /** Null: there are no expressions. */
  expressions: string | null;
}

/** Throws ProblemErrors: `too_large`, `cycle`, `unknown_step`, `invalid_request`, `bad_program`. */
export function compileDag(spec: DagSpec): CompiledDag {
  const bytes = new TextEncoder().encode(JSON.stringify(spec)).length;
  if (bytes > DAG_SPEC_MAX_BYTES) {
    const detail = `a DAG job may have ${DAG_SPEC_MAX_BYTES} bytes as JSON, defaults filled in; this one has ${bytes}`;
    throw new ProblemError('too_large', detail);
  }
  return { levels: levelsOf(spec), ...programsOf(spec) };
}

function levelsOf({ steps }: DagSpec): string[][] {
  const graph = readGraph(needsOf(steps));
  if (graph.ok) return graph.levels;
  // The circle comes first: it is what the problem is called after.
  const problems = graph.problems.toSorted(
    (a, b) => Number(b.kind === 'cycle') - Number(a.kind === 'cycle'),
  );
  const [first] = problems;
  const code =
    first?.kind === 'cycle'
      ? 'cycle'
      : problems.some(({ kind }) => kind === 'unknown')
        ? 'unknown_step'
        : 'invalid_request';
  throw refused(code, graphErrors(problems));
}

function programsOf({ steps }: DagSpec): Omit<CompiledDag, 'levels'> {
  const programs: Record<string, string> = {};
  const compiled = new Map<string, ReturnType<typeof compileStep>>();
  const errors: FieldError[] = [];
  for (const [name, step] of Object.entries(steps)) {
    if (step.run !== 'edge' && step.run !== 'volunteer') continue;
    const result = compiled.get(step.code) ?? compileStep(step.code);
    compiled.set(step.code, result);
    if (!result.ok) {
      for (const { line, column, message } of result.errors) {
        const place = `line ${line}, column ${column}`;
        errors.push({ path: `steps.${name}.code`, message: `${place}: ${message}` });
      }
    } else if (step.run === 'edge') setOwn(programs, name, result.text);
  }
  const expressions = compileExpressions({ steps });
  if (!expressions.ok) errors.push(...expressions.errors);
  if (errors.length > 0 || !expressions.ok) throw refused('bad_program', errors);
  return { programs, expressions: expressions.text };
}

function refused(
  code: 'cycle' | 'unknown_step' | 'invalid_request' | 'bad_program',
  errors: FieldError[],
): ProblemError {
  const [first] = errors;
  return new ProblemError(code, first ? `${first.path}: ${first.message}` : code, errors);
}
