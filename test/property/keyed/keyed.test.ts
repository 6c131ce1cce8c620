// Keyed state under everything that may go wrong: what events do to the states of their keys, what they emit, and
// what is given up on, each exactly once.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Place } from '../../../worker/processors/keyed/operator.ts';
import type { Deed } from './deed-operator.ts';
import { type Event, KeyedWorld, type Plan } from './keyed-world.ts';

const deed: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
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
  { weight: 3, arbitrary: fc.constant({ kind: 'pair' as const }) },
  ...(['poison', 'killer', 'invalid', 'refused', 'late', 'keyless'] as const).map((kind) => ({
    weight: 1,
    arbitrary: fc.constant({ kind }),
  })),
);
const event: fc.Arbitrary<Event> = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), deed });
const share = (max: number) => fc.integer({ min: 0, max: 10 }).map((n) => (n / 10) * max);

const plan: fc.Arbitrary<Plan> = fc.record({
  seed: fc.nat(),
  events: fc.array(fc.array(event, { maxLength: 16 }), { minLength: 1, maxLength: 3 }),
  retry: fc.record({
    maxAttempts: fc.integer({ min: 1, max: 4 }),
    baseMs: fc.constantFrom(0, 100, 5_000),
    maxMs: fc.constantFrom(0, 1_000, 60_000),
  }),
  deaths: share(0.12),
  restarts: share(0.08),
  lostWakeUps: share(0.5),
  fullShare: share(0.3),
  pairWaitsMs: fc.constantFrom(1, 10, 2_000),
});

const named = ({ source, offset }: Place) => `${source}:${offset}`;
const counts = (names: string[]) =>
  Object.fromEntries(
    [...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length]),
  );

/** Where each event of a kind is to be found in the end, and how often. */
function check(world: KeyedWorld, { events }: Plan): void {
  expect(world.unexpected).toEqual([]);
  expect(world.settled).toBe(true);
  const letters = counts(
    world.readers.flatMap(({ storage }, source) =>
      storage.letters().map(({ offset }) => named({ source, offset })),
    ),
  );
  const states = ['a', 'b', 'c', 'd'].flatMap((key) =>
    world.homes.flatMap(({ shard }) => shard.operator?.state(key) ?? []),
  );
  const added = counts(states.flatMap((state) => state.added.map(named)));
  const waiting = counts(states.flatMap((state) => (state.waiting ? [named(state.waiting)] : [])));
  const outputs = (world.streams.get('out') ?? []).map(
    ({ payload }) => payload as { pair?: Place[]; at?: Place; nth?: number; run?: number },
  );
  const paired = counts(outputs.flatMap(({ pair }) => pair?.map(named) ?? []));
  const emitted = Map.groupBy(
    outputs.filter(({ at }) => at),
    ({ at }) => named(at as Place),
  );
  const late = counts(
    (world.streams.get('late') ?? []).map(({ source }) => {
      expect(source.late).toBe('closed');
      return named({ source: source.partition, offset: source.offset });
    }),
  );

  events.forEach((list, source) =>
    list.forEach(({ deed }, offset) => {
      const name = named({ source, offset });
      const says = `${deed.kind} ${name}`;
      const dead = letters[name] ?? 0;
      const is = {
        added: added[name] ?? 0,
        waiting: waiting[name] ?? 0,
        paired: paired[name] ?? 0,
        late: late[name] ?? 0,
        dead,
      };
      const none = { added: 0, waiting: 0, paired: 0, late: 0, dead: 0 };
      const bad = !world.mended;
      switch (deed.kind) {
        case 'add':
        case 'refused':
          expect(is, says).toEqual({ ...none, added: 1 });
          break;
        case 'flaky':
          expect(is, says).toEqual({ ...none, added: 1 - dead, dead });
          break;
        case 'poison':
        case 'killer':
        case 'invalid':
          expect(is, says).toEqual({ ...none, [bad ? 'dead' : 'added']: 1 });
          break;
        case 'late':
          expect(is, says).toEqual({ ...none, late: 1 });
          break;
        case 'keyless':
          expect(is, says).toEqual({ ...none, dead: 1 });
          break;
        case 'pair':
          expect(is.waiting + is.paired + dead, says).toBe(1);
          expect({ ...is, waiting: 0, paired: 0, dead: 0 }, says).toEqual(none);
          break;
      }
      const made = emitted.get(name) ?? [];
      const expected =
        is.added === 0 || deed.kind === 'refused' ? 0 : deed.kind === 'add' ? deed.outputs : 1;
      expect(made.map(({ nth }) => nth).sort(), `outputs of ${says}`).toEqual(
        Array.from({ length: expected }, (_, i) => i),
      );
      expect(new Set(made.map(({ run }) => run)).size, `runs of ${says}`).toBeLessThan(2);
    }),
  );
  for (const { shard } of world.homes) expect(shard.status()?.reason).toBe('');
}

async function untilCalm(world: KeyedWorld): Promise<void> {
  world.calm = false;
  await world.run();
  world.calm = true;
  await world.run();
}

describe('each event changes its key once, emits once, or is a dead letter', () => {
  test('whatever is lost, doubled, late, restarted or killed', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(plan, async (plan) => {
        const world = new KeyedWorld(plan);
        await world.begin();
        await untilCalm(world);
        check(world, plan);
        // The events of a partition come in order, as long as none is run again.
        for (const { shard } of world.homes) {
          for (const key of ['a', 'b', 'c', 'd']) {
            const bySource = Map.groupBy(shard.operator?.state(key).added ?? [], (at) => at.source);
            for (const places of bySource.values()) {
              const offsets = places.map(({ offset }) => offset);
              expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
            }
          }
        }

        // The same again for the dead letters, once the code is mended.
        // Some of them are lost again meanwhile, and run again again.
        world.mended = true;
        for (let round = 0; round < 3; round++) {
          world.redriveAll();
          await untilCalm(world);
          check(world, plan);
        }
      }),
      { numRuns: 200 },
    );
  });
});
