// What a window processor's shard does with events: puts each into its windows, lets event time go on, and closes what
// the watermark has passed. An event is counted in its windows or is late, whatever happens: lateness is decided by
// the watermark as it was before the batch, and a window that the watermark has passed takes nothing any more, also
// while it waits to be closed.
import {
  DUE_TOGETHER,
  EVENT_WINDOW_CALL_MAX_BYTES,
  EVENT_WINDOW_LINES_MAX,
  EVENT_WINDOWS_DUE_MAX,
} from '../../../shared/limits.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { OpenEventWindow, RetrySpec } from '../../../shared/schemas/processor.ts';
import {
  type Arrivals,
  type Change,
  type KeyedCode,
  NO_CHANGE,
  type Operator,
} from '../keyed/operator.ts';
import { type Closed, Closing } from './closing.ts';
import { Intake, type Intaken } from './intake.ts';
import {
  closedUntilMs,
  closesAfterMs,
  type NewWindow,
  type KeyWindow,
  type WindowRules,
  windowName,
} from './window.ts';
import { type OpenWindowsPage, windowsOfKey, windowsPage } from './open-windows.ts';
import type { End, WindowStore } from './window.store.ts';
import type { PlannedWindow } from './plan.ts';
import {
  came,
  type EventClock,
  reachesAtMs,
  rested,
  roused,
  watermarkAt,
  withSources,
  withWatermark,
} from './watermark.ts';

export interface WindowBounds {
  callBytes: number;
  lines: number;
  /** Windows that may wait to be closed before events have to wait, too. */
  due: number;
  together: number;
}

export const PANE_BOUNDS: WindowBounds = {
  callBytes: EVENT_WINDOW_CALL_MAX_BYTES,
  lines: EVENT_WINDOW_LINES_MAX,
  due: EVENT_WINDOWS_DUE_MAX,
  together: DUE_TOGETHER,
};

export interface WindowSetting extends WindowRules {
  retry: RetrySpec;
  /** How many partitions it has. */
  sources: number;
  paused: boolean;
  nowMs(): number;
  random(): number;
  /** What killed the isolate; null: it was nothing that the code did. */
  crashOf(error: unknown): TaskError | null;
  bounds?: WindowBounds;
}

export class WindowOperator implements Operator {
  readonly #store: WindowStore;
  readonly #setting: WindowSetting;
  readonly #bounds: WindowBounds;
  readonly #intake: Intake;
  readonly #closing: Closing;

  constructor(store: WindowStore, code: KeyedCode, setting: WindowSetting) {
    this.#store = store;
    this.#setting = setting;
    this.#bounds = setting.bounds ?? PANE_BOUNDS;
    this.#intake = new Intake(store, code, setting, this.#bounds);
    this.#closing = new Closing(store, code, setting, this.#bounds);
    this.#minded(setting);
  }

  /** When the shard goes on after a time without reading, sources that rested may have events by now. */
  #minded({ paused, nowMs }: WindowSetting): void {
    const { record } = this.#store;
    if (record.paused === paused) return;
    const clock = paused ? record.clock : roused(this.#clock, nowMs());
    this.#store.save({ clock, paused });
  }

  get #clock(): EventClock {
    return withSources(this.#store.record.clock, this.#setting.sources);
  }

  #watermarkAt(nowMs: number): number | null {
    return watermarkAt(this.#clock, nowMs, this.#setting.window.idleMs);
  }

  // --- Events -------------------------------------------------------------------------------------------

  async apply(arrivals: Arrivals): Promise<Change> {
    const before = this.#watermarkBefore(arrivals);
    try {
      const change = await this.#apply(arrivals, before);
      if (change.failures.length > 0 && !arrivals.final) this.#wake(arrivals);
      return change;
    } catch (error) {
      this.#wake(arrivals);
      throw error;
    }
  }

