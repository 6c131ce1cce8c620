// Closes windows: hands what they hold to `process`, a bounded number of them a step. A window whose closing fails is
// tried again with the processor's back-off, and in the end given up: without `add` its events become dead letters;
// with `add` its last event does, with an error that names the window, and its state is dropped. (A window that is
// closed takes nothing any more: run again, those dead letters are late.)
import { backoffMs } from '../../../shared/backoff.ts';
import { isoTime } from '../../../shared/iso-time.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { FireOutcome } from '../../../shared/streaming/process.ts';
import type { Change, KeyedCode, Lost, Output } from '../keyed/operator.ts';
import { byTime, keptEvents } from './kept-events.ts';
import { type FullWindow, type KeyWindow, type WindowId, windowName, saidOf } from './window.ts';
import type { WindowBounds, WindowSetting } from './window-operator.ts';
import type { End, EndsRow, WindowStore, RetryRow } from './window.store.ts';

/** A step that closed windows, or tried to. Its `write` is to be followed by saving the record. */
export interface Closed extends Change {
  ended: number;
  /** The end of the last of them. */
  endMs: number;
}

/** Windows to be closed, and what is written about those of them that were not run. */
interface Due {
  keyWindows: KeyWindow[];
  /** How often their closing has failed. */
  failed: number;
  write(left: readonly KeyWindow[]): void;
}

interface Fired {
  /** So many of the windows were run. */
  run: number;
  outputs: Output[];
  failures: { keyWindow: FullWindow; error: TaskError }[];
  log: string[];
}

export class Closing {
  readonly #store: WindowStore;
  readonly #code: KeyedCode;
  readonly #setting: WindowSetting;
  readonly #bounds: WindowBounds;
  /** Fewer after a crash: so the window that kills the isolate is found. */
  #together: number;

  constructor(store: WindowStore, code: KeyedCode, setting: WindowSetting, bounds: WindowBounds) {
    this.#store = store;
    this.#code = code;
    this.#setting = setting;
    this.#bounds = bounds;
    this.#together = bounds.together;
  }

  /** Null: nothing is due. `drain`: whatever waits for another try is due as well, after everything else. */
  async next(nowMs: number, closedUntilMs: number, drain: boolean): Promise<Closed | null> {
    const due = drain
      ? (this.#ending(closedUntilMs) ?? this.#failed(Infinity))
      : (this.#failed(nowMs) ?? this.#ending(closedUntilMs));
    return due && this.#close(due, nowMs, drain);
  }

  /** Windows that the watermark has passed, and no other. */
  async step(nowMs: number, closedUntilMs: number): Promise<Closed | null> {
    const due = this.#ending(closedUntilMs);
    return due && this.#close(due, nowMs, false);
  }

  // --- Which -------------------------------------------------------------------------------------------

  #failed(nowMs: number): Due | null {
    for (;;) {
      const row = this.#store.firstRetry();
      if (!row || row.atMs > nowMs) return null;
      const keyWindows = this.#store.windowsAt(row.panes);
      if (keyWindows.length > 0) return this.#dueAgain(row, this.#fitting(keyWindows), keyWindows);
      this.#store.dropRetry(row);
    }
  }

  #dueAgain(row: RetryRow, some: KeyWindow[], all: KeyWindow[]): Due {
    return {
      keyWindows: some,
      failed: row.attempts,
      write: (left) => {
        this.#store.dropRetry(row);
        const rest = [...left, ...all.slice(some.length)].map(idOf);
        if (rest.length > 0) this.#store.addRetry({ ...row, panes: rest });
      },
    };
  }

