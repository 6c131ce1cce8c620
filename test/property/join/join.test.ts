// Whatever order events come in, twice or not, with processes that die and time passing between them: what is joined,
// what is late and what is lost is what one look at the whole history says.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JoinRules } from '../../../shared/schemas/processor.ts';
import { JoinWorld, type Told, type Trait } from './join-world.ts';

const TYPES = ['A', 'B', 'C'];
const KEYS = ['k', 'é|\\', '\u0000"', '🐫', '\ue000'];

type Step =
  | {
      kind: 'apply';
      source: number;
      events: { key: number; type: number; id: number | null; trait: Trait; pad: number }[];
      final: boolean;
      dies: number;
    }
  | { kind: 'pass'; ms: number }
  | { kind: 'redrive'; which: number }
  | { kind: 'restart' }
  | { kind: 'drain' }
  | { kind: 'stop'; units: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant('apply' as const),
        source: fc.nat({ max: 1 }),
        events: fc.array(
          fc.record({
            key: fc.nat({ max: KEYS.length - 1 }),
            type: fc.nat({ max: 2 }),
            id: fc.option(fc.nat({ max: 12 })),
            trait: fc.oneof(
              { weight: 12, arbitrary: fc.constant('good' as const) },
              fc.constantFrom('bad' as const, 'deadly' as const),
            ),
            pad: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat({ max: 600 })),
          }),
          { minLength: 1, maxLength: 12 },
        ),
        final: fc.boolean(),
        dies: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat({ max: 2 })),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat({ max: 300 }) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('redrive' as const), which: fc.nat({ max: 50 }) }),
    },
    { weight: 2, arbitrary: fc.constant({ kind: 'restart' as const }) },
    fc.constant({ kind: 'drain' as const }),
    fc.record({ kind: fc.constant('stop' as const), units: fc.integer({ min: 1, max: 3 }) }),
  ),
  { maxLength: 40 },
);

/** The whole history, looked at key by key. */
function expected({ history, drains, nowMs }: JoinWorld, rules: JoinRules) {
  const told = {
    outputs: [] as JoinWorld['outputs'],
    late: [] as JoinWorld['late'],
    lost: [] as Omit<JoinWorld['lost'][number], 'attempts'>[],
    waiting: [] as { key: string; since: string; dueAt: string; missing: string[] }[],
    counters: { fired: 0, timedOut: 0, repeated: 0 },
    fails: 0,
  };
  for (const key of KEYS) {
    const of = history.filter(({ event }) => event.key === key);
    let open: { sinceMs: number; events: Told[] } | null = null;
    /** Ids that took part, in what has ended. */
    let over: { how: 'fired' | 'timed-out'; lost: boolean; ids: string[] } | null = null;

    const joined = (events: Told[]) =>
      TYPES.map((type) => events.find((event) => event.type === type)?.id ?? null);
    const works = (events: Told[]) => events.every(({ trait }) => trait === 'good');
    const end = (how: 'fired' | 'timed-out', lost: boolean, events: Told[]) => {
      over = rules.rememberMs === 0 ? null : { how, lost, ids: events.map(({ id }) => id) };
      open = null;
    };
    const timeOut = (events: Told[]) => {
      told.counters.timedOut++;
      const last = events.at(-1) as Told;
      const { source, offset } = last;
      const emits = rules.onTimeout === 'emit-partial';
      if (emits && works(events)) {
        told.outputs.push({ source, offset, key, ids: joined(events) });
      }
      const lost = rules.onTimeout === 'dead-letter' || (emits && !works(events));
      if (lost) {
        const died = events.some(({ trait }) => trait === 'deadly') ? 'internal' : 'program_threw';
        const code = emits ? died : 'deadline';
        told.lost.push(...events.map((one) => ({ source: one.source, offset: one.offset, code })));
      }
      end('timed-out', lost, events);
    };
    const until = (atMs: number) => {
      const now = open as { sinceMs: number; events: Told[] } | null;
      if (!now) return;
      const drained = drains.find((ms) => ms >= now.sinceMs) ?? Infinity;
      if (Math.min(now.sinceMs + rules.timeoutMs, drained) <= atMs) timeOut(now.events);
    };

    for (const { atMs, redrive, event } of of) {
      until(atMs);
      const past = over as { how: 'fired' | 'timed-out'; lost: boolean; ids: string[] } | null;
      const now = open as { sinceMs: number; events: Told[] } | null;
      const place = { source: event.source, offset: event.offset };
      const opens = !now && (!past || (past.lost && redrive));
      if (!opens) {
        const ids = now ? now.events.map(({ id }) => id) : (past?.ids ?? []);
        if (ids.includes(event.id)) {
          told.counters.repeated++;
          continue;
        }
        if (!now) {
          told.late.push({ ...place, reason: past?.how === 'fired' ? 'fired' : 'timed-out' });
          continue;
        }
        if (now.events.some(({ type }) => type === event.type)) {
          told.late.push({ ...place, reason: 'type-taken' });
          continue;
        }
      }
      const events = [...(now?.events ?? []), event];
      if (events.length < TYPES.length) {
        open = { sinceMs: now?.sinceMs ?? atMs, events };
      } else if (works(events)) {
        told.counters.fired++;
        told.outputs.push({ ...place, key, ids: joined(events) });
        end('fired', false, events);
      } else {
        told.fails++;
      }
    }
    until(nowMs);
    const left = open as { sinceMs: number; events: Told[] } | null;
    if (!left) continue;
    told.waiting.push({
      key,
      since: new Date(left.sinceMs).toISOString(),
      dueAt: new Date(left.sinceMs + rules.timeoutMs).toISOString(),
      missing: TYPES.filter((type) => !left.events.some((event) => event.type === type)),
    });
  }
  return told;
}

