// Consuming under wake-ups that are lost, doubled and late, restarts, and deaths between any two steps, of code whose
// answer changes from run to run: each event has its effect once, or is a dead letter, and never both.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Behaviour, ConsumerWorldInMemory, type Plan } from '../support/consumer-world.ts';

const behaviour: fc.Arbitrary<Behaviour> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('fine' as const),
      outputs: fc.nat({ max: 3 }),
      keyed: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('flaky' as const),
      share: fc.constantFrom(0.2, 0.5, 0.9),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'poison' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'killer' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'refused' as const }) },
);

const share = (max: number) => fc.integer({ min: 0, max: 10 }).map((n) => (n / 10) * max);

const plan: fc.Arbitrary<Plan> = fc.record({
  seed: fc.nat(),
  events: fc.array(behaviour, { maxLength: 30 }),
  retry: fc.record({
    maxAttempts: fc.integer({ min: 1, max: 4 }),
    baseMs: fc.constantFrom(0, 100, 5_000),
    maxMs: fc.constantFrom(0, 1_000, 60_000),
  }),
  deaths: share(0.15),
  restarts: share(0.1),
  lostWakeUps: share(0.6),
  doubledWakeUps: share(0.6),
  fullShare: share(0.3),
});

/** Each event's outputs: all of one run of it, none of another. */
function checkOutputs(world: ConsumerWorldInMemory, { events }: Plan, dead: Set<number>): void {
  const byOffset = Map.groupBy(world.outputs.flat(), ({ offset }) => offset);
  events.forEach((event, offset) => {
    const outputs = byOffset.get(offset) ?? [];
    const count = event.kind === 'fine' ? event.outputs : 1;
    const numbers = outputs.map(({ nth }) => nth).sort();
    const expected = dead.has(offset) ? 0 : count;
    expect(numbers, `outputs of ${offset}`).toEqual(Array.from({ length: expected }, (_, i) => i));
    expect(new Set(outputs.map(({ run }) => run)).size, `runs of ${offset}`).toBeLessThan(2);
  });
}

describe('each event has its effect once or is a dead letter, and partitions keep their order', () => {
  test('whatever is lost, doubled, late, restarted or killed', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(plan, async (plan) => {
        const world = new ConsumerWorldInMemory(plan);
        await world.begin();
        await world.run();
        world.calm = true;
        await world.run();
        expect(world.unexpected).toEqual([]);
        expect(world.settled).toBe(true);
        const dead = new Set(world.storage.letters().map(({ offset }) => offset));
        plan.events.forEach(({ kind }, offset) => {
          if (kind === 'fine') expect(dead.has(offset)).toBe(false);
          if (kind === 'poison' || kind === 'killer' || kind === 'refused') {
            expect(dead.has(offset), `${kind} ${offset}`).toBe(true);
          }
        });
        checkOutputs(world, plan, dead);
        for (const partition of world.outputs) {
          const offsets = partition.map(({ offset }) => offset);
          expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
        }

        // The same again for the dead letters, once the code is mended.
        world.calm = false;
        world.mended = true;
        world.redriveAll();
        await world.run();
        world.calm = true;
        await world.run();
        expect(world.unexpected).toEqual([]);
        expect(world.storage.letters()).toEqual([]);
        checkOutputs(world, plan, new Set());
      }),
      { numRuns: 500 },
    );
  });

  test('no event is run more often than it may fail, when nothing dies', async () => {
    await fc.assert(
      fc.asyncProperty(plan, async (wild) => {
        const events = wild.events.filter(({ kind }) => kind === 'fine' || kind === 'poison');
        const calm = { ...wild, events, deaths: 0, restarts: 0, lostWakeUps: 0, fullShare: 0 };
        const world = new ConsumerWorldInMemory(calm);
        world.calm = true;
        await world.begin();
        await world.run();
        expect(world.settled).toBe(true);
        events.forEach(({ kind }, offset) => {
          if (kind === 'poison') {
            expect(world.runs.get(offset)).toBeGreaterThanOrEqual(calm.retry.maxAttempts);
          }
        });
        const letters = world.storage.letters();
        for (const { attempts } of letters) expect(attempts).toBe(calm.retry.maxAttempts);
      }),
      { numRuns: 60 },
    );
  });
});