  /** The partition surely rested until its next event came, however long ago that was. */
  #watermarkBefore({ events, redrive, nowMs }: Arrivals): number | null {
    if (events.length === 0) return this.#clock.watermarkMs;
    const untilMs = redrive ? nowMs : Math.min(nowMs, events[0]?.appendedMs ?? nowMs);
    return this.#watermarkAt(untilMs);
  }

  /** A partition whose events wait to be tried again does not rest. */
  #wake({ source, redrive }: Arrivals): void {
    const clock = this.#clock;
    if (redrive || clock.sources[source]?.restedAtMs === null) return;
    this.#store.save({ clock: came(clock, source, null) });
  }

  async #apply(arrivals: Arrivals, before: number | null): Promise<Change> {
    const { window } = this.#setting;
    const closedUntil = closedUntilMs(window, before);
    // What is due is closed in steps of its own, unless it is so much that events have to wait for it.
    const crowded = this.#store.endingBy(closedUntil) > this.#bounds.due;
    const closing = crowded ? await this.#closing.step(arrivals.nowMs, closedUntil) : null;
    const lines = crowded
      ? Math.min(this.#bounds.together, this.#bounds.lines)
      : this.#bounds.lines;
    const taken = await this.#intake.take(arrivals, closedUntil, lines);
    if (taken.failures.length > 0 && !arrivals.final) {
      return { ...NO_CHANGE, failures: taken.failures.slice(0, 1), log: taken.log };
    }
    return both(closing, this.#change(arrivals, before, taken));
  }

  #change(
    { source, redrive, clock: told }: Arrivals,
    before: number | null,
    { keyWindows, planned, late, failures, stoppedAt, log }: Intaken,
  ): Change {
    return {
      ...NO_CHANGE,
      late,
      failures,
      stoppedAt,
      log,
      write: () => {
        // Of the batch's time nothing counts before all of the batch is in.
        const maxTimeMs = stoppedAt === null ? (told?.maxTimeMs ?? null) : null;
        const clock = withWatermark(this.#clock, before);
        this.#write(keyWindows, planned);
        this.#store.save({ clock: redrive ? clock : came(clock, source, maxTimeMs) });
      },
    };
  }

  #write(keyWindows: readonly NewWindow[], planned: readonly PlannedWindow[]): void {
    if (keyWindows.length === 0) return;
    const { record } = this.#store;
    const parentsOf = new Map(
      planned.map((keyWindow) => [windowName(keyWindow), keyWindow.parents]),
    );
    const gone: KeyWindow[] = [];
    const ends: End[] = [];
    let { panes: count, bytes } = record;
    for (const keyWindow of keyWindows) {
      const name = windowName(keyWindow);
      const parents = parentsOf.get(name) ?? [];
      gone.push(...parents.filter((parent) => windowName(parent) !== name));
      // A window that begins where one began before is found by the end that the earlier one had.
      if (!parents.some((parent) => windowName(parent) === name)) {
        ends.push([keyWindow.key, keyWindow.startMs, keyWindow.endMs]);
      }
      count += 1 - parents.length;
      bytes += parents.reduce((sum, parent) => sum - parent.bytes, keyWindow.bytes);
    }
    if (gone.length > 0) this.#store.drop(gone);
    this.#store.put(keyWindows);
    this.#store.addEnds(ends);
    this.#store.note({ panes: count, bytes });
  }

  // --- Time ---------------------------------------------------------------------------------------------

  rested(source: number, nowMs: number): void {
    const clock = this.#clock;
    const resting = rested(clock, source, nowMs);
    if (resting !== clock) this.#store.save({ clock: resting });
  }

  async due(nowMs: number, drain: boolean): Promise<Closed | null> {
    const watermark = this.#watermarkAt(nowMs);
    const closedUntil = drain ? Infinity : closedUntilMs(this.#setting.window, watermark);
    const closed = await this.#closing.next(nowMs, closedUntil, drain);
    if (!closed) return null;
    return {
      ...closed,
      write: () => {
        closed.write();
        // What was drained is closed for good: event time has come that far.
        const passed = drain ? closed.endMs + closesAfterMs(this.#setting.window) : watermark;
        const clock = withWatermark(withWatermark(this.#clock, watermark), passed);
        this.#store.save({ clock });
      },
    };
  }

  dueAtMs(): number | null {
    const retryMs = this.#store.firstRetry()?.atMs ?? null;
    const endMs = this.#store.firstEndMs();
    if (endMs === null) return retryMs;
    const { window } = this.#setting;
    const atMs = reachesAtMs(this.#clock, endMs + closesAfterMs(window), window.idleMs);
    if (atMs === null || retryMs === null) return atMs ?? retryMs;
    return Math.min(atMs, retryMs);
  }

  /** Null before the first event. */
  watermarkMs(nowMs: number): number | null {
    return this.#watermarkAt(nowMs);
  }

  windowsOf(key: string): OpenEventWindow[] {
    return windowsOfKey(this.#store, this.#setting, key);
  }

  windows(after: string | null, limit: number): OpenWindowsPage {
    return windowsPage(this.#store, this.#setting, after, limit);
  }

  keys(): number {
    return this.#store.record.panes;
  }

  bytes(): number {
    return this.#store.record.bytes;
  }
}

/** Windows that close touch no window that takes events: one change after the other. */
function both(closed: Change | null, applied: Change): Change {
  if (!closed) return applied;
  return {
    ...applied,
    write: () => {
      closed.write();
      applied.write();
    },
    outputs: [...closed.outputs, ...applied.outputs],
    lost: [...closed.lost, ...applied.lost],
    counters: { ...closed.counters, ...applied.counters },
    log: [...closed.log, ...applied.log],
  };
}
