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
  specOf,
  withTemplate,
} from '../../../web/features/processors/form/form-draft.ts';
import type { ProcessorDraft } from '../../../web/features/processors/kinds/draft.ts';
import { TEMPLATE_IDS, TEMPLATES } from '../../../web/features/processors/kinds/templates.ts';

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

test.each(TEMPLATE_IDS)(
  'the template %s compiles, and makes a specification as it stands',
  (id) => {
    const { kind, fields, code } = TEMPLATES[id];
    const begun = withTemplate({ ...newDraft('', kind), name: 'new-one' }, id);
    expect(begun).toMatchObject({ kind, code, ...fields });
    const compiled =
      id === 'job'
        ? compileProgram(code)
        : compileProcessor(code, { kind, window: { type: begun.windowType } });
    expect(compiled).toMatchObject({ ok: true });
    expect(specOf({ ...begun, streams: begun.streams || 'events' })).toMatchObject({ ok: true });
  },
);

test('the example of two streams has a key for each', () => {
  const begun = withTemplate({ ...newDraft('', 'stateful'), name: 'mailer' }, 'address');
  expect(specOf(begun)).toMatchObject({
    ok: true,
    spec: { stream: ['mail', 'users'], keyBy: { mail: 'payload.userId', users: 'key' } },
  });
});

test.each<[string, Partial<ProcessorDraft>]>([
  ['stateless', {}],
  ['several streams and types', { streams: 'a, b c', types: 'X, Y' }],
  ['a function on windows', { kind: 'batch', maxEvents: 5, startFrom: 'earliest' }],
  ['a job on windows', { kind: 'batch', runs: 'job', output: '', code: TEMPLATES.job.code }],
  ['states', { kind: 'stateful', keyBy: 'payload.a,payload.b', shards: 8, ttlMs: 60_000 }],
  ['a comma in a path', { kind: 'stateful', keyBy: 'payload.a,b, key' }],
  [
    'a key for each stream',
    {
      kind: 'stateful',
      streams: 'a, b',
      keyPerStream: true,
      keyByStream: { a: 'key', b: 'payload.x, payload.y', gone: 'key' },
    },
  ],
  ['a list of one stream', { kind: 'stateful', keyPerStream: true, keyByStream: {} }],
  ['a join', { kind: 'join', joinTypes: 'A, B', onTimeout: 'drop', late: 'late', types: 'X' }],
  ['windows that overlap', { kind: 'window', sizeMs: 10_000, slideMs: 2_000, graceMs: 0 }],
  ['sessions', { kind: 'window', windowType: 'session', gapMs: 5_000, timePath: 'payload.at' }],
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

test('each error of a keyed processor is at its field', () => {
  const stateful = (change: Partial<ProcessorDraft>) =>
    errorFields({ kind: 'stateful', ...change });
  const join = (change: Partial<ProcessorDraft>) =>
    errorFields({ kind: 'join', joinTypes: 'A, B', ...change });
  const window = (change: Partial<ProcessorDraft>) => errorFields({ kind: 'window', ...change });
  expect(stateful({ keyBy: '' })).toEqual(['keyBy']);
  expect(stateful({ keyBy: 'userId' })).toEqual(['keyBy']);
  expect(stateful({ shards: 0 })).toEqual(['shards']);
  expect(stateful({ shards: null })).toEqual(['shards']);
  expect(stateful({ ttlMs: 1 })).toEqual(['ttlMs']);
  expect(stateful({ streams: 'a, b', keyPerStream: true, keyByStream: { a: 'key' } })).toEqual([
    'keyBy',
  ]);
  expect(join({ joinTypes: 'A' })).toEqual(['join.types']);
  expect(join({ joinTypes: 'A, A' })).toEqual(['join.types']);
  expect(join({ timeoutMs: null })).toEqual(['join.timeoutMs']);
  expect(join({ rememberMs: -1 })).toEqual(['join.rememberMs']);
  expect(join({ late: '/' })).toEqual(['late']);
  expect(window({ sizeMs: null })).toEqual(['window.sizeMs']);
  expect(window({ sizeMs: 1_000, slideMs: 5_000 })).toEqual(['window.slideMs']);
  expect(window({ windowType: 'session', gapMs: 0 })).toEqual(['window.gapMs']);
  expect(window({ timePath: 'when' })).toEqual(['window.time']);
  expect(window({ graceMs: null })).toEqual(['window.graceMs']);
});

test('a missing path is said of the stream that it is missing for', () => {
  const specified = specOf(
    draft({ kind: 'stateful', streams: 'a, b', keyPerStream: true, keyByStream: { a: 'key' } }),
  );
  expect(specified).toMatchObject({ ok: false, errors: [{ path: 'keyBy.b' }] });
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
  const named = withTemplate(draft({ kind: 'stateful', keyBy: 'payload.mine', code: '' }));
  expect(named).toMatchObject({ code: TEMPLATES.counter.code, keyBy: 'payload.mine' });
  expect(withTemplate({ ...named, keyBy: 'payload.userId', kind: 'stateless' }).keyBy).toBe('key');
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
