// The editor of DAG jobs: what it begins with is what the contract takes, and each mistake is named at its place.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileExpressions, compileStep } from '../../../shared/dag/program.ts';
import { readGraph } from '../../../shared/dag/graph.ts';
import { needsBrowser } from '../../../shared/sandbox/realm.ts';
import { DagSpec } from '../../../shared/schemas/dag.ts';
import { checkDefinition, codePath } from '../../../web/features/jobs/new/dag/definition.ts';
import {
  lineColumn,
  readJson,
  replaceAt,
  withinString,
} from '../../../web/features/jobs/new/dag/json-text.ts';
import { definitionText, TEMPLATES, textOf } from '../../../web/lib/dag/templates.ts';

describe.each(TEMPLATES.map((template) => [template.id, template] as const))(
  'the template %s',
  (_id, template) => {
    test('is a definition without a mistake, also as the text that is shown', () => {
      const { problems, spec, steps } = checkDefinition(textOf(template));
      expect(problems).toEqual([]);
      expect(spec).toEqual(template.spec);
      expect(steps.map(({ name }) => name)).toEqual(Object.keys(template.spec.steps));
    });

    test('compiles', () => {
      const parsed = DagSpec.parse(template.spec);
      expect(compileExpressions(parsed)).toMatchObject({ ok: true });
      for (const step of Object.values(parsed.steps)) {
        if (step.run !== 'edge' && step.run !== 'volunteer') continue;
        expect(compileStep(step.code)).toMatchObject({ ok: true });
        // What draws is never taken by the edge.
        if (step.run === 'volunteer') expect(needsBrowser(step.code)).toBe(true);
      }
    });

    test('has the graph that its card draws', () => {
      const needs = Object.entries(template.spec.steps).map(([name, step]) => [
        name,
        step.needs ?? [],
      ]);
      expect(readGraph(Object.fromEntries(needs))).toMatchObject({ ok: true });
    });
  },
);

const edge = (more: object = {}) => ({ run: 'edge', code: 'export default () => 1', ...more });
const dag = (steps: object, more: object = {}) =>
  JSON.stringify({ kind: 'dag', ...more, steps }, null, 2);
/** Messages with what stands at their place. */
function mistakes(text: string): [string, string][] {
  return checkDefinition(text).problems.map(({ line, column, message }) => [
    message,
    text.split('\n')[line - 1]?.slice(column - 1, column + 11) ?? '',
  ]);
}

