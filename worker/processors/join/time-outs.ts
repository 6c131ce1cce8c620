// Joins whose time is over: they fire with what has arrived, become dead letters, or are dropped, as was said when they
// opened. Code that fails is tried again after a back-off, with the same events; and what has ended is forgotten.
import { backoffMs } from '../../../shared/backoff.ts';
import { shownKey } from '../../../shared/sandbox/strict-json.ts';
import { type Change, type Lost, NO_CHANGE, type Output } from '../keyed/operator.ts';
import { writeChanges } from './commit.ts';
import type { JoinParts, JoinSizes } from './parts.ts';
import type { DueKind, DueRow, DueRows } from './due-rows.store.ts';
import { fireJoins, type Fired } from './fire.ts';
import { ended, type Join, lastTaken, timeOutError } from './join.ts';
import type { Glance, JoinChange, JoinStore } from './join.store.ts';
import { countOf, type Segment } from './segments.ts';

type Ended = Change & { ended: number };

/** Where a key stands in the rows that were picked. */
interface Picked {
  key: string;
  row: number;
  segment: number;
  place: number;
}

interface Pick {
  rows: DueRow[];
  /** Of each row: so many of its segments are due. */
  dueSegments: number[];
  /** Keys of which it is still true, in the order of the rows. */
  picked: Picked[];
  /** The first one that is left for the next step; null: the rows are used up. */
  left: Picked | null;
}

export class TimeOuts {
  readonly #parts: JoinParts;
  readonly #sizes: JoinSizes;
  readonly #store: JoinStore;
  readonly #rows: DueRows;
  /** Joins in one call: halved when one of them killed the isolate, until it stands alone. */
  #together: number;

  constructor(parts: JoinParts, sizes: JoinSizes, store: JoinStore, rows: DueRows) {
    this.#parts = parts;
    this.#sizes = sizes;
    this.#together = sizes.dueTogether;
    this.#store = store;
    this.#rows = rows;
  }

