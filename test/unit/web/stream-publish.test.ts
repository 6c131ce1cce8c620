// What is wrong with an event is told before it is sent, at its line.
import { expect, test } from 'vitest';
import { jsonProblem } from '../../../web/features/streams/detail/json-place.ts';
import {
  appendedText,
  checkLines,
  emptyPublishDraft,
  eventOf,
} from '../../../web/features/streams/detail/publish-draft.ts';

const draft = (change: Partial<ReturnType<typeof emptyPublishDraft>> = {}) => ({
  ...emptyPublishDraft(),
  ...change,
});

test('JSON that is broken has a line and a column', () => {
  expect(jsonProblem('{"a":1}')).toBeNull();
  expect(jsonProblem('{\n  "a": 1,\n  b\n}')).toMatchObject({ line: 3, column: 3 });
  expect(jsonProblem('{\n  "a": [1, 2')).toMatchObject({ line: 2 });
  expect(jsonProblem('nonsense')?.message).not.toMatch(/position|nonsense/);
});

test('one event: empty fields are left out', () => {
  expect(eventOf(draft({ type: ' Hi ', key: '', id: '', payload: '' }))).toEqual({
    ok: true,
    event: { type: 'Hi' },
  });
  expect(eventOf(draft({ type: 'Hi', key: 'k', id: 'i', payload: '[1]' }))).toEqual({
    ok: true,
    event: { type: 'Hi', key: 'k', id: 'i', payload: [1] },
  });
});

test('one event: each error at its field', () => {
  const found = eventOf(draft({ type: '', payload: '{\n"a" 1}', key: 'k'.repeat(3_000) }));
  expect(found.ok).toBe(false);
  const errors = found.ok ? [] : found.errors;
  expect(errors.map(({ path }) => path).sort()).toEqual(['key', 'payload', 'type']);
  expect(errors.find(({ path }) => path === 'payload')?.message).toMatch(/^line 2, column 5/);
});

test('lines are counted from 1, blank ones too, and blank ones are no events', () => {
  const text = '{"type":"A"}\n\n{"type":"B"}\n{"type":1}\nrubbish\n';
  const checked = checkLines(text);
  expect(checked.events).toBe(2);
  expect(checked.problems.map(({ line }) => line)).toEqual([4, 5]);
  expect(checked.problems[0]?.message).toMatch(/^type: /);
});

test('a text that is not NDJSON at all is not read to its end', () => {
  expect(checkLines('x\n'.repeat(100_000)).problems.length).toBeLessThan(50);
});

test('what was appended is told in words', () => {
  expect(
    appendedText({
      accepted: 3,
      duplicates: 1,
      offsets: [
        { partition: 0, first: 12, last: 13 },
        { partition: 2, first: 5, last: 5 },
      ],
    }),
  ).toBe('3 events appended: partition 0 at 12–13, partition 2 at 5 · 1 was there already');
  expect(appendedText({ accepted: 0, duplicates: 2, offsets: [] })).toBe(
    '0 events appended · 2 were there already',
  );
});
