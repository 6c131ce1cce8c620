// State is a fold: whatever the batches, failures, deaths and sweeps on the way, each key's state is what its events
// make of it one after the other, and the totals are what a count finds.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { plainCode, programCode } from './fold-code.ts';
import { type Applied, type Event, fold, FoldWorld, type State } from './fold-world.ts';

const KEYS = ['', 'a', 'b', 'ü', '\u{1F600}', '\uffff', 'a\u0000b'];

const event = fc.record<Event>({
  key: fc.constantFrom(...KEYS),
  deed: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('add' as const) },
    fc.constantFrom('same' as const, 'leave' as const, 'forget' as const),
    { weight: 1, arbitrary: fc.constantFrom('poison' as const, 'flaky' as const) },
  ),
  expireMs: fc.oneof(
    { weight: 5, arbitrary: fc.constant(null) },
    fc.integer({ min: 1_000, max: 9_000 }),
  ),
  filling: fc.constantFrom(0, 0, 0, 20),
});

interface Kept {
  state: State;
  ttlMs: number | null;
  expiresMs: number | null;
}

/** One event after the other, each at the time at which it was applied. */
function reference(applied: Applied[], ttlMs: number | null) {
  const kept = new Map<string, Kept>();
  let forgotten = 0;
  const seen: { offset: number; before: State | null }[] = [];
  for (const event of applied) {
    const { key, offset, atMs } = event;
    const found = kept.get(key);
    const old = found && (found.expiresMs ?? Infinity) > atMs ? found : null;
    seen.push({ offset, before: old?.state ?? null });
    const state = fold(event, offset, old?.state ?? null);
    if (state === undefined) continue;
    if (found && !old) forgotten++;
    if (state === null) {
      kept.delete(key);
      continue;
    }
    const own = event.expireMs ?? old?.ttlMs ?? null;
    const lives = own ?? ttlMs;
    kept.set(key, { state, ttlMs: own, expiresMs: lives === null ? null : atMs + lives });
  }
  const expiring = [...kept.values()].filter(({ expiresMs }) => expiresMs !== null).length;
  return { kept, seen, forgotten: forgotten + expiring };
}

test.each(['plain', 'program'])(
  'each key is what its events make of it, and totals are what a count finds: %s code',
  async (kind) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { maxLength: 60 }),
        fc.option(fc.integer({ min: 1_000, max: 8_000 })),
        fc.constantFrom(1, 60, 1_000_000),
        fc.integer(),
        async (events, ttlMs, maxBytes, seed) => {
          let at = seed >>> 0;
          const random = () => (at = (Math.imul(at, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
          const code = kind === 'plain' ? plainCode(random) : programCode();
          const world = new FoldWorld(events, code, random, ttlMs, maxBytes);
          await world.run();
          const { kept, seen, forgotten } = reference(world.applied, ttlMs);
          expect(world.outputs.map((output) => JSON.parse(output) as unknown)).toEqual(seen);
          const living = [...kept].filter(([, one]) => (one.expiresMs ?? Infinity) > world.nowMs);
          const rows = [...world.states.rows.values()].filter(
            ({ expiresMs }) => (expiresMs ?? Infinity) > world.nowMs,
          );
          const shown = rows.map(({ key, state, expiresMs }) => [
            key,
            JSON.parse(state),
            expiresMs,
          ]);
          expect(new Map(shown.map(([key, ...rest]) => [key, rest]))).toEqual(
            new Map(living.map(([key, { state, expiresMs }]) => [key, [state, expiresMs]])),
          );
          expect(world.states.totals()).toMatchObject(world.states.counted());
          // Poison is all that is missing.
          const missing = events.filter(
            (_, i) => !world.applied.some(({ offset }) => offset === i),
          );
          expect(missing.every(({ deed }) => deed === 'poison' || deed === 'flaky')).toBe(true);
          // In the end, whatever expires is swept.
          world.nowMs += 3600_000;
          await world.sweep();
          expect(world.states.counted().expiring).toBe(0);
          expect(world.forgotten).toBe(forgotten);
          expect(world.states.totals()).toEqual({ ...world.states.counted(), sweepAtMs: null });
        },
      ),
      { numRuns: 500 },
    );
  },
);
