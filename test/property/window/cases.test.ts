// Single cases of event time and of windows that random ones seldom reach.
import { describe, expect, test } from 'vitest';
import type { EventWindow } from '../../../shared/schemas/processor.ts';
import { PANE_BOUNDS } from '../../../worker/processors/window/window-operator.ts';
import { type TestEvent, WindowWorld, type WorldSetting } from './window-world.ts';

const common = { graceMs: 10, idleMs: 100, skewMs: 1_000, time: 'time' };
const tumbling: EventWindow = { type: 'tumbling', sizeMs: 100, ...common };
const session: EventWindow = { type: 'session', gapMs: 50, ...common };

const at = (timeMs: number, more: Partial<TestEvent> = {}): TestEvent => ({
  key: 'k',
  timeMs,
  delayMs: 0,
  fails: 0,
  ...more,
});

function worldOf(window: EventWindow, sources: TestEvent[][], more: Partial<WorldSetting> = {}) {
  return new WindowWorld({
    window,
    adds: true,
    sources,
    retry: { maxAttempts: 2, baseMs: 20, maxMs: 20 },
    bounds: PANE_BOUNDS,
    random: () => 0.5,
    deaths: 0,
    stops: 0,
    throws: 0,
    ...more,
  });
}

/** Appended when the world's clock says so, whatever the event's own time. */
const appendedAt = (world: WindowWorld, event: TestEvent): void => {
  event.delayMs = world.nowMs - event.timeMs;
};

const spans = (world: WindowWorld) =>
  world.fired.map(({ startMs, endMs, count }) => [startMs, endMs, count]);

describe('event time', () => {
  test('waits for a partition that has unread events, however long it does not come', async () => {
    const world = worldOf(tumbling, [[at(10), at(500)], [at(20)]]);
    await world.apply(0, 2);
    await world.pass(1_000_000);
    expect(world.operator.watermarkMs(world.nowMs)).toBeNull();
    expect(world.fired).toEqual([]);
    await world.apply(1, 1);
    await world.pass(1_000_000);
    expect(world.operator.watermarkMs(world.nowMs)).toBe(20);
    // Read to its end, it holds nothing up after a while.
    world.rested(1);
    await world.pass(99);
    expect(world.fired).toEqual([]);
    await world.pass(1);
    expect(spans(world)).toEqual([[0, 100, 2]]);
    expect(world.operator.watermarkMs(world.nowMs)).toBe(500);
  });

  test('does not wait for a partition that has been empty for some time, until something comes', async () => {
    const world = worldOf(tumbling, [[at(10), at(200), at(400)], [at(150)]]);
    // What it will have is not published yet.
    world.operator.rested(1, world.nowMs);
    await world.pass(1_000_000);
    await world.apply(0, 2);
    await world.pass(0);
    expect(spans(world)).toEqual([[0, 100, 1]]);
    await world.apply(1, 1);
    await world.apply(0, 1);
    await world.pass(0);
    // It was not late (200 closes nothing after 190), and holds its own window open.
    expect(world.late).toEqual([]);
    expect(spans(world)).toHaveLength(1);
  });

  test('goes on with the clock when all partitions rest, also after the process ended', async () => {
    const world = worldOf(tumbling, [[at(10)], []]);
    await world.apply(0, 1);
    world.rested(0);
    world.restart();
    await world.pass(50);
    world.rested(1);
    world.restart();
    // 100 ms until all are idle, and from 10 to 110 in event time.
    await world.pass(199);
    expect(world.fired).toEqual([]);
    await world.pass(1);
    expect(spans(world)).toEqual([[0, 100, 1]]);
  });

  test('does not go on while nobody reads', async () => {
    const events = [at(10), at(20)];
    const world = worldOf(tumbling, [events]);
    await world.apply(0, 1);
    world.operator.rested(0, world.nowMs);
    world.restart(true);
    // Something comes while the processor is paused for long.
    await world.pass(0);
    world.nowMs += 50;
    appendedAt(world, events[1] as TestEvent);
    world.nowMs += 1_000_000;
    world.restart(false);
    await world.pass(50);
    expect(world.fired).toEqual([]);
    await world.apply(0, 1);
    expect(world.late).toEqual([]);
    await world.drain();
    expect(spans(world)).toEqual([[0, 100, 2]]);
  });

  test('that went on with the clock is not taken back by what comes then', async () => {
    const events = [at(10), at(20), at(30)];
    const world = worldOf(tumbling, [events]);
    await world.apply(0, 1);
    world.operator.rested(0, world.nowMs);
    await world.pass(250);
    const watermark = world.operator.watermarkMs(world.nowMs);
    expect(watermark).toBe(160);
    appendedAt(world, events[1] as TestEvent);
    appendedAt(world, events[2] as TestEvent);
    await world.apply(0, 1);
    expect(world.operator.watermarkMs(world.nowMs)).toBe(160);
    await world.apply(0, 1);
    expect(world.late.map(({ offset, reason }) => [offset, reason])).toEqual([
      [1, 'closed'],
      [2, 'closed'],
    ]);
  });

  test('stands still while events of the only partition wait for another try', async () => {
    const events = [at(10), at(20, { fails: 1 })];
    const world = worldOf(tumbling, [events]);
    await world.apply(0, 1);
    world.operator.rested(0, world.nowMs);
    await world.pass(50);
    appendedAt(world, events[1] as TestEvent);
    await world.apply(0, 1);
    expect(world.applied).toEqual([1]);
    await world.pass(1_000_000);
    expect(world.fired).toEqual([]);
    await world.apply(0, 1);
    expect(world.applied).toEqual([2]);
    await world.drain();
    expect(spans(world)).toEqual([[0, 100, 2]]);
  });

  test('is not moved by events from the future', async () => {
    const world = worldOf(tumbling, [[at(10), at(90_000, { delayMs: -1_001 }), at(20)]]);
    await world.apply(0, 2);
    expect(world.operator.watermarkMs(world.nowMs)).toBe(10);
    await world.apply(0, 1);
    expect(world.late.map(({ offset, reason }) => [offset, reason])).toEqual([[1, 'future']]);
    await world.drain();
    expect(spans(world)).toEqual([[0, 100, 2]]);
  });
});