describe('a mistake is named at its place', () => {
  test('what is no JSON', () => {
    expect(mistakes('{"kind": "dag", }')).toEqual([['nothing follows this comma', ', }']]);
    expect(mistakes("{'kind': 1}")[0]?.[0]).toMatch(/a name in "quotes" is expected, not '/);
    expect(mistakes('{"kind": dag}')).toEqual([
      ['dag is no JSON value; texts stand in "quotes"', 'dag}'],
    ]);
    expect(mistakes('{"a": "b')).toEqual([['this text has no end: a " is missing', '"b']]);
    expect(mistakes('{"a": "\\x"}')).toEqual([['no such escape in a text', '\\x"}']]);
    expect(mistakes('')[0]?.[0]).toBe('a value is expected, not the end');
  });

  test('a step that stands there twice', () => {
    const text = '{"kind":"dag","steps":{"a":{"run":"sleep","ms":1},"a":{"run":"sleep","ms":1}}}';
    expect(mistakes(text)).toEqual([['"a" stands here twice', '"a":{"run":"']]);
  });

  test('needs: a circle, a step that is not there, itself', () => {
    const circle = dag({
      a: edge({ needs: ['c'] }),
      b: edge({ needs: ['a'] }),
      c: edge({ needs: ['b'] }),
    });
    expect(checkDefinition(circle).problems).toMatchObject([
      {
        message: 'these steps need each other in a circle: a → c → b → a',
        step: 'a',
        path: 'steps.a.needs',
      },
    ]);
    expect(mistakes(dag({ a: edge({ needs: ['gone'] }) }))).toEqual([
      ['a needs gone, and there is no such step', '"needs": ['],
    ]);
    expect(mistakes(dag({ a: edge({ needs: ['a'] }) }))[0]?.[0]).toBe('a needs itself');
  });

  test('a field that there is not, a kind of step that there is not', () => {
    expect(mistakes(dag({ a: edge({ need: [] }) }))).toEqual([
      ['there is no field need', '"need": []'],
    ]);
    const [wrong] = mistakes(dag({ a: { run: 'moon' } }));
    expect(wrong?.[0]).toBe('run is one of edge, volunteer, mapreduce, wait, sleep');
    expect(mistakes(dag({ '1a': edge() }))[0]?.[0]).toMatch(/^1a: letters, digits/);
  });

  test('code and expressions, in the text and in the code itself', () => {
    const code = 'export default () => {\n  const quote = "\\u00e9";\n  return quote +;\n};';
    const text = dag({ a: edge({ code }) });
    const { problems } = checkDefinition(text);
    expect(problems).toMatchObject([{ step: 'a', path: 'steps.a.code', inCode: { line: 3 } }]);
    expect(mistakes(text)[0]?.[1]).toMatch(/^;\\n/);
    const when = dag({ a: edge({ when: 'input.a =' }) });
    expect(checkDefinition(when).problems).toMatchObject([{ step: 'a', path: 'steps.a.when' }]);
    const job = dag({
      a: { run: 'mapreduce', job: { input: { inline: '' }, code: 'export const x = 1' } },
    });
    expect(checkDefinition(job).problems).toMatchObject([
      { path: 'steps.a.job.code', message: expect.stringContaining('no `map` function') },
    ]);
  });

  test('the picture is there as far as it can be made out', () => {
    const { steps, spec } = checkDefinition(dag({ a: { needs: ['b', 7] }, b: null }));
    expect(spec).toBeNull();
    expect(steps).toEqual([
      { name: 'a', needs: ['b'], run: null, repeated: false },
      { name: 'b', needs: [], run: null, repeated: false },
    ]);
  });
});

const ESCAPED = ['a', '"', '\\', '\n', '\u0001', 'é', '😀', '\ud83d', '\u2028'];

describe('JSON with its places', () => {
  test('reads what JSON.parse reads, and says where each value stands', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 1, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const read = readJson(text);
        expect(read).toMatchObject({ ok: true });
        if (!read.ok) return;
        expect(read.value).toEqual(JSON.parse(text));
        const place = read.places.value([]);
        expect(JSON.parse(text.slice(place?.from, place?.to))).toEqual(JSON.parse(text));
      }),
    );
  });

  test('takes nothing that JSON.parse does not take', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'{}[],:"\\u0a1-.et \n') }), (text) => {
        if (!readJson(text).ok) return;
        expect(() => JSON.parse(text) as unknown).not.toThrow();
      }),
    );
  });

  test('a place in a text is found again behind its escapes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...ESCAPED), maxLength: 40 }),
        fc.nat(),
        (value, n) => {
          const index = n % (value.length + 1);
          const text = JSON.stringify(value);
          const at = withinString(text, { from: 0, to: text.length }, index);
          expect(JSON.parse(`${text.slice(0, at)}"`)).toBe(value.slice(0, index));
        },
      ),
    );
  });

  test('code is replaced, and the rest stays as it was written', () => {
    const text = '{ "steps": {"a" : {"code":"old",\t"run":"edge"} } }';
    const read = readJson(text);
    const place = read.ok ? read.places.value(codePath('a', 'edge')) : null;
    expect(place && replaceAt(text, place, 'new "code"\n')).toBe(
      '{ "steps": {"a" : {"code":"new \\"code\\"\\n",\t"run":"edge"} } }',
    );
    expect(lineColumn('a\nbc', 3)).toEqual({ line: 2, column: 2 });
  });

  test('a definition is written with short lists on one line', () => {
    const text = definitionText({
      kind: 'dag',
      steps: { a: { run: 'edge', needs: ['b', 'c'], code: '[\n  1\n]' } },
    });
    expect(text).toContain('"needs": ["b", "c"]');
    expect(JSON.parse(text)).toMatchObject({ steps: { a: { code: '[\n  1\n]' } } });
  });
});
