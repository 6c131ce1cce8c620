// What a fold knows of one key: its state as text and as value, and whose turn it is. Events of one key run one
// after the other; an event of several keys (the windows that it falls into) begins when it is first at all of them.
import { STATE_MAX_BYTES, STATE_TTL_MAX_MS, STATE_TTL_MIN_MS } from '../limits.ts';
import { valueText } from '../sandbox/strict-json.ts';
import { BadValueError, TaskFailure, ValueTooLargeError } from '../sandbox/task-error.ts';
import type { Slot } from '../sandbox/slot.ts';

/** One event: its lines, one for each of its keys, are the call's from `first` on. */
export interface FoldEvent {
  offset: number;
  keys: KeyState[];
  first: number;
  /** What it changes, once it has ended well. */
  writes: Write[];
  /** Keys at which others are before it. */
  waits: number;
  /** Its code returned a promise. */
  isAsync: boolean;
}

export interface Write {
  key: KeyState;
  state: unknown;
  /** Null: forget it. Undefined: not made yet, `state` is all there is. */
  text: string | null | undefined;
  ttlMs: number | null;
}

export class KeyState {
  readonly key: string;
  /** As of the events that have ended. Several: to be merged. None: there is no state. */
  texts: readonly string[];
  readonly existed: boolean;
  /** What the next event is given, when that need not be read from the text. */
  value: { state: unknown } | null = null;
  /** So many events have changed `value` since the text was made. */
  stale = 0;
  /** As of the events that count: these and all before them have ended. */
  kept: Write | null = null;
  /** Lines that have not ended. */
  left = 0;
  #busy: Slot<FoldEvent> | null = null;
  readonly #waiting: Slot<FoldEvent>[] = [];
  #nextWaiting = 0;

  constructor(key: string, texts: readonly string[]) {
    this.key = key;
    this.texts = texts;
    this.existed = texts.length > 0;
  }

  /** False: it has to wait until it is what `leave` answers. */
  enter(slot: Slot<FoldEvent>): boolean {
    if (this.#busy === null) {
      this.#busy = slot;
      return true;
    }
    this.#waiting[this.#waiting.length] = slot;
    return false;
  }

  /** Whose turn it is now, if it has become somebody's. */
  leave(slot: Slot<FoldEvent>): Slot<FoldEvent> | null {
    if (this.#busy !== slot) return null;
    this.#busy = null;
    while (this.#nextWaiting < this.#waiting.length) {
      const next = this.#waiting[this.#nextWaiting++] as Slot<FoldEvent>;
      if (!next.ended) return (this.#busy = next);
    }
    return null;
  }
}

/** A state as JSON. Throws TaskFailure, saying what it must not be. */
export function stateText(state: unknown): string {
  try {
    return valueText(state, 'state', STATE_MAX_BYTES);
  } catch (error) {
    if (!(error instanceof ValueTooLargeError)) throw error;
    throw new TaskFailure('memory', `a key's state may have ${STATE_MAX_BYTES} bytes as JSON`);
  }
}

/** What `ctx.expire` was given, as whole milliseconds. Throws BadValueError. */
export function timeToLive(ms: unknown): number {
  if (typeof ms === 'number' && ms >= STATE_TTL_MIN_MS && ms <= STATE_TTL_MAX_MS)
    return ms - (ms % 1);
  throw new BadValueError(
    `expire takes milliseconds between ${STATE_TTL_MIN_MS} and ${STATE_TTL_MAX_MS}`,
  );
}
