// Where a consumer is in its partition, and what a failure does to that: try again after a back-off, bisect,
// give up on one event, or wait for what is not the events' fault. Values in, values out.
import { backoffMs } from '../../../shared/backoff.ts';
import { BLOCKED_MAX_MS } from '../../../shared/limits.ts';
import type { RetrySpec } from '../../../shared/schemas/processor.ts';

export interface Place {
  /** Everything before has its effect, or is a dead letter. */
  committed: number;
  /** While a batch is tried again, or bisected: no more than up to here (not included). */
  to: number | null;
  /** While bisecting: [committed, suspectTo) killed its isolate. */
  suspectTo: number | null;
  /** How often every event of [committed, to) has been tried. */
  attempts: number;
  notBeforeMs: number;
  /** Why it waits; null when it just works. */
  waits: { kind: 'retry' | 'blocked'; times: number; reason: string } | null;
}

export interface Verdict {
  place: Place;
  /** Offsets that are given up on. */
  dead: number[];
  /** The range, or a part of it, is run again. */
  again: boolean;
}

export const placeAt = (committed: number): Place => ({
  committed,
  to: null,
  suspectTo: null,
  attempts: 0,
  notBeforeMs: 0,
  waits: null,
});

/** What comes next is the last attempt. */
export const isFinal = ({ attempts }: Place, { maxAttempts }: RetrySpec): boolean =>
  attempts + 1 >= maxAttempts;

/** The shortest wait for what is blocked, whatever the specification says. */
const BLOCKED_BASE_MS = 500;

/**
 * The batch [committed, to) was run. `failures` are offsets, rising. Effects are there for all events before the
 * first failure, or, when `final`, for all that did not fail.
 */
export function afterRun(
  place: Place,
  ran: { to: number; failures: number[]; final: boolean; reason: string },
  retry: RetrySpec,
  nowMs: number,
  random: number,
): Verdict {
  const first = ran.failures[0];
  if (first === undefined || ran.final) {
    return { place: movedTo(place, ran.to), dead: ran.failures, again: false };
  }
  // All of the batch was run, so each of its events has been tried as often as the range.
  const attempts = place.attempts + 1;
  const waits = { kind: 'retry' as const, times: attempts, reason: ran.reason };
  const notBeforeMs = nowMs + Math.floor(backoffMs(retry, place.attempts, random));
  const suspectTo = place.suspectTo !== null && place.suspectTo > ran.to ? place.suspectTo : null;
  return {
    place: { committed: first, to: ran.to, suspectTo, attempts, notBeforeMs, waits },
    dead: [],
    again: true,
  };
}

/** The isolate died while it ran [committed, to), and it is unknown which event killed it. */
export function afterCrash(
  place: Place,
  crash: { to: number; reason: string },
  retry: RetrySpec,
  nowMs: number,
  random: number,
): Verdict {
  const { committed } = place;
  const events = crash.to - committed;
  if (events > 1) {
    const to = committed + Math.floor(events / 2);
    const halved = { ...place, to, suspectTo: crash.to, notBeforeMs: 0, waits: null };
    return { place: halved, dead: [], again: true };
  }
  if (isFinal(place, retry)) {
    return { place: movedTo(place, crash.to), dead: [committed], again: false };
  }
  const attempts = place.attempts + 1;
  const waits = { kind: 'retry' as const, times: attempts, reason: crash.reason };
  const notBeforeMs = nowMs + Math.floor(backoffMs(retry, place.attempts, random));
  return {
    place: { ...place, to: crash.to, attempts, notBeforeMs, waits },
    dead: [],
    again: true,
  };
}

/** Not the events' fault: no attempt is counted, and there is no last one. */
export function afterBlock(
  place: Place,
  reason: string,
  retry: RetrySpec,
  nowMs: number,
  random: number,
): Place {
  const times = place.waits?.kind === 'blocked' ? place.waits.times + 1 : 1;
  const longest = Math.max(BLOCKED_BASE_MS, Math.min(retry.maxMs, BLOCKED_MAX_MS));
  const base = Math.max(BLOCKED_BASE_MS, retry.baseMs);
  const delayMs = Math.min(longest, base * 2 ** Math.min(times - 1, 30));
  // Half of it for sure: whatever is blocked for everybody should not be asked by everybody all the time.
  const notBeforeMs = nowMs + Math.ceil(delayMs / 2 + (delayMs / 2) * random);
  return { ...place, notBeforeMs, waits: { kind: 'blocked', times, reason } };
}

/** What it waited for has come. */
export const unblocked = (place: Place): Place => ({ ...place, notBeforeMs: 0, waits: null });

/** Everything before `to` is settled. The other half of what crashed is bisected on; else the bound is lifted. */
export function movedTo({ suspectTo }: Place, to: number): Place {
  const place = placeAt(to);
  if (suspectTo === null || suspectTo <= to) return place;
  const half = Math.max(1, Math.floor((suspectTo - to) / 2));
  return { ...place, to: to + half, suspectTo };
}
