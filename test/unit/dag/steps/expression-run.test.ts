// Expressions through the runner that isolates carry.
import { expect, it } from 'vitest';
import { type ExpressionFactory, runExpressions } from '../../../../shared/dag/expression-run.ts';
import { compileExpressions } from '../../../../shared/dag/program.ts';
import { NEW_FUNCTION_ORIGIN } from '../../../../shared/sandbox/program-text.ts';
import { DagSpec } from '../../../../shared/schemas/dag.ts';
import { evaluated } from '../programs.ts';

it('may not read a step that theirs does not need: the error names both', () => {
  const spec = DagSpec.parse({
    kind: 'dag',
    steps: {
      first: { run: 'sleep', ms: 1 },
      other: { run: 'sleep', ms: 1 },
      own: {
        run: 'edge',
        code: 'export default () => 1',
        needs: ['first'],
        when: 'steps.first > 0 && steps.other > 0',
        forEach: '[steps.first, steps.other?.length]',
      },
    },
  });
  const compiled = compileExpressions(spec);
  if (!compiled.ok || compiled.text === null) throw new Error('did not compile');
  const of = (first: number) =>
    runExpressions({
      factory: evaluated(compiled.text ?? '') as ExpressionFactory,
      call: { names: ['own.when', 'own.forEach'] },
      json: JSON.stringify({ input: null, steps: { first } }),
      origin: NEW_FUNCTION_ORIGIN,
      guardSteps: null,
    }).results;
  const told = (name: string) => ({
    ok: false,
    error: {
      code: 'program_threw',
      message: `${name}: Error: steps.other is not there for the step "own": "other" has to be in its \`needs\``,
    },
  });
  expect(of(1)).toEqual([told('own.when'), told('own.forEach')]);
  expect(of(0)).toEqual([{ ok: true, json: 'false' }, told('own.forEach')]);
});
