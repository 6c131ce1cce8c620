// Windows of event time under any interleaving of partitions, batches of any size, duplicates, failures, stops, deaths
// and restarts. In order within the grace, they are what the whole set says; whatever the order, each event is counted
// in its windows or is late, or was given up, and nothing of it is left.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EventWindow } from '../../../shared/schemas/processor.ts';
import {
  type FiredWindow,
  type TestEvent,
  WindowWorld,
  type WorldSetting,
} from './window-world.ts';

/** Small, as all times here: so that events often lie at the very end of something. */
const GRACE_MS = 4;
const common = { graceMs: GRACE_MS, idleMs: 10, skewMs: 1_000, time: 'time' };

const window: fc.Arbitrary<EventWindow> = fc.oneof(
  fc
    .record({ sizeMs: fc.integer({ min: 1, max: 10 }) })
    .map(({ sizeMs }): EventWindow => ({ type: 'tumbling', sizeMs, ...common })),
  fc
    .record({ sizeMs: fc.integer({ min: 2, max: 12 }), share: fc.integer({ min: 1, max: 5 }) })
    .map(({ sizeMs, share }): EventWindow => {
      const slideMs = Math.max(1, Math.floor(sizeMs / share));
      return { type: 'tumbling', sizeMs, slideMs, ...common };
    }),
  fc
    .integer({ min: 1, max: 5 })
    .map((gapMs): EventWindow => ({ type: 'session', gapMs, ...common })),
);

/** Times rise, but for as much as the grace allows. */
const orderly = fc
  .array(
    fc.record({
      key: fc.constantFrom('a', 'b', '0/a'),
      step: fc.constantFrom(0, 0, 1, 2, 3, 5, 9),
      back: fc.integer({ min: 0, max: GRACE_MS }),
      delayMs: fc.constant(0),
      fails: fc.constantFrom(0, 0, 0, 0, 0, 1, Infinity),
    }),
    { maxLength: 40 },
  )
  .map((drafts): TestEvent[] => {
    let newest = 0;
    return drafts.map(({ key, step, back, delayMs, fails }) => {
      newest += step;
      return { key, timeMs: newest - back, delayMs, fails };
    });
  });

const wild = fc.array(
  fc.record({
    key: fc.constantFrom('a', 'b'),
    timeMs: fc.integer({ min: -15, max: 40 }),
    delayMs: fc.constantFrom(0, 0, 0, 500, -1_000, -1_001),
    fails: fc.constantFrom(0, 0, 0, 0, 0, 1, Infinity),
  }),
  { maxLength: 40 },
);

type Step =
  | { kind: 'apply'; source: number; count: number; back: number }
  | { kind: 'due' }
  | { kind: 'restart' }
  | { kind: 'drain' }
  | { kind: 'rest'; source: number }
  | { kind: 'pass'; ms: number };

const source = fc.nat({ max: 2 });
const applying = fc.record({
  kind: fc.constant('apply' as const),
  source,
  count: fc.constantFrom(1, 1, 1, 2, 12),
  back: fc.nat({ max: 6 }),
});
const inside: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: applying },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Step>({ kind: 'due' }, { kind: 'restart' }),
  },
);
const anything: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: inside },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'drain' }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rest' as const), source }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.integer({ min: 0, max: 40 }),
    }),
  },
);

const share = fc.constantFrom(0, 0, 0.05, 0.2);

const settingWith = (events: fc.Arbitrary<TestEvent[]>): fc.Arbitrary<WorldSetting> =>
  fc
    .record({
      window,
      adds: fc.boolean(),
      sources: fc.tuple(events, events, events),
      seed: fc.nat(),
      maxAttempts: fc.integer({ min: 1, max: 3 }),
      bounds: fc.record({
        callBytes: fc.constantFrom(300, 2_000, 1_000_000),
        lines: fc.constantFrom(1, 7, 1_000),
        due: fc.constantFrom(0, 3, 1_000),
        together: fc.constantFrom(1, 3, 250),
      }),
      deaths: share,
      stops: share,
      throws: fc.constant(0),
    })
    .map(({ seed, maxAttempts, ...rest }) => ({
      ...rest,
      retry: { maxAttempts, baseMs: 5, maxMs: 20 },
      random: randomOf(seed),
    }));

/** Mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function take(world: WindowWorld, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    if (step.kind === 'apply') await world.apply(step.source, step.count, step.back);
    else if (step.kind === 'due') await world.due(false);
    else if (step.kind === 'restart') world.restart();
    else if (step.kind === 'drain') await world.drain();
    else if (step.kind === 'rest') world.rested(step.source);
    else await world.pass(step.ms);
  }
}

/** Everything that is left, without accidents, and the end of all windows. */
async function finish(world: WindowWorld): Promise<void> {
  world.calm = true;
  for (let rounds = 0; [0, 1, 2].some((at) => world.left(at) > 0); rounds++) {
    if (rounds > 2_000) throw new Error('the sources do not come to their end');
    for (const at of [0, 1, 2]) if (world.left(at) > 0) await world.apply(at, 3);
  }
  await world.drain();
}

interface Placed extends TestEvent {
  id: string;
}

const placed = (sources: TestEvent[][]): Placed[] =>
  sources.flatMap((events, at) =>
    events.map((event, offset) => ({ ...event, id: `${at}:${offset}` })),
  );

const overlapping = (timeMs: number, sizeMs: number, slideMs: number): number[] => {
  const starts: number[] = [];
  for (let k = Math.ceil((timeMs - sizeMs + 1) / slideMs); k * slideMs <= timeMs; k++) {
    starts.push(k * slideMs);
  }
  return starts;
};

/** What the windows of these events are, computed on all of them at once. */
function reference(events: readonly Placed[], setting: WorldSetting['window']): FiredWindow[] {
  const windows = new Map<string, Placed[]>();
  const put = (name: string, event: Placed) =>
    windows.set(name, [...(windows.get(name) ?? []), event]);
  if (setting.type === 'tumbling') {
    const { sizeMs, slideMs = sizeMs } = setting;
    for (const event of events) {
      for (const start of overlapping(event.timeMs, sizeMs, slideMs))
        put(`${start}/${event.key}`, event);
    }
  } else {
    const last = new Map<string, { name: string; timeMs: number }>();
    for (const event of events.toSorted((a, b) => a.timeMs - b.timeMs)) {
      const { key, timeMs } = event;
      const before = last.get(key);
      const joins = before !== undefined && timeMs - before.timeMs <= setting.gapMs;
      const name = joins ? before.name : `${timeMs}/${key}`;
      last.set(key, { name, timeMs });
      put(name, event);
    }
  }
  return [...windows].map(([name, taken]) => {
    const startMs = Number(name.slice(0, name.indexOf('/')));
    const endMs =
      setting.type === 'tumbling'
        ? startMs + setting.sizeMs
        : Math.max(...taken.map(({ timeMs }) => timeMs)) + setting.gapMs;
    const key = name.slice(name.indexOf('/') + 1);
    return { key, startMs, endMs, count: taken.length, events: taken.map(({ id }) => id) };
  });
}

const sorted = (windows: readonly FiredWindow[]) =>
  windows
    .map((one) => ({ ...one, events: one.events.toSorted() }))
    .sort((a, b) => a.startMs - b.startMs || (a.key < b.key ? -1 : 1));

const nothingIsLeft = (world: WindowWorld) =>
  expect({
    keyWindows: world.rows('panes'),
    ends: world.rows('ends'),
    retries: world.rows('retries'),
    keys: world.operator.keys(),
    bytes: world.operator.bytes(),
    dueAtMs: world.operator.dueAtMs(),
  }).toEqual({ keyWindows: 0, ends: 0, retries: 0, keys: 0, bytes: 0, dueAtMs: null });

