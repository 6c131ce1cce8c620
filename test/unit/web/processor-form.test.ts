// The form of a processor: to a specification and back, with each error at its field; templates compile.
import { expect, test } from 'vitest';
import { compileProgram } from '../../../shared/mapreduce/program.ts';
import { compileProcessor } from '../../../shared/streaming/program.ts';
import { ProcessorSpec } from '../../../shared/schemas/processor.ts';
import {
  draftOf,
  fieldOf,
  marksOf,
  newDraft,
  type ProcessorDraft,
  specOf,
  withTemplate,
} from '../../../web/features/processor-form/form-draft.ts';
import { TEMPLATES } from '../../../web/features/processor-form/templates.ts';

const draft = (change: Partial<ProcessorDraft> = {}): ProcessorDraft => ({
  ...newDraft('mail-events'),
  name: 'mailer',
  output: 'emails',
  ...change,
});
const errorFields = (change: Partial<ProcessorDraft>) => {
  const specified = specOf(draft(change));
  return specified.ok ? [] : specified.errors.map(({ path }) => fieldOf(path));
};

test('every template compiles as what it is', () => {
  expect(compileProcessor(TEMPLATES.stateless.code)).toMatchObject({ ok: true });
  expect(compileProcessor(TEMPLATES.batch.code)).toMatchObject({ ok: true });
  expect(compileProgram(TEMPLATES.job.code)).toMatchObject({ ok: true });
});

test.each<[string, Partial<ProcessorDraft>]>([
  ['stateless', {}],
  ['several streams and types', { streams: 'a, b c', types: 'X, Y' }],
  ['a function on windows', { kind: 'batch', maxEvents: 5, startFrom: 'earliest' }],
  ['a job on windows', { kind: 'batch', runs: 'job', output: '', code: TEMPLATES.job.code }],
  ['from an offset', { startFrom: 'point', startPoint: '120' }],
])('what the form makes comes back as it was: %s', (_name, change) => {
  const first = specOf(draft(change));
  if (!first.ok) throw new Error(JSON.stringify(first.errors));
  const parsed = ProcessorSpec.parse(first.spec);
  const again = specOf(draftOf(first.name, parsed));
  if (!again.ok) throw new Error(JSON.stringify(again.errors));
  expect(ProcessorSpec.parse(again.spec)).toEqual(parsed);
});

test('each error is at its field', () => {
  expect(errorFields({ name: '' })).toEqual(['name']);
  expect(errorFields({ name: 'new' })).toEqual(['name']);
  expect(errorFields({ streams: ' ' })).toEqual(['stream']);
  expect(errorFields({ streams: '-x' })).toEqual(['stream']);
  expect(errorFields({ output: '/' })).toEqual(['output']);
  expect(errorFields({ code: '' })).toEqual(['code']);
  expect(errorFields({ params: '{' })).toEqual(['params']);
  expect(errorFields({ maxAttempts: 0 })).toEqual(['retry.maxAttempts']);
  expect(errorFields({ kind: 'batch', maxBytes: null })).toEqual(['batch.maxBytes']);
  expect(errorFields({ startFrom: 'point', startPoint: 'soon' })).toEqual(['startFrom']);
  expect(errorFields({ services: [{ name: 'u', url: 'ftp://x' }] })).toEqual(['services']);
  expect(errorFields({ services: [{ name: '', url: 'https://example.org/{key}' }] })).toEqual([
    'services',
  ]);
});

test('an edit keeps what the form has no field for', () => {
  const spec = ProcessorSpec.parse({
    kind: 'batch',
    stream: 'orders',
    batch: {},
    job: { code: TEMPLATES.job.code, partitions: 7, mappers: 'edge' },
  });
  const again = specOf(draftOf('totals', spec));
  expect(again).toMatchObject({ ok: true, spec: { job: { partitions: 7, mappers: 'edge' } } });
});

test('another kind brings its template, but never over code that somebody wrote', () => {
  expect(withTemplate(draft({ kind: 'batch' })).code).toBe(TEMPLATES.batch.code);
  const own = draft({ kind: 'batch', code: 'export function process() {}' });
  expect(withTemplate(own)).toBe(own);
});

test('what the edge says of the code is marked at its place', () => {
  expect(
    marksOf([
      { path: 'code', message: 'line 3, column 7: Unexpected token' },
      { path: 'job.code', message: 'line 1, column 1: no map' },
      { path: 'code', message: 'too long' },
      { path: 'name', message: 'line 3, column 7: no' },
    ]),
  ).toEqual([
    { line: 3, column: 7, message: 'Unexpected token' },
    { line: 1, column: 1, message: 'no map' },
  ]);
});