  async due(nowMs: number, drain: boolean): Promise<Ended | null> {
    const timedOut = await this.#end('timeOut', drain ? null : nowMs, nowMs);
    if (timedOut || drain) return timedOut;
    return (await this.#end('retry', nowMs, nowMs)) ?? this.#forget(nowMs);
  }

  async #end(
    kind: 'timeOut' | 'retry',
    untilMs: number | null,
    nowMs: number,
  ): Promise<Ended | null> {
    for (;;) {
      const pick = this.#pick(kind, untilMs);
      if (pick.rows.length === 0) return null;
      const { joins } = this.#store.read(
        pick.picked.map(({ key }) => key),
        Infinity,
      );
      const due = pick.picked.flatMap(({ key }) => joins.get(key) ?? []);
      const partial = due.filter(({ onTimeout }) => onTimeout === 'emit-partial');
      const fired = await this.#fire(partial);
      if (fired) return this.#change(pick, due, fired, nowMs);
    }
  }

  /** By key. Null: the isolate died, and fewer are to be tried. */
  async #fire(
    joins: readonly Join[],
  ): Promise<{ fired: Map<string, Fired>; log: string[] } | null> {
    const [first] = joins;
    if (!first) return { fired: new Map(), log: [] };
    const { types } = this.#store.record();
    try {
      const { fired, log } = await fireJoins(this.#parts.code, joins, types, first.attempts + 1);
      this.#together = Math.min(this.#sizes.dueTogether, this.#together * 2);
      return { fired: new Map(fired.map((one, i) => [(joins[i] as Join).key, one])), log };
    } catch (thrown) {
      const error = this.#parts.crashOf(thrown);
      if (!error) throw thrown;
      if (joins.length === 1)
        return { fired: new Map([[first.key, { ok: false, error }]]), log: [] };
      this.#together = Math.max(1, joins.length >> 1);
      return null;
    }
  }

  #pick(kind: 'timeOut' | 'retry', untilMs: number | null): Pick {
    const pick: Pick = { rows: [], dueSegments: [], picked: [], left: null };
    let [bytes, partial] = [0, 0];
    let attempts: number | null = null;
    for (const row of this.#rows.due(kind, untilMs)) {
      pick.rows.push(row);
      const later = row.segments.findIndex(
        ([startMs]) => untilMs !== null && this.#rows.atMs(kind, row.lane, startMs) > untilMs,
      );
      const due = later < 0 ? row.segments : row.segments.slice(0, later);
      pick.dueSegments.push(due.length);
      for (const [segment, [startMs, keys]] of due.entries()) {
        const places = new Map(keys.map((key, place) => [key, place]));
        for (const join of this.#still(kind, row.lane, startMs, keys)) {
          const at = {
            key: join.key,
            row: pick.rows.length - 1,
            segment,
            place: places.get(join.key) ?? 0,
          };
          bytes += join.bytes;
          if (join.onTimeout === 'emit-partial') partial++;
          attempts ??= join.attempts;
          const full =
            pick.picked.length === this.#sizes.dueTogether ||
            bytes > this.#sizes.callBytes ||
            partial > this.#together ||
            // One call has one number of attempts.
            attempts !== join.attempts;
          if (full && pick.picked.length > 0) return { ...pick, left: at };
          pick.picked.push(at);
        }
      }
    }
    return pick;
  }

  /** Rows list keys that have fired since, or were opened again. */
  #still(kind: DueKind, lane: number, startMs: number, keys: string[]): Glance[] {
    if (kind === 'timeOut') return this.#store.open(keys, startMs);
    return this.#store
      .glance(keys)
      .filter(({ state, dueMs }) => state === 'retrying' && dueMs === lane);
  }

  #change(
    pick: Pick,
    due: readonly Join[],
    { fired, log }: { fired: ReadonlyMap<string, Fired>; log: string[] },
    nowMs: number,
  ): Ended {
    const record = this.#store.record();
    const { types } = record;
    const tickMs = Math.max(nowMs, record.tickMs + 1);
    const waitMs = this.#waitMs(due[0]?.attempts ?? 0);
    const changes: JoinChange[] = [];
    const outputs: Output[] = [];
    const lost: Lost[] = [];
    const again: string[] = [];
    const lines = [...log];
    let left = pick.left;
    for (const [i, join] of due.entries()) {
      const { key, onTimeout } = join;
      let loses: Lost['error'] | null = null;
      if (onTimeout === 'dead-letter') loses = timeOutError(join, types);
      if (onTimeout === 'emit-partial') {
        const one = fired.get(key);
        if (!one) {
          // Time was used up before this one: it is still due, and all that come after it.
          left = pick.picked[i] ?? null;
          break;
        }
        if (one.ok) {
          const { source, offset } = lastTaken(join);
          for (const text of one.outputs) outputs.push({ source, offset, text });
        } else if (join.attempts + 1 < this.#parts.retry.maxAttempts) {
          const attempts = join.attempts + 1;
          lines.push(
            `the join of ${shownKey(key)} timed out, and the code failed (attempt ${attempts}): ${one.error.message}`,
          );
          again.push(key);
          const after: Join = { ...join, state: 'retrying', dueMs: tickMs + waitMs, attempts };
          changes.push({ key, before: join, after });
          continue;
        } else {
          loses = one.error;
        }
      }
      if (loses) {
        const error = loses;
        const attempts = onTimeout === 'dead-letter' ? 0 : join.attempts + 1;
        join.taken.forEach(({ source, offset }, t) => {
          lost.push({ source, offset, line: join.lines[t] ?? '', error, attempts });
        });
      }
      const after = ended(join, { state: 'timedOut', lost: loses !== null }, tickMs);
      changes.push({ key, before: join, after });
    }
    const timedOut = changes.filter(({ before }) => before?.state === 'waiting').length;
    return {
      write: () => {
        const written = this.#store.record();
        this.#use(written, { ...pick, left });
        writeChanges(this.#store, this.#rows, written, changes, tickMs);
        this.#rows.add(written, 'retry', tickMs + waitMs, tickMs, again);
        this.#store.save(written);
      },
      outputs,
      late: [],
      lost,
      counters: { timedOut },
      log: lines,
      failures: [],
      stoppedAt: null,
      ended: changes.length,
    };
  }

  /** At least a moment, so that no step is due again at once. */
  #waitMs(failuresBefore: number): number {
    const waitMs = backoffMs(this.#parts.retry, failuresBefore, this.#parts.random());
    return Math.max(1, Math.floor(waitMs));
  }

  /** Takes the keys before `left` out of the rows. */
  #use(record: Parameters<DueRows['replace']>[0], { rows, dueSegments, left }: Pick): void {
    rows.forEach((row, r) => {
      if (left && r > left.row) return;
      const rest = row.segments.slice(dueSegments[r]);
      if (left?.row !== r) return this.#rows.replace(record, row, rest);
      const [startMs, keys] = row.segments[left.segment] as Segment;
      const due: Segment[] = [[startMs, keys.slice(left.place)]];
      const others = row.segments.slice(left.segment + 1);
      this.#rows.replace(record, row, [...due, ...others]);
    });
  }

  #forget(nowMs: number): Ended | null {
    const rows: DueRow[] = [];
    let keys = 0;
    for (const row of this.#rows.due('forget', nowMs)) {
      rows.push(row);
      keys += countOf(row.segments);
      if (keys >= this.#sizes.forgetKeys) break;
    }
    if (rows.length === 0) return null;
    return {
      ...NO_CHANGE,
      write: () => {
        const record = this.#store.record();
        for (const row of rows) {
          for (const [endedMs, ofSegment] of row.segments) this.#store.forget(ofSegment, endedMs);
          this.#rows.replace(record, row, []);
        }
        this.#store.save(record);
      },
      ended: 0,
    };
  }
}
