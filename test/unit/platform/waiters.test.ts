// Live readers that wait in one object: as many as may, each for its time, and the others know that it is full.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EventLog } from '../../../worker/platform/event-log.store.ts';
import { Waiters } from '../../../worker/platform/waiters.ts';
import { WAITERS_MAX } from '../../../shared/limits.ts';

describe('waiters', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('are woken together, or end with their time', async () => {
    const waiters = new Waiters(10);
    const late = waiters.wait(100);
    await vi.advanceTimersByTimeAsync(100);
    expect(await late).toBe('late');
    const woken = [waiters.wait(1_000), waiters.wait(2_000)];
    waiters.wake();
    expect(await Promise.all(woken)).toEqual(['woken', 'woken']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are so many at most, and a place that is free again is taken', async () => {
    const waiters = new Waiters(2);
    const first = waiters.wait(100);
    void waiters.wait(1_000);
    expect(await waiters.wait(1_000)).toBe('full');
    await vi.advanceTimersByTimeAsync(100);
    expect(await first).toBe('late');
    const next = waiters.wait(1_000);
    waiters.wake();
    expect(await next).toBe('woken');
  });

  it('for the events of one job are bounded', async () => {
    const log = new EventLog({ addEvent: () => undefined, eventsAfter: () => [] });
    const isOver = () => false;
    for (let i = 0; i < WAITERS_MAX; i++) void log.next(0, 100, 60_000, isOver);
    expect(await log.next(0, 100, 60_000, isOver)).toEqual({
      events: [],
      ended: false,
      full: true,
    });
    expect(vi.getTimerCount()).toBe(WAITERS_MAX);
  });
});
