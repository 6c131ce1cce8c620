// What a lending tab says of itself, and what it tells the lobby.
import { describe, expect, test } from 'vitest';
import { backoffMs } from '../../../shared/backoff.ts';
import { pauseReason } from '../../../web/volunteer/conditions.ts';
import { cleanName, defaultName } from '../../../web/volunteer/identity.ts';
import {
  capacityOf,
  type LendingFacts,
  lendingStatus,
} from '../../../web/volunteer/lending-status.ts';

const LENDING: LendingFacts = {
  wanted: true,
  refusal: '',
  finishing: false,
  snoozedUntilMs: null,
  pauseReason: '',
  connected: true,
  lobbyReason: '',
};

describe('the status', () => {
  test('is lending, with the reason of the lobby when nothing runs', () => {
    expect(lendingStatus(LENDING)).toEqual({ status: 'lending', why: '' });
    expect(lendingStatus({ ...LENDING, lobbyReason: 'no job runs' })).toEqual({
      status: 'lending',
      why: 'no job runs',
    });
  });

  test('says why nothing runs in every other state', () => {
    const statusOf = (facts: Partial<LendingFacts>) => lendingStatus({ ...LENDING, ...facts });
    expect(statusOf({ connected: false })).toEqual({ status: 'connecting', why: 'connecting' });
    expect(statusOf({ connected: false, lobbyReason: 'lost' }).why).toBe('lost');
    expect(statusOf({ pauseReason: 'on battery' })).toEqual({
      status: 'paused',
      why: 'on battery',
    });
    expect(statusOf({ snoozedUntilMs: 1, pauseReason: 'on battery' }).status).toBe('snoozed');
    expect(statusOf({ finishing: true, snoozedUntilMs: 1 }).status).toBe('finishing');
    expect(statusOf({ wanted: false, refusal: 'too old' })).toEqual({
      status: 'refused',
      why: 'too old',
    });
    expect(statusOf({ wanted: false }).status).toBe('off');
  });
});

describe('the capacity', () => {
  test('is the cores lent, and none while snoozed, paused or finishing', () => {
    expect(capacityOf(LENDING, 3)).toEqual({ slots: 3, state: 'lending' });
    const snoozed = { slots: 0, state: 'snoozed' };
    expect(capacityOf({ ...LENDING, snoozedUntilMs: 1 }, 3)).toEqual(snoozed);
    expect(capacityOf({ ...LENDING, pauseReason: 'on battery' }, 3)).toEqual(snoozed);
    expect(capacityOf({ ...LENDING, finishing: true }, 3)).toEqual({
      slots: 0,
      state: 'finishing',
    });
  });
});

describe("the person's rules", () => {
  const rules = { pauseOnBattery: true, pauseOnMetered: true };

  test('pause on battery and on metered data', () => {
    expect(pauseReason({ onBattery: true, metered: false }, rules)).toBe('on battery');
    expect(pauseReason({ onBattery: false, metered: true }, rules)).toBe('metered connection');
    expect(pauseReason({ onBattery: false, metered: false }, rules)).toBe('');
  });

  test('can be switched off', () => {
    const both = { onBattery: true, metered: true };
    expect(pauseReason(both, { ...rules, pauseOnBattery: false })).toBe('metered connection');
    expect(pauseReason(both, { pauseOnBattery: false, pauseOnMetered: false })).toBe('');
  });
});

test('back-off doubles up to its limit, with full jitter', () => {
  const backoff = { baseMs: 1_000, maxMs: 30_000 };
  expect([0, 1, 2, 10, 5_000].map((failures) => backoffMs(backoff, failures, 1))).toEqual([
    1_000, 2_000, 4_000, 30_000, 30_000,
  ]);
  expect(backoffMs(backoff, 2, 0)).toBe(0);
  expect(backoffMs(backoff, 2, 0.5)).toBe(2_000);
});

test("a tab's name tells the browser and the system", () => {
  const chrome =
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36';
  const safari =
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604.1';
  expect(defaultName(chrome)).toBe('Chrome on Linux');
  expect(defaultName(safari)).toBe('Safari on iOS');
  expect(defaultName('')).toBe('Browser');
});

test('a name is trimmed and bounded; an empty one is none', () => {
  expect(cleanName('  Ada ')).toBe('Ada');
  expect(cleanName('   ')).toBeNull();
  expect(cleanName('x'.repeat(500))).toHaveLength(128);
});
