// States in a map, with the totals that the object keeps in a row; and a count of them that is made anew, to compare.
import { compareKeys } from '../../../shared/mapreduce/order.ts';
import {
  type Held,
  isOver,
  NO_TOTALS,
  type Slice,
  type States,
  type Totals,
} from '../../../worker/processors/state/states.ts';

interface Row extends Held {
  changedMs: number;
}

export class MapStates implements States {
  rows = new Map<string, Row>();
  #totals: Totals = { ...NO_TOTALS };
  /** Rows written or deleted. */
  written = 0;

  totals(): Totals {
    return { ...this.#totals };
  }

  *read(keys: string[]): Iterable<Held> {
    for (const key of keys) {
      const row = this.rows.get(key);
      if (row) yield { ...row };
    }
  }

  look(after: string | null, limit: number, nowMs: number): Slice {
    const rows = this.#between(after, null).slice(0, limit);
    const dead = rows.filter((row) => isOver(row, nowMs));
    const living = rows.filter((row) => row.expiresMs !== null && !isOver(row, nowMs));
    const least = (numbers: number[]) => (numbers.length === 0 ? null : Math.min(...numbers));
    return {
      keys: rows.length,
      last: rows.at(-1)?.key ?? null,
      dead: dead.length,
      deadBytes: dead.reduce((sum, { bytes }) => sum + bytes, 0),
      nextExpiryMs: least(living.map(({ expiresMs }) => expiresMs ?? 0)),
      shortestMs: least(living.map(({ expiresMs, changedMs }) => (expiresMs ?? 0) - changedMs)),
    };
  }

  write(puts: Held[], drops: string[], totals: Totals, nowMs: number): void {
    for (const put of puts) this.rows.set(put.key, { ...put, changedMs: nowMs });
    for (const key of drops) this.rows.delete(key);
    this.written += puts.length + drops.length + 1;
    this.#totals = { ...totals };
  }

  sweep(after: string | null, last: string, totals: Totals, nowMs: number): void {
    for (const row of this.#between(after, last)) {
      if (isOver(row, nowMs)) this.rows.delete(row.key);
    }
    this.#totals = { ...totals };
  }

  counted(): Omit<Totals, 'sweepAtMs'> {
    const rows = [...this.rows.values()];
    return {
      keys: rows.length,
      bytes: rows.reduce((sum, { state }) => sum + new TextEncoder().encode(state).length, 0),
      expiring: rows.filter(({ expiresMs }) => expiresMs !== null).length,
    };
  }

  #between(after: string | null, last: string | null): Row[] {
    return [...this.rows.values()]
      .filter(({ key }) => after === null || compareKeys(key, after) > 0)
      .filter(({ key }) => last === null || compareKeys(key, last) <= 0)
      .toSorted((a, b) => compareKeys(a.key, b.key));
  }
}
