// Reports to the lobby: gathered, paced, never larger than a frame.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FRAME_MAX_BYTES, FRAMES_PER_SECOND_MAX, GRANT_MAX_TASKS } from '../../../shared/limits.ts';
import { ClientMessage } from '../../../shared/protocol.ts';
import { Outbox } from '../../../web/volunteer/outbox.ts';

const done = (lease: string, receipt = 'r') => ({ lease, receipt, ms: 1 });

describe('an outbox', () => {
  test('that is empty has nothing due', () => {
    expect(new Outbox().dueAtMs(true)).toBeNull();
    expect(new Outbox().take(0)).toEqual([]);
  });

  test('waits for company while more is to come', () => {
    const outbox = new Outbox();
    outbox.done(done('a'), 1_000);
    outbox.done(done('b'), 1_040);
    expect(outbox.dueAtMs(false)).toBe(1_050);
    expect(outbox.take(1_050)).toEqual([{ type: 'done', results: [done('a'), done('b')] }]);
    expect(outbox.dueAtMs(false)).toBeNull();
  });

  test('does not wait when nothing more is to come', () => {
    const outbox = new Outbox();
    outbox.returned('a', 1_000);
    expect(outbox.dueAtMs(true)).toBe(1_000);
  });

  test('keeps within the budget of frames even when every report is the last one', () => {
    const outbox = new Outbox();
    let frames = 0;
    for (let nowMs = 10_000; nowMs < 20_000; nowMs++) {
      outbox.done(done(`d${nowMs}`), nowMs);
      outbox.returned(`r${nowMs}`, nowMs);
      if ((outbox.dueAtMs(true) ?? Infinity) <= nowMs) frames += outbox.take(nowMs).length;
    }
    expect(frames / 10).toBeLessThan(FRAMES_PER_SECOND_MAX * 0.9);
    expect(frames / 10).toBeGreaterThan(FRAMES_PER_SECOND_MAX * 0.5);
  });

  test('sends kinds apart, and forgets what a lost lobby need not hear', () => {
    const outbox = new Outbox();
    const error = { code: 'program_threw', message: 'no' } as const;
    outbox.done(done('a'), 0);
    outbox.failed({ lease: 'b', error, ms: 2 }, 0);
    outbox.returned('c', 0);
    expect(outbox.size).toBe(3);
    expect(outbox.take(0).map(({ type }) => type)).toEqual(['done', 'failed', 'returned']);
    outbox.done(done('d'), 0);
    outbox.clear();
    expect(outbox.dueAtMs(true)).toBeNull();
  });

  test('loses nothing, doubles nothing, and every frame is one that the lobby takes', () => {
    const receipts = fc.array(fc.integer({ min: 0, max: 131_072 }), {
      minLength: 1,
      maxLength: 700,
    });
    fc.assert(
      fc.property(receipts, (sizes) => {
        const outbox = new Outbox();
        sizes.forEach((size, i) => outbox.done(done(`lease-${i}`, 'x'.repeat(size)), 0));
        const seen: string[] = [];
        while (outbox.size > 0) {
          const frames = outbox.take(0);
          expect(frames.length).toBeGreaterThan(0);
          for (const frame of frames) {
            expect(ClientMessage.safeParse(frame).success).toBe(true);
            expect(JSON.stringify(frame).length).toBeLessThan(FRAME_MAX_BYTES);
            if (frame.type !== 'done') throw new Error('only done was put in');
            expect(frame.results.length).toBeLessThanOrEqual(GRANT_MAX_TASKS);
            seen.push(...frame.results.map(({ lease }) => lease));
          }
        }
        expect(seen).toEqual(sizes.map((_, i) => `lease-${i}`));
      }),
      { numRuns: 20 },
    );
  });
});
