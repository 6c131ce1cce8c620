// Timers on a real database, under deaths, failures and handlers that set timers: what was set comes to a handler that
// succeeds, and when all has succeeded nothing is left.
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  HANDLER_DEAD_MS,
  Timers,
  type TimerStorage,
} from '../../../worker/platform/timers.store.ts';
import { sqliteStorage } from '../log/sqlite-storage.ts';

const NAMES = ['a', 'b', 'c'] as const;
type Name = (typeof NAMES)[number];

/** What a handler does: then it succeeds, fails, or dies with its object. */
interface Deed {
  set: { name: Name; inMs: number } | null;
  clears: Name | null;
  end: 'succeeds' | 'fails' | 'dies';
}

type Act =
  | { kind: 'set' | 'setEarlier'; name: Name; inMs: number }
  | { kind: 'clear'; name: Name }
  | { kind: 'pass'; ms: number }
  | { kind: 'die' };

class Dead extends Error {}

class World {
  readonly #db = new DatabaseSync(':memory:');
  readonly #deeds: Deed[];
  nowMs = 1_000_000;
  alarmMs: number | null = null;
  /** By name: settings that no handler has begun and succeeded after. */
  readonly owed = new Set<Name>();
  readonly calls: { name: Name; atMs: number }[] = [];
  #life = { alive: true };
  timers: Timers<Name>;

  constructor(deeds: Deed[]) {
    this.#deeds = [...deeds];
    this.timers = this.#open();
  }

  #open(): Timers<Name> {
    const life = { alive: true };
    this.#life = life;
    const { sql } = sqliteStorage(this.#db, () => {
      if (!life.alive) throw new Dead();
    });
    const storage: TimerStorage = {
      sql,
      setAlarm: async (atMs) => {
        if (life.alive) this.alarmMs = Number(atMs);
      },
      deleteAlarm: async () => {
        if (life.alive) this.alarmMs = null;
      },
      deleteAll: () => Promise.resolve(),
    };
    const handler = (name: Name) => () => this.#handle(name);
    const handlers = { a: handler('a'), b: handler('b'), c: handler('c') };
    const clock = { nowMs: () => this.nowMs, random: () => 0.5 };
    return new Timers<Name>(storage, handlers, clock);
  }

  async #handle(name: Name): Promise<void> {
    const owed = this.owed.delete(name);
    this.calls.push({ name, atMs: this.nowMs });
    const deed = this.#deeds.shift();
    await Promise.resolve();
    if (deed?.set) this.set(deed.set.name, deed.set.inMs);
    if (deed?.clears) this.clear(deed.clears);
    const cleared = deed?.clears === name;
    if (deed?.end === 'dies') this.die();
    if (deed && deed.end !== 'succeeds') {
      if (owed && !cleared) this.owed.add(name);
      throw new Error('the handler failed');
    }
  }

  set(name: Name, inMs: number): void {
    this.owed.add(name);
    this.timers.set(name, this.nowMs + inMs);
  }

  setEarlier(name: Name, inMs: number): void {
    this.owed.add(name);
    this.timers.setEarlier(name, this.nowMs + inMs);
  }

  clear(name: Name): void {
    this.owed.delete(name);
    this.timers.clear(name);
  }

  die(): void {
    this.#life.alive = false;
    this.timers = this.#open();
  }

  /** The alarm fires if its time has come. */
  async pass(ms: number): Promise<void> {
    this.nowMs += ms;
    if (this.alarmMs === null || this.alarmMs > this.nowMs) return;
    this.alarmMs = null;
    // An instance that died in it says so: the platform sees it fail.
    await this.timers.run().catch((error: unknown) => {
      if (!(error instanceof Dead)) throw error;
    });
  }

  /** Until the alarm is quiet. */
  async settle(): Promise<void> {
    for (let alarms = 0; this.alarmMs !== null; alarms++) {
      if (alarms > 200) throw new Error('the alarm never rests');
      await this.pass(Math.max(0, this.alarmMs - this.nowMs));
    }
  }

  get rows(): number {
    return this.#db.prepare('SELECT name FROM timers').all().length;
  }
}

