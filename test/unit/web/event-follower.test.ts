// Following a job's events over a bad connection: each event once, in order, to the end.
import { expect, test } from 'vitest';
import { readEvents } from '../../../web/lib/event-follower.ts';

const frame = (seq: number, type: string) =>
  `id: ${seq}\ndata: ${JSON.stringify({ seq, time: '2026-11-24T00:00:00.000Z', type })}\n\n`;

/** Answers one by one: a text is a stream that then closes, an error is a connection that fails. */
function play(answers: (string | Response | Error)[], after = 0) {
  const seen: number[] = [];
  const asked: number[] = [];
  const waits: number[] = [];
  const end = readEvents(after, {
    async open(afterSeq) {
      asked.push(afterSeq);
      const answer = answers.shift();
      if (answer === undefined) throw new Error('nobody should ask again');
      if (answer instanceof Error) throw answer;
      return typeof answer === 'string' ? new Response(answer) : answer;
    },
    isFinal: (error) => error instanceof Error && error.message !== 'connection lost',
    async wait(failures) {
      waits.push(failures);
    },
    onEvent: ({ seq }) => seen.push(seq),
    isStopped: () => false,
  });
  return { seen, asked, waits, end };
}

test('a stream that ends with the job is read once', async () => {
  const { end, seen, asked } = play([frame(1, 'submitted') + frame(2, 'done')]);
  await end;
  expect(seen).toEqual([1, 2]);
  expect(asked).toEqual([0]);
});

test('a stream that breaks is resumed after the last event, and repeats are dropped', async () => {
  const { end, seen, asked, waits } = play([
    frame(1, 'submitted') + frame(2, 'mapping') + 'id: 3\ndata: {"se',
    new Error('connection lost'),
    new Error('connection lost'),
    frame(2, 'mapping') + frame(3, 'committed'),
    frame(4, 'done'),
  ]);
  await end;
  expect(seen).toEqual([1, 2, 3, 4]);
  expect(asked).toEqual([0, 2, 2, 2, 3]);
  expect(waits).toEqual([0, 1, 2, 0]);
});

test('nothing after the last event is the end', async () => {
  const { end, seen, asked } = play([new Response(null, { status: 204 })], 9);
  await end;
  expect(seen).toEqual([]);
  expect(asked).toEqual([9]);
});

test('a refusal is final', async () => {
  const { end } = play([frame(1, 'submitted'), new Error('no such job')]);
  await expect(end).rejects.toThrow('no such job');
});
