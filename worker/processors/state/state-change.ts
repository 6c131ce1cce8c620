// What the code's new states mean for the rows: which are written, which go, and what the totals are then. Pure.
//
// A time to live runs from a key's last write. What `ctx.expire` said is a property of the key: it holds for later
// writes as well, until it is said anew or the key is forgotten, so that it does not matter where batches end.
import { STATE_SWEEP_MAX_MS, STATE_SWEEP_MIN_MS } from '../../../shared/limits.ts';
import { utf8Length } from '../../../shared/sandbox/strict-json.ts';
import type { FoldOutcome } from '../../../shared/streaming/process.ts';
import { type Held, isOver, type Totals } from './states.ts';

export interface StateChange {
  puts: Held[];
  drops: string[];
  totals: Totals;
  /** Keys whose time was over before they were written again. */
  forgotten: number;
}

/** A sweep begins this share of a time to live after the first state's time is over. */
const SWEEP_SHARE = 8;

export const sweepSlackMs = (ttlMs: number): number =>
  Math.min(STATE_SWEEP_MAX_MS, Math.max(STATE_SWEEP_MIN_MS, Math.ceil(ttlMs / SWEEP_SHARE)));

/** `held`: the rows of all keys that are in `changed`, as far as there are any. */
export function changeStates(
  held: ReadonlyMap<string, Held>,
  changed: FoldOutcome['changed'],
  ttlMs: number | null,
  before: Totals,
  nowMs: number,
): StateChange {
  const totals = { ...before };
  const change: StateChange = { puts: [], drops: [], totals, forgotten: 0 };
  for (const { key, state, ttlMs: said } of changed) {
    const old = held.get(key);
    const over = old !== undefined && isOver(old, nowMs);
    if (state === null) {
      if (!old) continue;
      change.drops.push(key);
    } else {
      const ownTtlMs = said === 0 ? null : (said ?? (over ? null : (old?.ttlMs ?? null)));
      const livesMs = ownTtlMs ?? ttlMs;
      const expiresMs = livesMs === null ? null : nowMs + Math.ceil(livesMs);
      // The same again, and no clock that would have to be wound: a row costs money.
      if (old?.state === state && old.expiresMs === null && expiresMs === null) continue;
      const bytes = utf8Length(state);
      change.puts.push({ key, state, bytes, expiresMs, ttlMs: ownTtlMs });
      totals.keys++;
      totals.bytes += bytes;
      if (livesMs !== null && expiresMs !== null) {
        totals.expiring++;
        totals.sweepAtMs = Math.min(
          totals.sweepAtMs ?? Infinity,
          expiresMs + sweepSlackMs(livesMs),
        );
      }
    }
    if (old) {
      totals.keys--;
      totals.bytes -= old.bytes;
      if (old.expiresMs !== null) totals.expiring--;
      if (over) change.forgotten++;
    }
  }
  if (totals.expiring === 0) totals.sweepAtMs = null;
  return change;
}