describe('windows of events that are in order within the grace', () => {
  test('are what the whole set says', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        settingWith(orderly),
        fc.array(inside, { maxLength: 100 }),
        async (setting, steps) => {
          const world = new WindowWorld(setting);
          await take(world, steps);
          await finish(world);
          expect(world.late).toEqual([]);
          const counted = placed(setting.sources).filter(({ id }) => !world.dead.has(id));
          expect(sorted(world.fired)).toEqual(sorted(reference(counted, setting.window)));
          if (!setting.adds) expectInOrder(world, setting);
          nothingIsLeft(world);
        },
      ),
      { numRuns: 400 },
    );
  });
});

function expectInOrder({ fired }: WindowWorld, { sources }: WorldSetting): void {
  const timeOf = new Map(placed(sources).map(({ id, timeMs }) => [id, timeMs]));
  for (const { events } of fired) {
    const times = events.map((id) => timeOf.get(id) as number);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  }
}

describe('windows of any events', () => {
  test('count each event in its windows, or it is late', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        settingWith(wild),
        fc.array(anything, { maxLength: 80 }),
        async (setting, steps) => {
          const world = new WindowWorld(setting);
          await take(world, steps);
          await finish(world);
          expectEachOnce(world, setting);
          nothingIsLeft(world);
        },
      ),
      { numRuns: 400 },
    );
  });

  test(
    'and those whose closing fails for good give their events up',
    { timeout: 120_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(
          settingWith(wild),
          fc.array(anything, { maxLength: 80 }),
          async (wilder, steps) => {
            // With `add` only the last event is given up for all.
            const setting = { ...wilder, adds: false, throws: 0.3 };
            const world = new WindowWorld(setting);
            await take(world, steps);
            await finish(world);
            if (setting.window.type === 'tumbling' && setting.window.slideMs === undefined) {
              expectEachOnce(world, setting);
            }
            for (const { error, attempts } of world.lost) {
              expect(error.message).toContain('could not be closed');
              expect(attempts).toBe(setting.retry.maxAttempts);
            }
            nothingIsLeft(world);
          },
        ),
        { numRuns: 150 },
      );
    },
  );
});

function expectEachOnce(world: WindowWorld, { sources, window: kind }: WorldSetting): void {
  const late = new Map<string, string>();
  for (const { source: at, offset, reason } of world.late) {
    expect(late.has(`${at}:${offset}`)).toBe(false);
    late.set(`${at}:${offset}`, reason);
  }
  const timeOf = new Map(placed(sources).map(({ id, timeMs }) => [id, timeMs]));
  const inWindows = new Map<string, FiredWindow[]>();
  for (const fired of world.fired) {
    expect(new Set(fired.events).size).toBe(fired.count);
    for (const id of fired.events) inWindows.set(id, [...(inWindows.get(id) ?? []), fired]);
    if (kind.type === 'tumbling') continue;
    const times = fired.events.map((id) => timeOf.get(id) as number).sort((a, b) => a - b);
    expect(fired.startMs).toBe(times[0]);
    expect(fired.endMs).toBe((times.at(-1) as number) + kind.gapMs);
    times.forEach((ms, i) => expect(ms - (times[i - 1] ?? ms)).toBeLessThanOrEqual(kind.gapMs));
  }
  if (kind.type === 'tumbling') {
    const names = world.fired.map(({ key, startMs }) => `${startMs}/${key}`);
    expect(new Set(names).size).toBe(names.length);
  }
  for (const { id, key, timeMs, delayMs } of placed(sources)) {
    const own = inWindows.get(id) ?? [];
    const fates = Number(own.length > 0) + Number(late.has(id)) + Number(world.dead.has(id));
    expect(fates, id).toBe(1);
    expect(late.get(id) === 'future', id).toBe(delayMs < -1_000 && !world.dead.has(id));
    for (const fired of own) expect(fired.key).toBe(key);
    if (kind.type === 'session') expect(own.length).toBeLessThanOrEqual(1);
    else {
      const { sizeMs, slideMs = sizeMs } = kind;
      const starts = overlapping(timeMs, sizeMs, slideMs);
      expect(own.every(({ startMs }) => starts.includes(startMs))).toBe(true);
    }
  }
}