describe('a session', () => {
  test('takes an event at its very end that is as late as the grace allows', async () => {
    const world = worldOf(session, [[at(0), at(60, { key: 'other' }), at(50)]]);
    await world.apply(0, 2);
    await world.pass(0);
    await world.apply(0, 1);
    await world.drain();
    const own = world.fired.filter(({ key }) => key === 'k');
    expect(own).toEqual([{ key: 'k', startMs: 0, endMs: 100, count: 2, events: ['0:0', '0:2'] }]);
  });

  test('that is over is not replaced by one that would begin with it', async () => {
    // 61 closes the first session; 45 makes one of its own, and with it 0 would begin where the first did.
    const world = worldOf(session, [[at(0), at(61, { key: 'other' }), at(45), at(0), at(5)]]);
    await world.apply(0, 2);
    await world.apply(0, 3);
    expect(world.late.map(({ offset }) => offset)).toEqual([3]);
    await world.drain();
    const own = world.fired.filter(({ key }) => key === 'k');
    expect(own.map(({ events }) => events)).toEqual([['0:0'], ['0:4', '0:2'].toSorted()]);
  });

  test('that goes on is looked up when it might have ended, and closes when it has', async () => {
    const world = worldOf(session, [[at(0), at(40), at(80), at(120), at(200), at(500)]]);
    for (let i = 0; i < 4; i++) {
      await world.apply(0, 1);
      await world.pass(0);
    }
    expect(world.fired).toEqual([]);
    expect(world.rows('ends')).toBe(1);
    await world.apply(0, 1);
    await world.pass(0);
    expect(spans(world)).toEqual([[0, 170, 4]]);
  });

  test('that cannot be made one with another fails the event that would do it, and no other', async () => {
    const many = (from: number) => Array.from({ length: 30 }, (_, i) => at(from + i));
    // 200 goes on with the first session, 250 would make one of both: together they are too much for one step.
    const events = [...many(0), ...many(300), at(70), at(120), at(165), at(200), at(250)];
    const window: EventWindow = { ...session, graceMs: 1_000 };
    const bounds = { ...PANE_BOUNDS, callBytes: 400 };
    const world = worldOf(window, [events], { bounds });
    for (let calls = 0; world.left(0) > 0 && calls < 100; calls++) await world.apply(0, 3);
    expect([...world.dead]).toEqual(['0:64']);
    await world.drain();
    expect(world.fired.map(({ count }) => count)).toEqual([34, 30]);
  });
});