const sorted = (list: readonly unknown[]) => list.map((one) => JSON.stringify(one)).sort();

describe('a join', () => {
  test('is what the whole history says, in every order', async () => {
    const rules = fc.record({
      types: fc.constant(TYPES),
      timeoutMs: fc.constantFrom(40, 200, 1_000_000),
      onTimeout: fc.constantFrom('emit-partial' as const, 'dead-letter' as const, 'drop' as const),
      rememberMs: fc.constantFrom(0, 1_000_000_000),
    });
    await fc.assert(
      fc.asyncProperty(rules, steps, async (rules, steps) => {
        const world = new JoinWorld(rules, { maxAttempts: 1, baseMs: 1, maxMs: 1 });
        let made = 0;
        for (const step of steps) {
          switch (step.kind) {
            case 'apply': {
              const { source, events, final, dies } = step;
              const sent = events.map(({ key, type, id, trait, pad }) => ({
                source,
                key: KEYS[key] as string,
                type: TYPES[type] as string,
                id: id === null ? `new-${made++}` : `id-${id}`,
                trait,
                pad,
              }));
              await world.apply(world.send(sent), { final, dies });
              break;
            }
            case 'pass':
              await world.pass(step.ms);
              break;
            case 'redrive': {
              const [one] = world.dead.splice(step.which % Math.max(1, world.dead.length), 1);
              if (one) await world.apply([one], { final: true, redrive: true });
              break;
            }
            case 'restart':
              world.restart();
              break;
            case 'drain':
              await world.drain();
              break;
            case 'stop':
              world.unitsPerCall = step.units;
          }
          expect(world.counts()).toEqual(world.recount());
        }
        await world.alarms();
        const told = expected(world, rules);
        expect(sorted(world.outputs)).toEqual(sorted(told.outputs));
        expect(sorted(world.late)).toEqual(sorted(told.late));
        expect(sorted(world.lost.map(({ attempts: _, ...one }) => one))).toEqual(sorted(told.lost));
        expect({ fired: 0, timedOut: 0, repeated: 0, ...world.counters }).toEqual(told.counters);
        const since = (list: { key: string; since: string; dueAt: string | null }[]) =>
          sorted(list.map(({ key, since, dueAt }) => ({ key, since, dueAt })));
        const listed = world.waiting(null, 2);
        expect(since(listed)).toEqual(since(told.waiting));
        expect(listed.map(({ since }) => since)).toEqual(
          listed.map(({ since }) => since).toSorted(),
        );
        expect(since(world.waiting('B', 1))).toEqual(
          since(told.waiting.filter(({ missing }) => missing.includes('B'))),
        );
        // Whoever waits is listed; whoever does not may be for a while, but not many are.
        expect(world.rows('due')).toBeLessThan(80);
      }),
    );
  });

  test('fires once for each key, whatever comes twice', async () => {
    const events = fc.shuffledSubarray(
      ['p1', 'p2', 'p3', 'p4'].flatMap((key) =>
        TYPES.flatMap((type) => [0, 1].map((copy) => ({ key, type, copy }))),
      ),
      { minLength: 24 },
    );
    await fc.assert(
      fc.asyncProperty(events, fc.integer({ min: 1, max: 24 }), async (events, batch) => {
        const world = new JoinWorld(
          { types: TYPES, timeoutMs: 1e6, onTimeout: 'drop', rememberMs: 1e6 },
          { maxAttempts: 1, baseMs: 1, maxMs: 1 },
        );
        const sent = world.send(
          events.map(({ key, type }) => ({
            source: 0,
            key,
            type,
            id: `${key}-${type}`,
            trait: 'good' as const,
          })),
        );
        for (let at = 0; at < sent.length; at += batch) {
          world.restart();
          await world.apply(sent.slice(at, at + batch), { dies: at % 2 });
        }
        expect(world.outputs.map(({ key, ids }) => [key, ...ids].join()).toSorted()).toEqual(
          ['p1', 'p2', 'p3', 'p4'].map((key) => `${key},${key}-A,${key}-B,${key}-C`),
        );
        expect(world.counters).toEqual({ fired: 4, repeated: 12 });
        expect(world.counts()).toMatchObject({ keys: 0, bytes: 0 });
      }),
    );
  });
});
