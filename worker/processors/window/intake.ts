// Takes a batch of events into windows: as many of them as fit into one step, without those that fail. A session is what
// its events make of it, so whatever is left out of one, it is planned anew.
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { Arrivals, KeyedCode, Late } from '../keyed/operator.ts';
import { type FullWindow, type NewWindow, windowName } from './window.ts';
import type { WindowBounds, WindowSetting } from './window-operator.ts';
import type { WindowStore } from './window.store.ts';
import {
  type Plan,
  type PlannedWindow,
  plan,
  timed,
  type TimedEvent,
  wantedWindows,
} from './plan.ts';
import { addEvents, keepEvents, readFor, type Taken } from './take.ts';

interface Failure {
  offset: number;
  error: TaskError;
}

/** What windows become, and what happens to the other events. */
export interface Intaken {
  keyWindows: NewWindow[];
  planned: PlannedWindow[];
  late: Late[];
  failures: Failure[];
  /** The first offset of which nothing is in here. */
  stoppedAt: number | null;
  log: string[];
}

const EMPTY: Intaken = {
  keyWindows: [],
  planned: [],
  late: [],
  failures: [],
  stoppedAt: null,
  log: [],
};

interface Fitting {
  /** The first event that has to wait. */
  end: number | null;
  /** The first of all does not fit. */
  tooLarge: Failure | null;
}

export class Intake {
  readonly #store: WindowStore;
  readonly #code: KeyedCode;
  readonly #setting: WindowSetting;
  readonly #bounds: WindowBounds;

  constructor(store: WindowStore, code: KeyedCode, setting: WindowSetting, bounds: WindowBounds) {
    this.#store = store;
    this.#code = code;
    this.#setting = setting;
    this.#bounds = bounds;
  }

  /** `lines`: so many events, each counted as often as it has windows. Not final: the first failure is enough. */
  async take(arrivals: Arrivals, closedUntilMs: number, lines: number): Promise<Intaken> {
    const { source, final, nowMs } = arrivals;
    const read = timed(arrivals.events, source, this.#setting.window, nowMs);
    const intaken: Intaken = { ...EMPTY, failures: [...read.failures] };
    if (!final && read.failures.length > 0) return intaken;
    let { events } = read;
    const stopAt = (offset: number | null) => {
      intaken.stoppedAt = offset;
      events = before(events, offset);
    };
    for (;;) {
      const planned = this.#plan(events, source, closedUntilMs);
      const { end, tooLarge } = this.#fitting(planned, lines);
      if (end !== null) {
        stopAt(end);
        continue;
      }
      const taken = tooLarge ? noneOf(tooLarge) : await this.#run(arrivals, planned);
      intaken.log = taken.log;
      const [failure] = taken.failures;
      // Whether it is this event's doing, or what a later one makes of its session, shows without the later ones.
      if (failure && this.#mayBeAnothers(taken) && (events.at(-1)?.offset ?? 0) > failure.offset) {
        stopAt(offsetAfter(arrivals, failure.offset));
        continue;
      }
      intaken.failures.push(...taken.failures);
      if (failure && !final) return intaken;
      if (taken.stoppedAt !== null) intaken.stoppedAt = taken.stoppedAt;
      if (this.#isWhole(taken)) return settled(intaken, planned, taken, read.future);
      const failed = new Set(taken.failures.map(({ offset }) => offset));
      events = before(events, taken.stoppedAt).filter(({ offset }) => !failed.has(offset));
      // What stopped it once should not stop it again.
      const fewer = events[Math.ceil(events.length * 0.75)];
      if (taken.stoppedAt !== null && fewer) stopAt(fewer.offset);
    }
  }

  #mayBeAnothers({ again }: Taken): boolean {
    return again || this.#setting.window.type === 'session';
  }

  #isWhole({ failures, stoppedAt, again }: Taken): boolean {
    if (again) return false;
    return (
      this.#setting.window.type === 'tumbling' || (failures.length === 0 && stoppedAt === null)
    );
  }

  #plan(events: readonly TimedEvent[], source: number, closedUntilMs: number): Plan {
    const { window } = this.#setting;
    const open =
      window.type === 'session'
        ? this.#store.windowsOf(new Set(events.map(({ key }) => key)))
        : this.#store.windowsAt(wantedWindows(events, window, closedUntilMs));
    return plan(events, open, source, window, closedUntilMs);
  }

  /** How many of the events can be taken at once. */
  #fitting({ keyWindows }: Plan, lines: number): Fitting {
    const uses = keyWindows
      .flatMap((keyWindow) => keyWindow.events.map((event) => ({ keyWindow, event })))
      .sort((a, b) => a.event.index - b.event.index);
    const touched = new Set<PlannedWindow>();
    let bytes = 0;
    let count = 0;
    let first: TimedEvent | null = null;
    for (const { keyWindow, event } of uses) {
      first ??= event;
      count++;
      bytes += event.line.length;
      if (!touched.has(keyWindow)) bytes += this.#readBytes(keyWindow);
      touched.add(keyWindow);
      if (count <= lines && bytes <= this.#bounds.callBytes) continue;
      if (event !== first) return { end: event.offset, tooLarge: null };
      if (bytes > this.#bounds.callBytes) return { end: null, tooLarge: this.#tooLarge(event) };
    }
    return { end: null, tooLarge: null };
  }

  #readBytes(keyWindow: PlannedWindow): number {
    return readFor(keyWindow, this.#setting.adds).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  #tooLarge({ offset }: TimedEvent): Failure {
    const message = `the event and all the windows that it lies in are more than ${this.#bounds.callBytes} bytes together`;
    return { offset, error: { code: 'memory', message } };
  }

  #run({ source, attempt, final }: Arrivals, planned: Plan): Promise<Taken> | Taken {
    const { keyWindows } = planned;
    const taking = { keyWindows, held: this.#held(planned), source, attempt, keepGoing: final };
    return this.#setting.adds ? addEvents(this.#code, taking) : keepEvents(taking);
  }

  /** What the windows hold now. */
  #held({ keyWindows }: Plan): Map<string, FullWindow> {
    const parents = keyWindows.flatMap((keyWindow) => readFor(keyWindow, this.#setting.adds));
    return new Map(
      this.#store.windowsWithValues(parents).map((keyWindow) => [windowName(keyWindow), keyWindow]),
    );
  }
}

/** Nothing was run. */
const noneOf = (failure: Failure): Taken => ({
  keyWindows: [],
  failures: [failure],
  stoppedAt: null,
  again: true,
  log: [],
});

function settled(
  intaken: Intaken,
  planned: Plan,
  { keyWindows }: Taken,
  future: readonly Late[],
): Intaken {
  const { stoppedAt, failures } = intaken;
  const inOrder = <Item extends { offset: number }>(items: readonly Item[]) =>
    items
      .filter(({ offset }) => stoppedAt === null || offset < stoppedAt)
      .sort((a, b) => a.offset - b.offset);
  const late = inOrder([...future, ...planned.late]);
  return { ...intaken, keyWindows, planned: planned.keyWindows, late, failures: inOrder(failures) };
}

const before = (events: readonly TimedEvent[], end: number | null): TimedEvent[] =>
  events.filter(({ offset }) => end === null || offset < end);

const offsetAfter = ({ events }: Arrivals, offset: number): number | null =>
  events.find((event) => event.offset > offset)?.offset ?? null;
