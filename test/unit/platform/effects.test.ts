// Effects by a clock of their own: what hangs is given up and done again, and does not hold up the others.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CONNECTIONS_MAX, EFFECT_TIMEOUT_MS } from '../../../shared/limits.ts';
import { Effects } from '../../../worker/platform/effects.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));

function effectsAt(clock: { nowMs: number }): Effects {
  const effects: Effects = new Effects({
    nowMs: () => clock.nowMs,
    random: () => 0.5,
    later: () => undefined,
    ended: () => effects.begin(clock.nowMs),
  });
  return effects;
}

describe('effects', () => {
  beforeEach(() => void vi.spyOn(console, 'error').mockImplementation(() => undefined));
  afterEach(() => vi.restoreAllMocks());

  it('that hang are given up, so that others run, and are done again', async () => {
    const clock = { nowMs: 0 };
    const effects = effectsAt(clock);
    const begun: string[] = [];
    let hang = true;
    for (let i = 0; i < CONNECTIONS_MAX; i++) {
      effects.add(`hangs ${i}`, 0, async () => {
        begun.push(`hangs ${i}`);
        if (hang) await new Promise(() => undefined);
        return null;
      });
    }
    effects.add('works', 0, async () => {
      begun.push('works');
      return null;
    });
    effects.begin(clock.nowMs);
    await settle();
    expect(begun).not.toContain('works');
    hang = false;
    while (effects.size > 0) {
      const nextMs = effects.nextMs() ?? Infinity;
      expect(nextMs).toBeLessThan(2 * EFFECT_TIMEOUT_MS);
      clock.nowMs = nextMs;
      effects.begin(clock.nowMs);
      await settle();
    }
    expect(begun.filter((name) => name === 'works')).toHaveLength(1);
    for (let i = 0; i < CONNECTIONS_MAX; i++) {
      expect(begun.filter((name) => name === `hangs ${i}`)).toHaveLength(2);
    }
  });

  it('that were given up and end at last change nothing', async () => {
    const clock = { nowMs: 0 };
    const effects = effectsAt(clock);
    const ends: (() => void)[] = [];
    effects.add('slow', 0, () => new Promise((resolve) => ends.push(() => resolve(null))));
    effects.begin(0);
    await settle();
    clock.nowMs = EFFECT_TIMEOUT_MS + 1_000;
    effects.begin(EFFECT_TIMEOUT_MS);
    clock.nowMs = effects.nextMs() ?? 0;
    effects.begin(clock.nowMs);
    await settle();
    ends[0]?.();
    await settle();
    expect(effects.has('slow')).toBe(true);
    ends[1]?.();
    await settle();
    expect(effects.has('slow')).toBe(false);
  });

  it('that fail many times are logged the first and the last time', async () => {
    const clock = { nowMs: 0 };
    const effects = effectsAt(clock);
    let tries = 0;
    effects.add('fails', 0, async () => {
      if (++tries < 6) throw new Error(`try ${tries}`);
      return null;
    });
    while (effects.size > 0) {
      clock.nowMs = effects.nextMs() ?? 0;
      effects.begin(clock.nowMs);
      await settle();
    }
    const logged = vi.mocked(console.error).mock.calls.map((call) => String(call[1]));
    expect(logged).toEqual(['Error: try 1', 'Error: try 5']);
  });
});
