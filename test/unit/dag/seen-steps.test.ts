// Which outputs a step's code gets: of all steps before it, those that it needs or names.
import { expect, it } from 'vitest';
import { DagSpec } from '../../../shared/schemas/dag.ts';
import { seenSteps } from '../../../worker/jobs/dag/run/seen-steps.ts';

const edge = (code: string, needs: string[], fields: object = {}) => ({
  run: 'edge' as const,
  code,
  needs,
  ...fields,
});
const seen = (last: object) => {
  const { steps } = DagSpec.parse({
    kind: 'dag',
    steps: {
      a: edge('x', []),
      'a-b': edge('x', ['a']),
      c: edge('x', ['a-b']),
      d: edge('x', ['a']),
      beside: edge('x', []),
      last,
      after: edge('x', ['last']),
    },
  });
  return seenSteps('last', steps);
};

it('needs come always, steps before them where the text names them, and no others', () => {
  expect(seen(edge('() => 1', ['c', 'd']))).toEqual(['c', 'd']);
  expect(seen(edge('({ steps }) => steps.a', ['c']))).toEqual(['c', 'a']);
  expect(seen(edge("({ steps }) => steps['a-b']", ['c']))).toEqual(['c', 'a-b', 'a']);
  expect(seen(edge('x', ['c'], { when: 'steps.a > 1' }))).toEqual(['c', 'a']);
  expect(seen(edge('x', ['c'], { forEach: 'steps.a' }))).toEqual(['c', 'a']);
  expect(seen(edge('steps.beside + steps.after + steps.last + steps.d', ['c']))).toEqual(['c']);
  expect(seen(edge('steps.ab + steps.A + ctx.ca', ['c']))).toEqual(['c']);
  expect(seen({ run: 'sleep', ms: 1, needs: ['c'] })).toEqual(['c']);
  expect(seen(edge('steps.a', []))).toEqual([]);
});
