// Which outputs a step's code gets: those of the steps that it needs, and of steps before them that its text names. Outputs
// that the text does not name are not loaded. A name in a comment counts as well.
import type { DagSpec } from '../../../../shared/schemas/dag.ts';

export function seenSteps(name: string, steps: DagSpec['steps']): string[] {
  const needs = steps[name]?.needs ?? [];
  const direct = new Set(needs);
  const named = namesIn(steps[name]);
  const further = Object.keys(steps).some((other) => named.has(other) && !direct.has(other));
  if (!further) return needs;
  const before = new Set(needs);
  // A Set goes on with what is added meanwhile.
  for (const other of before) for (const need of steps[other]?.needs ?? []) before.add(need);
  return [...before].filter((other) => direct.has(other) || named.has(other));
}

/** Words of the code and the expressions, with and without the dashes that names of steps may have. */
function namesIn(step: DagSpec['steps'][string] | undefined): Set<string> {
  const texts: { [Field in 'code' | 'when' | 'forEach' | 'key']?: string | undefined } = {
    ...step,
  };
  const text = [texts.code, texts.when, texts.forEach, texts.key].join('\n');
  return new Set([...(text.match(/\w+/g) ?? []), ...(text.match(/[\w-]+/g) ?? [])]);
}
