// How much a volunteer holds, how often a lobby asks, and how fast everybody is.
import { describe, expect, test } from 'vitest';
import { FRAMES_PER_SECOND_MAX, GRANT_AIM_MS, GRANT_MAX_TASKS } from '../../../shared/limits.ts';
import {
  FrameBudget,
  shouldAsk,
  smoothedMs,
  targetLeases,
} from '../../../worker/volunteers/grants.ts';
import { TaskRate } from '../../../worker/volunteers/task-rate.ts';
import { Connected, type Identity } from '../../../worker/volunteers/volunteers.ts';

describe('a volunteer should hold', () => {
  test('one task running and one waiting a worker, while its speed is unknown or tasks are long', () => {
    expect(targetLeases(4, null)).toBe(8);
    expect(targetLeases(4, 60_000)).toBe(8);
  });

  test('some seconds of short tasks, and never more than a grant may have', () => {
    expect(targetLeases(1, GRANT_AIM_MS / 10)).toBe(11);
    expect(targetLeases(8, 0)).toBe(GRANT_MAX_TASKS);
    expect(targetLeases(1, 0.001)).toBe(GRANT_MAX_TASKS);
  });

  test('nothing without workers', () => {
    expect(targetLeases(0, 5)).toBe(0);
    expect(targetLeases(-1, null)).toBe(0);
  });

  test('never fewer when its tasks become shorter, whatever its workers', () => {
    for (let slots = 1; slots < 70; slots += 7) {
      let before = 0;
      for (const ms of [100_000, 3000, 1500, 400, 20, 1, 0]) {
        const target = targetLeases(slots, ms);
        expect(target).toBeGreaterThanOrEqual(
          Math.max(before, Math.min(GRANT_MAX_TASKS, slots * 2)),
        );
        before = target;
      }
    }
  });
});

test('a lobby asks when half is used up', () => {
  expect([10, 6, 5, 1, 0].map((held) => shouldAsk(held, 10))).toEqual([
    false,
    false,
    true,
    true,
    true,
  ]);
});

test('a smoothed time moves toward what is measured, and begins with it', () => {
  expect(smoothedMs(null, 100)).toBe(100);
  let ms = 100;
  for (let i = 0; i < 40; i++) {
    const next = smoothedMs(ms, 1000);
    expect(next).toBeGreaterThan(ms);
    ms = next;
  }
  expect(ms).toBeGreaterThan(990);
  expect(ms).toBeLessThan(1000);
});

describe('a frame budget', () => {
  test('lets a burst through and then so many a second', () => {
    const budget = new FrameBudget(10, 0);
    const spend = (nowMs: number, times: number) =>
      Array.from({ length: times }, () => budget.spend(nowMs)).filter(Boolean).length;
    expect(spend(0, 50)).toBe(20);
    expect(spend(500, 50)).toBe(5);
    expect(spend(600, 50)).toBe(1);
    expect(spend(1_000_000, 50)).toBe(20);
  });

  test('is not spent by a clock that goes back', () => {
    const budget = new FrameBudget(10, 10_000);
    expect(budget.spend(0)).toBe(true);
    expect(budget.spend(0)).toBe(true);
  });
});

test('the task rate is a mean over the last ten seconds, and forgets', () => {
  const rate = new TaskRate();
  expect(rate.perSecond(0)).toBe(0);
  for (let second = 0; second < 30; second++) rate.add(second * 1000, 5);
  expect(rate.perSecond(29_999)).toBe(5);
  expect(rate.perSecond(34_000)).toBe(2.5);
  expect(rate.perSecond(60_000)).toBe(0);
});

describe('a connected volunteer', () => {
  const identity = (): Identity => ({
    id: 'volunteer-1',
    secret: 's',
    name: 'Ann',
    cores: 4,
    slots: 2,
    state: 'lending',
    network: 'n',
    tasks: 0,
    bytes: 0,
    streak: 0,
    valid: 0,
    invalid: 0,
  });

  test('holds what it was granted of all its jobs, until they are forgotten', () => {
    const connected = new Connected(identity(), 0);
    connected.leases.set('a', new Set(['1', '2']));
    connected.leases.set('b', new Set(['3']));
    connected.asking = 'a';
    expect(connected.held).toBe(3);
    expect(connected.shown().state).toBe('working');
    expect(connected.forget('a')).toEqual(['1', '2']);
    expect(connected.forget('a')).toEqual([]);
    expect(connected.asking).toBeNull();
    expect(connected.held).toBe(1);
  });

  test("is sized by how fast each job's tasks are, and anew once a job is forgotten", () => {
    const connected = new Connected(identity(), 0);
    expect(connected.target('a')).toBe(4);
    connected.took('a', GRANT_AIM_MS / 100);
    expect(connected.target('a')).toBe(202);
    expect(connected.target('b')).toBe(4);
    connected.forget('a');
    expect(connected.target('a')).toBe(4);
  });

  test('lends only when it says so, and shows no secret', () => {
    const connected = new Connected(identity(), 0);
    expect(connected.lending).toBe(true);
    expect(connected.shown()).not.toHaveProperty('secret');
    connected.identity.state = 'snoozed';
    expect(connected.lending).toBe(false);
    expect(connected.shown().state).toBe('snoozed');
    connected.identity.state = 'lending';
    connected.identity.slots = 0;
    expect(connected.lending).toBe(false);
  });

  test('may speak so often a second', () => {
    const connected = new Connected(identity(), 0);
    let heard = 0;
    while (connected.budget.spend(0)) heard++;
    expect(heard).toBe(2 * FRAMES_PER_SECOND_MAX);
  });
});