  #ending(closedUntilMs: number): Due | null {
    for (;;) {
      const rows = this.#store.endsBy(closedUntilMs);
      if (rows.length === 0) return null;
      const look = this.#look(rows, closedUntilMs);
      if (look.keyWindows.length > 0) return look;
      // All of them have been merged into others, or go on: that is written down by itself.
      this.#store.transaction(() => {
        look.write([]);
        this.#store.save({});
      });
    }
  }

  /** The windows that rows of ends list as due. Sessions may have become others meanwhile, or go on. */
  #look(rows: readonly EndsRow[], closedUntilMs: number): Due {
    const listed = rows.flatMap((row) => row.list.map((end) => ({ row, end })));
    const due = listed
      .filter(({ end }) => end[2] <= closedUntilMs)
      .sort((a, b) => a.end[2] - b.end[2])
      .slice(0, this.#bounds.together);
    const chosen = new Set(due.map(({ end }) => end));
    const touched = new Set(due.map(({ row }) => row));
    const ids = new Map(
      due.map(({ end: [key, startMs] }) => [windowName({ key, startMs }), { key, startMs }]),
    );
    const keyWindows = this.#store.windowsAt(ids.values()).sort(byEnd);
    const ended = this.#fitting(keyWindows.filter(({ endMs }) => endMs <= closedUntilMs));
    const staying = new Set(keyWindows);
    for (const keyWindow of ended) staying.delete(keyWindow);
    return {
      keyWindows: ended,
      failed: 0,
      write: (left) => {
        const others = [...touched].flatMap(({ list }) => list.filter((end) => !chosen.has(end)));
        const ends = [...others, ...[...staying, ...left].map(endOf)];
        this.#store.dropEnds([...touched]);
        this.#store.addEnds(ends);
      },
    };
  }

  /** As many as fit into one call; at least one. */
  #fitting(keyWindows: KeyWindow[]): KeyWindow[] {
    let bytes = 0;
    const end = keyWindows.findIndex((keyWindow, i) => {
      bytes += keyWindow.bytes;
      return i > 0 && (i >= this.#together || bytes > this.#bounds.callBytes);
    });
    return end < 0 ? keyWindows : keyWindows.slice(0, end);
  }

  // --- What becomes of them --------------------------------------------------------------------------------

  async #close(due: Due, nowMs: number, drain: boolean): Promise<Closed> {
    const { retry, random } = this.#setting;
    const keyWindows = this.#store.windowsWithValues(due.keyWindows);
    const attempt = due.failed + 1;
    const { run, outputs, failures, log } = await this.#fire(keyWindows, attempt);
    const isLost = attempt >= retry.maxAttempts;
    const again = isLost ? [] : failures.map(({ keyWindow }) => keyWindow);
    const failed = new Set(again);
    const closed = keyWindows.slice(0, run).filter((keyWindow) => !failed.has(keyWindow));
    const atMs = nowMs + Math.ceil(backoffMs(retry, attempt - 1, random()));
    return {
      write: () => {
        due.write(keyWindows.slice(run));
        if (again.length > 0)
          this.#store.addRetry({ atMs, attempts: attempt, panes: again.map(idOf) });
        this.#forget(closed);
      },
      outputs,
      late: [],
      lost: isLost ? failures.flatMap((failure) => this.#lost(failure, attempt)) : [],
      counters: { fired: run - failures.length },
      log,
      failures: [],
      stoppedAt: null,
      // Draining goes on while this is not 0, so that what fails is tried until it is given up.
      ended: drain ? run : closed.length,
      endMs: Math.max(...keyWindows.slice(0, run).map(({ endMs }) => endMs)),
    };
  }

  async #fire(keyWindows: readonly FullWindow[], attempt: number): Promise<Fired> {
    for (let some = keyWindows; ;) {
      const units = some.map((keyWindow) => ({ key: keyWindow.key, json: this.#json(keyWindow) }));
      try {
        const outcome = await this.#code.fire({ units, attempt });
        this.#together = Math.min(this.#bounds.together, this.#together * 2);
        return firedOf(some, outcome);
      } catch (error) {
        const crash = this.#setting.crashOf(error);
        if (!crash) throw error;
        const [keyWindow] = some;
        if (!keyWindow || some.length === 1) {
          const failures = keyWindow ? [{ keyWindow, error: crash }] : [];
          return { run: some.length, outputs: [], failures, log: [] };
        }
        this.#together = Math.ceil(some.length / 2);
        some = some.slice(0, this.#together);
      }
    }
  }

  #json({ key, startMs, endMs, count, value }: FullWindow): string {
    const start = isoTime(startMs);
    const head = JSON.stringify({ key, start, end: isoTime(endMs), startMs, endMs, count });
    const held = this.#setting.adds
      ? `"state":${value ?? 'null'}`
      : `"events":[${keptEvents(value)
          .sort(byTime)
          .map(({ line }) => line)
          .join()}]`;
    return `${head.slice(0, -1)},${held}}`;
  }

  #lost({ keyWindow, error }: Fired['failures'][number], attempts: number): Lost[] {
    const { adds } = this.#setting;
    const what = adds ? 'could not be closed, and its state is gone' : 'could not be closed';
    const said = { ...error, message: `${saidOf(keyWindow)} ${what}: ${error.message}` };
    if (adds) {
      const { source, offset } = keyWindow;
      return [{ source, offset, line: this.#store.lastOf(keyWindow), error: said, attempts }];
    }
    return keptEvents(keyWindow.value)
      .sort(byTime)
      .map(({ source, offset, line }) => ({ source, offset, line, error: said, attempts }));
  }

  #forget(keyWindows: readonly KeyWindow[]): void {
    if (keyWindows.length === 0) return;
    this.#store.drop(keyWindows);
    const { record } = this.#store;
    const bytes = keyWindows.reduce((sum, keyWindow) => sum - keyWindow.bytes, record.bytes);
    this.#store.note({ panes: record.panes - keyWindows.length, bytes });
  }
}

/** Outputs stand at the last event that their window took. */
function firedOf(keyWindows: readonly FullWindow[], outcome: FireOutcome): Fired {
  const { outputs, outputUnits, failures, stoppedAt, log } = outcome;
  const texts = outputs.split('\n');
  return {
    run: stoppedAt ?? keyWindows.length,
    outputs: outputUnits.map((unit, i) => {
      const { source, offset } = keyWindows[unit] as FullWindow;
      return { source, offset, text: texts[i] as string };
    }),
    failures: failures.map(({ unit, error }) => ({
      keyWindow: keyWindows[unit] as FullWindow,
      error,
    })),
    log,
  };
}

const idOf = ({ key, startMs }: WindowId): WindowId => ({ key, startMs });

const endOf = ({ key, startMs, endMs }: KeyWindow): End => [key, startMs, endMs];

const byEnd = (a: KeyWindow, b: KeyWindow): number =>
  a.endMs - b.endMs || a.startMs - b.startMs || (a.key < b.key ? -1 : 1);
