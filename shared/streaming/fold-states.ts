// The states of a fold's keys while it runs: what an event is given, and what it leaves. Texts of large states are put
// off while all goes well (see fold-run.ts); when one would be needed that is not there, all has to be run again.
import { FOLD_STATES_MAX_BYTES } from '../limits.ts';
import { BadValueError, TaskFailure } from '../sandbox/task-error.ts';
import { apply, isThenable, parse } from '../sandbox/intrinsics.ts';
import { type FoldEvent, KeyState, stateText, type Write } from './key-state.ts';
import type { UserFunction } from '../sandbox/load.ts';
import type { Slot } from '../sandbox/slot.ts';

/** `careful`: every state's text is made at once. `alone`: and one event runs after the other. */
export type FoldCare = 'quick' | 'careful' | 'alone';

/** States with shorter texts are written after each event: that takes no longer than reading the event. */
const DEFERRED_MIN_CHARS = 2_048;
/** A state's text is made at least this often: else it could outgrow the isolate unseen. */
const STALE_MAX = 32;
/** New states that are held; a character may take two bytes. */
const WRITTEN_MAX_CHARS = FOLD_STATES_MAX_BYTES / 2;

export interface Given {
  state: unknown;
  /** The text of what `merge` has just made of several. */
  merged: string | null;
}

/** What the states ask of the run that they are part of. */
interface FoldHost {
  /** Ends the run early when `isOver` holds; throws when this event does not fit. */
  makeRoom(order: number, isOver: () => boolean): void;
  /** Nothing that came out counts: all is to be run again. */
  runAgain(care: FoldCare): void;
}

export class FoldStates {
  /** In order of their first events. */
  readonly keys: KeyState[] = [];
  readonly #merge: UserFunction | undefined;
  readonly #host: FoldHost;
  #care: FoldCare;
  /** Characters of new states. */
  #written = 0;

  constructor(care: FoldCare, merge: UserFunction | undefined, host: FoldHost) {
    this.#care = care;
    this.#merge = merge;
    this.#host = host;
  }

  newKey(name: string, texts: readonly string[]): KeyState {
    return (this.keys[this.keys.length] = new KeyState(name, texts));
  }

  /** A value that user code may change, unless it changes nothing else with it. */
  give(key: KeyState): Given {
    if (key.value) return { state: key.value.state, merged: null };
    const { texts } = key;
    if (texts.length > 1) return this.#merged(texts);
    const state = texts.length === 0 ? null : (parse(texts[0] as string) as unknown);
    key.value = { state };
    return { state, merged: null };
  }

  #merged(texts: readonly string[]): Given {
    let state = parse(texts[0] as string) as unknown;
    for (let i = 1; i < texts.length; i++) {
      const other = parse(texts[i] as string) as unknown;
      // A `merge` may have made nothing of two.
      if (state === null) state = other;
      else state = apply(this.#merge as UserFunction, undefined, [state, other]);
      if (state === undefined) throw new BadValueError('merge has to return a state, or null');
      if (isThenable(state)) throw new BadValueError('merge has to return a state, not a promise');
    }
    return { state, merged: stateText(state) };
  }

  /** What the code made of a key's state. */
  took(
    slot: Slot<FoldEvent>,
    key: KeyState,
    given: Given,
    ttlMs: number | null,
    returned: unknown,
  ): void {
    if (returned === undefined) return this.#unchanged(slot, key, given, ttlMs);
    if (returned === null) return this.#write(slot, { key, state: null, text: null, ttlMs });
    if (this.#mayDefer(slot, key)) {
      return this.#write(slot, { key, state: returned, text: undefined, ttlMs });
    }
    try {
      this.#write(slot, { key, state: returned, text: stateText(returned), ttlMs });
    } catch (error) {
      // It may be an earlier event's doing.
      if (key.stale > 0) this.#host.runAgain('careful');
      throw error;
    }
  }

  #unchanged(slot: Slot<FoldEvent>, key: KeyState, given: Given, ttlMs: number | null): void {
    const { state, merged } = given;
    if (key.stale > 0) {
      // What it was before is not known any more.
      return this.#host.runAgain('careful');
    }
    // The code may have changed it in place.
    if (typeof state === 'object') key.value = null;
    const text = merged ?? key.texts[0];
    if (text === undefined || (merged === null && ttlMs === null)) return;
    this.#write(slot, { key, state: undefined, text: text === 'null' ? null : text, ttlMs });
  }

  #mayDefer({ own }: Slot<FoldEvent>, { left, stale, texts }: KeyState): boolean {
    return (
      this.#care === 'quick' &&
      !own.isAsync &&
      left > 1 &&
      stale < STALE_MAX &&
      texts.length === 1 &&
      (texts[0] as string).length >= DEFERRED_MIN_CHARS
    );
  }

  #write({ own, order }: Slot<FoldEvent>, write: Write): void {
    own.writes[own.writes.length] = write;
    this.#written += write.text?.length ?? 0;
    this.#host.makeRoom(order, this.#isFull);
    // Nothing else is held now.
    if (this.#isFull()) throw new TaskFailure('memory', 'one event changes too much state at once');
  }

  /** The event has ended well. */
  settle({ writes, isAsync }: FoldEvent): void {
    for (let i = 0; i < writes.length; i++) applyWrite(writes[i] as Write, isAsync);
  }

  /** Also all before it have. */
  keep(event: FoldEvent): void {
    for (let i = 0; i < event.writes.length; i++) {
      const write = event.writes[i] as Write;
      const { key } = write;
      this.#written -= key.kept?.text?.length ?? 0;
      // What was said once holds for the key until it is forgotten; 0 says that it was.
      if (write.text === null) write.ttlMs = 0;
      else write.ttlMs ??= key.kept?.ttlMs ?? null;
      key.kept = write;
    }
    event.writes = [];
  }

  /** What the event would have changed is not wanted. */
  release(event: FoldEvent): void {
    for (let i = 0; i < event.writes.length; i++) {
      this.#written -= (event.writes[i] as Write).text?.length ?? 0;
    }
    event.writes = [];
  }

  /** The states are what they were before the event. False: what that was is not known any more. */
  undo(event: FoldEvent): boolean {
    this.release(event);
    let isKnown = true;
    for (let i = 0; i < event.keys.length; i++) {
      const key = event.keys[i] as KeyState;
      key.value = null;
      isKnown &&= key.stale === 0;
    }
    return isKnown;
  }

  becomeCareful(): void {
    if (this.#care === 'quick') this.#care = 'careful';
    if (!this.writeStale()) this.#host.runAgain('careful');
  }

  /** Makes the texts that were put off. False: one cannot be made, by whichever event's doing. */
  writeStale(): boolean {
    for (let i = 0; i < this.keys.length; i++) {
      const key = this.keys[i] as KeyState;
      const { kept } = key;
      if (key.stale === 0 || !kept) continue;
      try {
        const text = stateText(kept.state);
        kept.text = text;
        key.texts = [text];
        key.stale = 0;
        this.#written += text.length;
      } catch {
        return false;
      }
    }
    return !this.#isFull();
  }

  readonly #isFull = (): boolean => this.#written > WRITTEN_MAX_CHARS;
}

function applyWrite(write: Write, isAsync: boolean): void {
  const { key, state, text } = write;
  if (text === undefined) {
    key.stale++;
    key.value = { state };
    return;
  }
  write.state = undefined;
  key.stale = 0;
  key.texts = text === null ? [] : [text];
  // What goes on after an event has returned may still hold the object.
  key.value = isAsync || state === undefined ? null : { state };
}
