// The event stream's parser gives the same messages however the bytes are cut.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type SseMessage, SseParser } from '../../../shared/client/sse.ts';

const parse = (...chunks: string[]): SseMessage[] => {
  const parser = new SseParser();
  return chunks.flatMap((chunk) => parser.take(chunk));
};

test('id, event and data of several lines come out; comments do not', () => {
  const text = ': still here\n\nid: 7\nevent: note\ndata: one\ndata: two\n\ndata:bare\n\n';
  expect(parse(text)).toEqual([
    { id: '7', event: 'note', data: 'one\ntwo' },
    { id: '7', event: 'message', data: 'bare' },
  ]);
});

test('a message that is not complete waits for the rest', () => {
  expect(parse('data: 1\n')).toEqual([]);
  expect(parse('da', 'ta: 1\n', '\n')).toEqual([{ id: '', event: 'message', data: '1' }]);
});

test('\\n, \\r\\n and \\r end a line, also when the \\r\\n is cut in two', () => {
  const expected = [{ id: '1', event: 'message', data: 'x' }];
  expect(parse('id: 1\r\ndata: x\r', '\n\r\n')).toEqual(expected);
  expect(parse('id: 1\rdata: x\r\r', 'data: y')).toEqual(expected);
});

test('any cutting of a stream gives the same messages', () => {
  const message = fc.record({
    id: fc.nat(),
    data: fc.array(fc.json(), { minLength: 1, maxLength: 3 }),
  });
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 8 }),
      fc.array(fc.nat({ max: 400 }), { maxLength: 12 }),
      fc.constantFrom('\n', '\r\n'),
      (messages, cuts, end) => {
        const text = messages
          .map(({ id, data }) =>
            [`id: ${id}`, ...data.map((line) => `data: ${line}`), '', ''].join(end),
          )
          .join('');
        const at = [0, ...cuts.map((cut) => Math.min(cut, text.length)).toSorted((a, b) => a - b)];
        const chunks = at.map((start, index) => text.slice(start, at[index + 1] ?? text.length));
        expect(parse(...chunks)).toEqual(
          messages.map(({ id, data }) => ({
            id: `${id}`,
            event: 'message',
            data: data.join('\n'),
          })),
        );
      },
    ),
  );
});
