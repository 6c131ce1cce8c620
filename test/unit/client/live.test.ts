// A live stream as an iterable: what breaks is opened again where it broke; what is over ends.
import { describe, expect, test } from 'vitest';
import { type Connection, follow, type LiveOptions } from '../../../shared/client/live.ts';
import { ApiProblem, problemOf, UNREACHED } from '../../../shared/client/problem.ts';

const message = (id: number) => `id: ${id}\ndata: {"seq":${id}}\n\n`;
const over = () => new Response(null, { status: 204 });
const refused = (status: number) => () => Promise.reject(new ApiProblem(problemOf(status, null)));
const unreached = () => Promise.reject(new ApiProblem(UNREACHED));
const text = (body: string) => () => new Response(body);

/** Bytes that break off behind these. */
const broken = (body: string) => () => {
  let sent = false;
  return new Response(
    new ReadableStream({
      pull(controller) {
        if (sent) return controller.error(new TypeError('network'));
        sent = true;
        controller.enqueue(new TextEncoder().encode(body));
      },
    }),
  );
};

/** Plays these answers, one a connection; remembers what was asked and waited. */
function played(...answers: (() => Response | Promise<Response>)[]) {
  const asked: string[] = [];
  const waited: number[] = [];
  const connection: Connection = {
    async open(lastId) {
      asked.push(lastId);
      const answer = answers.shift();
      if (!answer) throw new Error('opened too often');
      return answer();
    },
    wait: async (ms) => void waited.push(ms),
    random: () => 1,
  };
  const read = async (options: LiveOptions = {}) => {
    const seen: unknown[] = [];
    for await (const { data } of follow(connection, options)) seen.push(data);
    return seen;
  };
  return { asked, waited, connection, read };
}

describe('a live stream', () => {
  test('goes on behind the last message after a break, and ends when there is nothing more', async () => {
    const { read, asked, waited } = played(broken(message(1) + message(2)), text(message(3)), over);
    expect(await read()).toEqual([{ seq: 1 }, { seq: 2 }, { seq: 3 }]);
    expect(asked).toEqual(['', '2', '3']);
    // Something came each time: nobody has to be spared.
    expect(waited).toEqual([500, 500]);
  });

  test('goes on from an id that came without data, and from the one that is given', async () => {
    const { read, asked } = played(broken('id: 0:7,1:9\n\n'), over);
    expect(await read({ lastEventId: '0:5' })).toEqual([]);
    expect(asked).toEqual(['0:5', '0:7,1:9']);
  });

  test('waits longer after each failure in a row, and says that it is broken', async () => {
    const { read, waited } = played(unreached, refused(503), text(message(1)), over);
    const states: string[] = [];
    expect(await read({ onState: (state) => states.push(state) })).toEqual([{ seq: 1 }]);
    expect(waited).toEqual([1_000, 2_000, 500]);
    expect(states).toEqual(['connecting', 'broken', 'live']);
  });

  test('that is refused for good throws; one that is gone after it was there has ended', async () => {
    await expect(played(refused(404)).read()).rejects.toThrow(ApiProblem);
    await expect(played(text(message(1)), refused(403)).read()).rejects.toThrow(ApiProblem);
    expect(await played(text(message(1)), refused(404)).read()).toEqual([{ seq: 1 }]);
  });

  test('that is aborted throws the reason, also while it waits', async () => {
    const stop = new AbortController();
    const { connection } = played(text(message(1)));
    const reading = follow({ ...connection, wait: async () => stop.abort('enough') }, stop);
    expect((await reading.next()).value).toMatchObject({ id: '1', event: 'message' });
    await expect(reading.next()).rejects.toBe('enough');
  });

  test('cancels its connection when its reader leaves', async () => {
    let cancelled = false;
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new TextEncoder().encode(message(1))),
      cancel: () => void (cancelled = true),
    });
    for await (const { data } of follow(played(() => new Response(endless)).connection, {})) {
      expect(data).toEqual({ seq: 1 });
      break;
    }
    expect(cancelled).toBe(true);
  });
});