describe('closing', () => {
  test('that fails is tried again after a back-off, and given up', async () => {
    const world = worldOf(tumbling, [[at(10), at(20), at(500)]], { throws: 1, random: () => 0.9 });
    await world.apply(0, 3);
    expect(await world.due(false)).toBe(0);
    expect(world.rows('retries')).toBe(1);
    expect(world.operator.dueAtMs()).toBe(world.nowMs + 18);
    world.restart();
    await world.pass(18);
    // With `add` the state is gone, and the last event says so.
    expect(world.lost).toMatchObject([
      { source: 0, offset: 1, attempts: 2, error: { code: 'program_threw' } },
    ]);
    expect(world.lost[0]?.error.message).toContain(
      'the window of "k" from 1970-01-01T00:00:00.000Z to 1970-01-01T00:00:00.100Z',
    );
    expect(world.lost[0]?.line).toContain('"id":"0:1"');
    expect(world.rows('retries')).toBe(0);
    expect(world.operator.keys()).toBe(1);
  });

  test('finds the window that kills the isolate, and closes the others', async () => {
    const sources = [[...Array.from({ length: 9 }, (_, i) => at(i, { key: `k${i}` })), at(900)]];
    const world = worldOf(tumbling, sources, { kills: ['k5'] });
    await world.apply(0, 10);
    await world.pass(1_000);
    expect(world.fired.map(({ key }) => key).toSorted()).toEqual(
      [0, 1, 2, 3, 4, 6, 7, 8].map((i) => `k${i}`),
    );
    expect(world.lost.map(({ offset, error }) => [offset, error.code])).toEqual([[5, 'deadline']]);
  });

  test('comes first when too many windows wait for it', async () => {
    const events = Array.from({ length: 40 }, (_, i) => at(i * 100, { key: `k${i % 2}` }));
    const bounds = { ...PANE_BOUNDS, due: 4, together: 2 };
    const world = worldOf(tumbling, [events], { bounds });
    let most = 0;
    while (world.left(0) > 0) {
      await world.apply(0, 5);
      most = Math.max(most, world.operator.keys());
    }
    expect(most).toBeLessThan(25);
    await world.drain();
    expect(world.fired).toHaveLength(40);
  });
});

describe('open windows', () => {
  test('are listed by their end, page after page, though their rows overlap', async () => {
    const times = Array.from({ length: 60 }, (_, i) => ((i * 37) % 60) * 1_000 - 20_000);
    const sources = [times.map((ms, i) => at(ms, { key: `k${i}` }))];
    const window: EventWindow = { ...session, graceMs: 1_000_000 };
    const world = worldOf(window, sources);
    while (world.left(0) > 0) await world.apply(0, 7);
    const starts: string[] = [];
    for (let after: string | null = null; ;) {
      const page = world.operator.windows(after, 13);
      expect(page.items.length).toBeLessThanOrEqual(13);
      starts.push(...page.items.map(({ item }) => item.start));
      if (!page.more) break;
      after = page.after ?? null;
    }
    const sorted = times.toSorted((a, b) => a - b).map((ms) => new Date(ms).toISOString());
    expect(starts).toEqual(sorted);
    expect(world.operator.windowsOf('k0')).toMatchObject([{ events: 1, state: ['0:0'] }]);
  });
});
