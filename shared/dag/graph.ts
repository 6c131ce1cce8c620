// The graph of a DAG job: checked before anything runs, with the mistake named. Pure; the editor on the page uses it as well.
import { DAG_DEPTH_MAX } from '../limits.ts';

/** Step → the steps that it needs. */
export type Needs = Readonly<Record<string, readonly string[]>>;

export const needsOf = (steps: Readonly<Record<string, { needs: string[] }>>): Needs =>
  Object.fromEntries(Object.entries(steps).map(([name, { needs }]) => [name, needs]));

export type GraphProblem =
  /** `path` begins and ends with the same step; each one needs the next. */
  | { kind: 'cycle'; path: string[] }
  | { kind: 'unknown'; step: string; need: string }
  | { kind: 'twice'; step: string; need: string }
  | { kind: 'deep'; levels: number };

export type Graph =
  | {
      ok: true;
      /** Each step after all that it needs; those of one level can run at once. */
      levels: string[][];
      /** Step → the steps that need it. */
      dependents: Map<string, string[]>;
    }
  | { ok: false; problems: GraphProblem[] };

/** Levels by Kahn's algorithm (1962); what is left over holds a cycle, which is then named. */
export function readGraph(needs: Needs): Graph {
  const problems: GraphProblem[] = [];
  const names = Object.keys(needs);
  const known = new Set(names);
  const dependents = new Map<string, string[]>(names.map((name) => [name, []]));
  const open = new Map<string, number>();
  for (const step of names) {
    const own = needs[step] ?? [];
    const seen = new Set<string>();
    for (const need of own) {
      if (!known.has(need)) problems.push({ kind: 'unknown', step, need });
      else if (seen.has(need)) problems.push({ kind: 'twice', step, need });
      else dependents.get(need)?.push(step);
      seen.add(need);
    }
    open.set(step, [...seen].filter((need) => known.has(need)).length);
  }
  const levels: string[][] = [];
  let level = names.filter((name) => open.get(name) === 0);
  let placed = 0;
  while (level.length > 0) {
    levels.push(level);
    placed += level.length;
    const next = new Set<string>();
    for (const step of level) {
      for (const dependent of dependents.get(step) ?? []) {
        const left = (open.get(dependent) ?? 0) - 1;
        open.set(dependent, left);
        if (left === 0) next.add(dependent);
      }
    }
    level = [...next];
  }
  if (placed < names.length) {
    const left = new Set(names.filter((name) => (open.get(name) ?? 0) > 0));
    problems.push({ kind: 'cycle', path: cycleWithin(needs, left) });
  }
  if (levels.length > DAG_DEPTH_MAX) problems.push({ kind: 'deep', levels: levels.length });
  return problems.length > 0 ? { ok: false, problems } : { ok: true, levels, dependents };
}

/** Every step of `left` needs another one of it: walking along needs comes back to where it was before. */
function cycleWithin(needs: Needs, left: ReadonlySet<string>): string[] {
  const path: string[] = [];
  const at = new Map<string, number>();
  let step = [...left][0] ?? '';
  while (!at.has(step)) {
    at.set(step, path.length);
    path.push(step);
    step = (needs[step] ?? []).find((need) => left.has(need)) ?? '';
  }
  return [...path.slice(at.get(step)), step];
}

/** In words, with the path of the field in the specification. */
export function graphErrors(
  problems: readonly GraphProblem[],
): { path: string; message: string }[] {
  return problems.map((problem) => {
    switch (problem.kind) {
      case 'cycle': {
        const [first = ''] = problem.path;
        const message =
          problem.path.length === 2
            ? `${first} needs itself`
            : `these steps need each other in a circle: ${problem.path.join(' → ')}`;
        return { path: `steps.${first}.needs`, message };
      }
      case 'unknown':
        return {
          path: `steps.${problem.step}.needs`,
          message: `${problem.step} needs ${problem.need}, and there is no such step`,
        };
      case 'twice':
        return {
          path: `steps.${problem.step}.needs`,
          message: `${problem.step} needs ${problem.need} twice`,
        };
      case 'deep':
        return {
          path: 'steps',
          message: `the longest chain has ${problem.levels} steps; it may have ${DAG_DEPTH_MAX}`,
        };
    }
  });
}

/**
 * The chain of steps, each needed by the next, that takes the longest; `msOf` says how long one took (0: not begun).
 * Its sum is the least time that the whole can take with any parallelism.
 */
export function criticalPath(
  needs: Needs,
  levels: readonly (readonly string[])[],
  msOf: (step: string) => number,
): { path: string[]; ms: number } {
  const longest = new Map<string, { ms: number; before: string | null }>();
  let end: string | null = null;
  for (const step of levels.flat()) {
    let before: string | null = null;
    let ms = 0;
    for (const need of needs[step] ?? []) {
      const way = longest.get(need)?.ms ?? 0;
      if (before === null || way > ms) [before, ms] = [need, way];
    }
    longest.set(step, { ms: ms + msOf(step), before });
    if (end === null || ms + msOf(step) > (longest.get(end)?.ms ?? 0)) end = step;
  }
  const path: string[] = [];
  for (let step = end; step !== null; step = longest.get(step)?.before ?? null) path.unshift(step);
  return { path, ms: end === null ? 0 : (longest.get(end)?.ms ?? 0) };
}
