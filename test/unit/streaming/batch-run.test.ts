// Running a window through `process(batch, ctx)`: an async iterable in bounded memory, all or nothing.
import { describe, expect, it } from 'vitest';
import { linesOf, numbers, outputsOf, runWindow } from './programs.ts';

const encoder = new TextEncoder();

/** Pieces of `size` bytes, whatever they cut through. */
async function* pieces(text: string, size = 7): AsyncGenerator<Uint8Array> {
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const SUM = `export async function process(batch, ctx) {
  let sum = 0
  let count = 0
  for await (const { payload } of batch) { sum += payload; count++ }
  return { type: 'Sum', payload: { sum, count, reason: batch.reason, events: batch.events } }
}`;

describe('a window', () => {
  it('is gone through event by event, wherever the pieces are cut', async () => {
    const text = `${linesOf(numbers(100).map((event) => ({ ...event, key: 'ключ🗝' })))}\n`;
    for (const size of [1, 3, 64, 100_000]) {
      const outcome = await runWindow(SUM, pieces(text, size), { events: 100 });
      expect(outcome).toMatchObject({ ok: true, outputCount: 1 });
      expect(outcome.ok && outputsOf(outcome)).toEqual([
        { type: 'Sum', payload: { sum: 4950, count: 100, reason: 'events', events: 100 } },
      ]);
    }
  });

  it('may lack its last newline, and may be empty', async () => {
    const last = await runWindow(SUM, pieces(linesOf(numbers(3))));
    expect(last.ok && outputsOf(last)[0]).toMatchObject({ payload: { sum: 3, count: 3 } });
    const none = await runWindow(SUM, pieces(''));
    expect(none.ok && outputsOf(none)[0]).toMatchObject({ payload: { count: 0 } });
  });

  it('passes other types over', async () => {
    const events = [{ payload: 1 }, { type: 'X', payload: 10 }, { payload: 100 }];
    const outcome = await runWindow(SUM, pieces(linesOf(events)), { types: ['T'] });
    expect(outcome.ok && outputsOf(outcome)[0]).toMatchObject({ payload: { sum: 101, count: 2 } });
  });

  it('is read no faster than it is taken, and no further than it is wanted', async () => {
    let read = 0;
    let closed = false;
    async function* counted() {
      try {
        for (let i = 0; i < 1000; i++) {
          read++;
          yield encoder.encode(`${linesOf([{ payload: i }])}\n`);
        }
      } finally {
        closed = true;
      }
    }
    const code = `export async function process(batch) {
  let n = 0
  for await (const event of batch) if (++n === 5) break
  return { type: 'N', payload: n }
}`;
    const outcome = await runWindow(code, counted());
    expect(outcome.ok && outputsOf(outcome)).toEqual([{ type: 'N', payload: 5 }]);
    expect({ read, closed }).toEqual({ read: 5, closed: true });
  });

  it('gives events in order to code that asks for many at once', async () => {
    const code = `export async function process(batch) {
  const events = batch[Symbol.asyncIterator]()
  const four = await Promise.all([events.next(), events.next(), events.next(), events.next()])
  return { type: 'N', payload: four.map(({ done, value }) => done ? null : value.payload) }
}`;
    const outcome = await runWindow(code, pieces(linesOf(numbers(3))));
    expect(outcome.ok && outputsOf(outcome)).toEqual([{ type: 'N', payload: [0, 1, 2, null] }]);
  });
});

describe('a window fails as a whole', () => {
  it.each([
    [
      'it throws',
      'for await (const e of batch) { ctx.emit({ type: "A" }); throw new Error("no") }',
      'program_threw',
      'Error: no',
    ],
    ['it returns rubbish', 'return 42', 'bad_value', 'not 42'],
    ['it swallows a refused emit', 'try { ctx.emit(1) } catch {}', 'bad_value', 'not 1'],
  ])('when %s', async (_, body, code, message) => {
    const outcome = await runWindow(
      `export async function process(batch, ctx) { ${body} }`,
      pieces(linesOf(numbers(2))),
    );
    expect(outcome).toMatchObject({
      ok: false,
      error: { code, message: expect.stringContaining(message) as string },
    });
  });

  it('when it emits more than is kept', async () => {
    const code = `export async function process(batch, ctx) { for (;;) ctx.emit({ type: 'A', payload: 'x'.repeat(100) }) }`;
    const outcome = await runWindow(code, pieces(''), { bounds: { outputMaxBytes: 1000 } });
    expect(outcome).toMatchObject({ ok: false, error: { code: 'memory' } });
  });

  it('when nothing moves it any more, or it takes too long', async () => {
    const stuck = 'export const process = () => new Promise(() => {})';
    const outcome = await runWindow(stuck, pieces(''), { bounds: { quietMs: 30 } });
    expect(outcome).toMatchObject({ ok: false, error: { code: 'program_threw' } });
    const slow = `export const process = (batch, ctx) => ctx.call('s', 'k')`;
    const host = { call: () => new Promise<null>(() => undefined) };
    const late = await runWindow(slow, pieces(''), { host, bounds: { runMs: 30 } });
    expect(late).toMatchObject({ ok: false, error: { code: 'deadline' } });
  });

  it('when it does not load, or loops without end', async () => {
    const unloadable = await runWindow('null.x\nexport const process = () => 1', pieces(''));
    expect(unloadable).toMatchObject({ ok: false, error: { code: 'bad_program', line: 1 } });
    const loops =
      'export async function process(batch) { for await (const e of batch) for (;;) {} }';
    const endless = await runWindow(loops, pieces(linesOf(numbers(1))), { guardSteps: 5000 });
    expect(endless).toMatchObject({ ok: false, error: { code: 'loop_guard' } });
  });

  it('but no long window for its length', async () => {
    const code = `export async function process(batch) {
  for await (const e of batch) for (let i = 0; i < 4000; i++);
  return { type: 'Done' }
}`;
    const outcome = await runWindow(code, pieces(linesOf(numbers(20))), { guardSteps: 5000 });
    expect(outcome).toMatchObject({ ok: true });
  });

  it('and is run again when the input broke, whatever the code made of that', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield encoder.encode(`${linesOf(numbers(1))}\n`);
      throw new Error('R2 went away');
    }
    const code = `export async function process(batch) {
  try { for await (const e of batch); } catch {}
  return { type: 'Fine' }
}`;
    await expect(runWindow(code, broken())).rejects.toThrow(/could not be read: R2 went away/);
  });
});
