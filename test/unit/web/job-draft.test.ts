// The New job form: what is typed becomes the specification that the API takes, and back again.
import { describe, expect, test } from 'vitest';
import { MapReduceSpec } from '../../../shared/schemas/job.ts';
import {
  type Draft,
  draftFrom,
  draftText,
  errorAt,
  nearestField,
  readDraft,
  specOf,
} from '../../../web/features/jobs/new/mapreduce/draft.ts';
import { TEMPLATES } from '../../../web/lib/jobs/templates.ts';

const draft = (changes: Partial<Draft> = {}): Draft => ({
  ...draftFrom({ kind: 'mapreduce', input: { inline: 'a\n' }, code: 'export function map() {}' }),
  ...changes,
});

function errorsOf(changes: Partial<Draft>): string[] {
  const specified = specOf(draft(changes));
  if (specified.ok) throw new Error('the draft is valid');
  return specified.errors.map((error) => error.path);
}

describe('draft', () => {
  test('a specification survives the form unchanged', () => {
    const others = [
      {
        kind: 'mapreduce' as const,
        input: { dataset: 'access.log', format: 'csv' as const },
        code: 'x',
      },
      {
        kind: 'mapreduce' as const,
        input: { inline: '{}', format: 'ndjson' as const },
        code: 'x',
        verify: { mode: 'quorum' as const, copies: 3 },
        mappers: 'volunteers' as const,
        skipBadRecords: 7,
        params: [1, 'two'],
      },
      {
        kind: 'mapreduce' as const,
        input: { stream: 'orders', from: 5, to: '2026-11-24T03:00:00Z' },
        code: 'x',
      },
    ];
    for (const spec of [...TEMPLATES.map((template) => template.spec), ...others]) {
      const specified = specOf(draftFrom(spec));
      if (!specified.ok) throw new Error(JSON.stringify(specified.errors));
      expect(MapReduceSpec.parse(specified.spec)).toEqual(MapReduceSpec.parse(spec));
    }
  });

  test('each mistake is named at its field', () => {
    expect(errorsOf({ partitions: 0 })).toEqual(['partitions']);
    expect(errorsOf({ partitions: 10_000 })).toEqual(['partitions']);
    expect(errorsOf({ partitions: null })).toEqual(['partitions']);
    expect(errorsOf({ params: '{' })).toEqual(['params']);
    expect(errorsOf({ params: JSON.stringify('x'.repeat(70_000)) })).toEqual(['params']);
    expect(errorsOf({ inputKind: 'dataset' })).toEqual(['input.dataset']);
    expect(errorsOf({ inputKind: 'dataset', dataset: '../x' })).toEqual(['input.dataset']);
    expect(errorsOf({ inputKind: 'range', from: 5, to: 1 })).toEqual(['input.range.to']);
    expect(errorsOf({ inputKind: 'stream' })).toEqual(['input.stream']);
    const stream = { inputKind: 'stream', stream: 'orders' } as const;
    expect(errorsOf({ ...stream, streamFrom: 'yesterday' })).toEqual(['input.from']);
    expect(errorsOf({ ...stream, streamTo: '-1' })).toEqual(['input.to']);
    expect(errorsOf({ inputKind: 'range', splitItems: 0 })).toEqual(['input.splitItems']);
    expect(errorsOf({ verify: 'quorum', copies: 1 })).toEqual(['verify.copies']);
    expect(errorsOf({ code: '', name: 'x'.repeat(200) }).sort()).toEqual(['code', 'name']);
  });

  test('an error deeper than any field is shown at the nearest one', () => {
    expect(nearestField('input.range.from')).toBe('input.range.from');
    expect(nearestField('params.a.b')).toBe('params');
    expect(nearestField('partitionsOther')).toBeNull();
    expect(errorAt([{ path: 'verify.copies', message: 'two at least' }], 'verify')).toBe('');
    expect(errorAt([{ path: 'code.3', message: 'no' }], 'code')).toBe('no');
  });

  test('a kept draft comes back, and nothing else is taken for one', () => {
    const kept = draft({ name: 'kept', partitions: null });
    expect(readDraft(draftText(kept))).toEqual(kept);
    const other = JSON.stringify({ version: 1, draft: { ...kept, format: 'xml' } });
    for (const text of [null, '', 'null', '[]', '{"version":1}', other]) {
      expect(readDraft(text)).toBeNull();
    }
  });
});