const name = fc.constantFrom(...NAMES);
const inMs = fc.integer({ min: -10, max: 60_000 });
const deed: fc.Arbitrary<Deed> = fc.record({
  set: fc.option(fc.record({ name, inMs })),
  clears: fc.option(name, { freq: 5 }),
  end: fc.constantFrom('succeeds', 'succeeds', 'fails', 'dies'),
});
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ kind: fc.constantFrom('set' as const, 'setEarlier' as const), name, inMs }),
  fc.record({ kind: fc.constant('clear' as const), name }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 30_000 }) }),
  fc.record({ kind: fc.constant('die' as const) }),
);

const quiet = { set: null, clears: null };
const fails: Deed = { ...quiet, end: 'fails' };

describe('timers', () => {
  beforeEach(() => void vi.spyOn(console, 'error').mockImplementation(() => undefined));
  afterEach(() => vi.restoreAllMocks());

  it('bring everything that was set to a handler that succeeds, and leave nothing', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(act, { maxLength: 30 }),
        fc.array(deed, { maxLength: 20 }),
        async (acts, deeds) => {
          const world = new World(deeds);
          for (const one of acts) {
            if (one.kind === 'pass') await world.pass(one.ms);
            else if (one.kind === 'die') world.die();
            else if (one.kind === 'clear') world.clear(one.name);
            else world[one.kind](one.name, one.inMs);
          }
          await world.settle();
          expect([...world.owed]).toEqual([]);
          expect(world.rows).toBe(0);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('are called again soon after a death, and the others first', async () => {
    const world = new World([{ ...quiet, end: 'dies' }]);
    world.set('a', 0);
    world.set('b', 1);
    await world.pass(1);
    expect(world.calls.map((call) => call.name)).toEqual(['a']);
    await world.pass(0);
    expect(world.calls.map((call) => call.name)).toEqual(['a', 'b']);
    await world.settle();
    expect(world.calls.map((call) => call.name)).toEqual(['a', 'b', 'a']);
    expect(world.nowMs).toBeLessThan(1_000_000 + 60_000);
  });

  it('that fail do not stop the others, wait longer each time, and are logged first and last', async () => {
    const world = new World([fails, { ...quiet, end: 'succeeds' }, fails, fails]);
    world.set('a', 0);
    world.set('b', 1);
    await world.pass(1);
    expect(world.calls.map((call) => call.name)).toEqual(['a', 'b']);
    await world.settle();
    const times = world.calls.filter((call) => call.name === 'a').map(({ atMs }) => atMs);
    const waits = times.slice(1).map((atMs, i) => atMs - (times[i] ?? 0));
    expect(waits).toEqual([1_500, 2_500, 4_500]);
    expect(vi.mocked(console.error)).toHaveBeenCalledTimes(2);
  });

  it('do not come back when they are cleared while they fail', async () => {
    const world = new World([{ set: null, clears: 'a', end: 'fails' }]);
    world.set('a', 0);
    await world.settle();
    expect(world.calls).toHaveLength(1);
  });
});

describe('a handler that hangs', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(console, 'error').mockImplementation(() => undefined);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it('holds up the others only for a while, and is called again when it is taken for dead', async () => {
    let hung = 0;
    let fired = 0;
    let alarmMs: number | null = null;
    const { sql } = sqliteStorage(new DatabaseSync(':memory:'), () => undefined);
    const storage: TimerStorage = {
      sql,
      setAlarm: async (atMs) => void (alarmMs = Number(atMs)),
      deleteAlarm: async () => void (alarmMs = null),
      deleteAll: () => Promise.resolve(),
    };
    const timers = new Timers<'hangs' | 'works'>(storage, {
      hangs: () => (hung++ === 0 ? new Promise(() => undefined) : undefined),
      works: () => void fired++,
    });
    timers.set('hangs', Date.now());
    timers.set('works', Date.now() + 1);
    await vi.advanceTimersByTimeAsync(1);
    const startMs = Date.now();
    while (alarmMs !== null && Date.now() < startMs + 2 * HANDLER_DEAD_MS) {
      await vi.advanceTimersByTimeAsync(Math.max(0, alarmMs - Date.now()));
      const running = timers.run();
      await vi.advanceTimersByTimeAsync(60_000);
      await running;
      expect(fired).toBe(1);
    }
    expect(hung).toBe(2);
    expect(alarmMs).toBeNull();
  });
});
