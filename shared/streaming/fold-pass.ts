// One pass of a fold over its events; see fold-run.ts.
import { FOLD_STATES_MAX_BYTES } from '../limits.ts';
import { BadValueError, TaskFailure } from '../mapreduce/task-error.ts';
import { linesOf } from './event-lines.ts';
import {
  apply,
  dictionary,
  isThenable,
  parse,
  RealError,
  RealPromise,
  whenSettled,
} from './intrinsics.ts';
import { type FoldEvent, KeyState, stateText, timeToLive, type Write } from './key-state.ts';
import { contextFor, type ProcessContext, type UserFunction } from './load.ts';
import type { FoldCall } from './process.ts';
import type { SideBySide, Work } from './side-by-side.ts';
import type { Slot } from './slot.ts';

/** `careful`: every state's text is made at once. `alone`: and one event runs after the other. */
export type FoldCare = 'quick' | 'careful' | 'alone';

export interface FoldFunctions {
  process?: UserFunction;
  add?: UserFunction;
  merge?: UserFunction;
}

/** States with shorter texts are written after each event: that takes no longer than reading the event. */
const DEFERRED_MIN_CHARS = 2_048;
/** A state's text is made at least this often: else it could outgrow the isolate unseen. */
const STALE_MAX = 32;
/** New states that are held; a character may take two bytes. */
const WRITTEN_MAX_CHARS = FOLD_STATES_MAX_BYTES / 2;

interface Given {
  state: unknown;
  /** The text of what `merge` has just made of several. */
  merged: string | null;
}

export class FoldPass implements Work<FoldEvent> {
  readonly name: 'process' | 'add';
  readonly lines: string[];
  /** What has to be run again, and how. */
  again: FoldCare | null = null;
  /** In order of their first events. */
  readonly keys: KeyState[] = [];
  readonly #call: FoldCall;
  readonly #functions: FoldFunctions;
  readonly #events: () => SideBySide<FoldEvent>;
  /** The first line of each event, and where the last one ends. */
  readonly #starts: number[] = [];
  readonly #keyOfLine: KeyState[] = [];
  #care: FoldCare;
  /** Characters of new states. */
  #written = 0;

  /** Throws when `call` does not add up. */
  constructor(
    call: FoldCall,
    functions: FoldFunctions,
    care: FoldCare,
    events: () => SideBySide<FoldEvent>,
  ) {
    this.name = call.calls;
    this.#call = call;
    this.#functions = functions;
    this.#care = care;
    this.#events = events;
    this.lines = linesOf(call.text);
    if (this.lines.length !== call.keys.length) throw new RealError('a key for each line');
    this.#readKeys();
  }

  get count(): number {
    return this.#starts.length - 1;
  }

  /** The line that an event begins with; undefined past the last one. */
  lineOf(order: number): string | undefined {
    return order < this.count ? this.lines[this.#starts[order] as number] : undefined;
  }

  open(order: number): FoldEvent {
    const first = this.#starts[order] as number;
    const keys: KeyState[] = [];
    for (let line = first; line < (this.#starts[order + 1] as number); line++) {
      keys[keys.length] = this.#keyOfLine[line] as KeyState;
    }
    return { offset: -1, keys, first, writes: [], waits: 0, isAsync: false };
  }

  mayBegin(slot: Slot<FoldEvent>): boolean {
    const { own } = slot;
    for (let i = 0; i < own.keys.length; i++) {
      if (!(own.keys[i] as KeyState).enter(slot)) own.waits++;
    }
    return own.waits === 0;
  }

  call(slot: Slot<FoldEvent>): unknown {
    if (this.name === 'add')
      slot.outputs.close('add emits nothing: what is emitted is up to process');
    return this.#callFrom(slot, 0);
  }

  take(): void {
    // Line by line, as they are called.
  }

  ended(slot: Slot<FoldEvent>): void {
    const { own, error } = slot;
    const counts = error === null && slot.order < this.#events().end;
    if (!counts) this.#undo(slot);
    for (let i = 0; i < own.writes.length; i++) applyWrite(own.writes[i] as Write, own.isAsync);
    for (let i = 0; i < own.keys.length; i++) {
      const key = own.keys[i] as KeyState;
      if (--key.left === 0) key.value = null;
      const next = key.leave(slot);
      if (next && --next.own.waits === 0) this.#events().ready(next);
    }
    if (error) this.#failed(slot);
  }

  dropped({ own }: Slot<FoldEvent>): void {
    this.#release(own.writes);
    own.writes = [];
  }

  passed({ own }: Slot<FoldEvent>): void {
    for (let i = 0; i < own.writes.length; i++) {
      const write = own.writes[i] as Write;
      const { key } = write;
      this.#written -= key.kept?.text?.length ?? 0;
      // What was said once holds for the key until it is forgotten; 0 says that it was.
      if (write.text === null) write.ttlMs = 0;
      else write.ttlMs ??= key.kept?.ttlMs ?? null;
      key.kept = write;
    }
    own.writes = [];
  }

  finishing(): void {
    if (this.again === null && !this.#writeStale()) this.#runAgain('careful');
  }

  #readKeys(): void {
    const { keys, states, calls } = this.#call;
    const texts = dictionary<string[]>();
    for (let i = 0; i < states.length; i++) {
      const entry = states[i] as FoldCall['states'][number];
      texts[entry[0]] = entry[1];
    }
    const known = dictionary<KeyState>();
    for (let line = 0; line < keys.length; line++) {
      const name = keys[line] as string;
      const key = (known[name] ??= this.#newKey(name, texts[name] ?? []));
      key.left++;
      this.#keyOfLine[line] = key;
      // Windows that overlap: the event's line stands there for each of them.
      if (calls === 'add' && line > 0 && this.lines[line] === this.lines[line - 1]) continue;
      this.#starts[this.#starts.length] = line;
    }
    this.#starts[this.#starts.length] = keys.length;
  }

  #newKey(name: string, texts: readonly string[]): KeyState {
    return (this.keys[this.keys.length] = new KeyState(name, texts));
  }

  /** Runs the event's lines from the n-th on; a promise when one of them has to be waited for. */
  #callFrom(slot: Slot<FoldEvent>, n: number): Promise<void> | undefined {
    const { own } = slot;
    for (let i = n; i < own.keys.length; i++) {
      const event = parse(this.lines[own.first + i] as string) as { offset: number };
      own.offset = event.offset;
      const key = own.keys[i] as KeyState;
      const given = this.#giveState(key);
      const ttl = { ms: null };
      const returned = this.#callLine(slot, own.first + i, event, given.state, ttl);
      if (isThenable(returned)) return this.#goOn(slot, i, given, ttl, returned);
      this.#took(slot, key, given, ttl.ms, returned);
    }
    return undefined;
  }

  #callLine(
    slot: Slot<FoldEvent>,
    line: number,
    event: unknown,
    state: unknown,
    ttl: { ms: number | null },
  ): unknown {
    const { keys, shownKeys } = this.#call;
    const ctx: ProcessContext = contextFor(this.#events().source, slot, slot.outputs);
    ctx.key = (shownKeys ?? keys)[line] as string;
    const { process, add } = this.#functions;
    if (add) return apply(add, undefined, [state, event, ctx]);
    ctx.expire = (ms) => {
      if (slot.ended) throw new RealError('process had ended before this expire');
      ttl.ms = timeToLive(ms);
    };
    return apply(process as UserFunction, undefined, [event, state, ctx]);
  }

  #goOn(
    slot: Slot<FoldEvent>,
    n: number,
    given: Given,
    ttl: { ms: number | null },
    returned: unknown,
  ): Promise<void> {
    slot.own.isAsync = true;
    this.#becomeCareful();
    return new RealPromise((resolve, reject) => {
      whenSettled(
        returned,
        (value) => {
          if (slot.ended) return resolve();
          try {
            this.#took(slot, slot.own.keys[n] as KeyState, given, ttl.ms, value);
            resolve(this.#callFrom(slot, n + 1));
          } catch (error) {
            reject(error as Error);
          }
        },
        reject,
      );
    });
  }

  /** A value that user code may change, unless it changes nothing else with it. */
  #giveState(key: KeyState): Given {
    if (key.value) return { state: key.value.state, merged: null };
    const { texts } = key;
    if (texts.length > 1) return this.#merge(texts);
    const state = texts.length === 0 ? null : (parse(texts[0] as string) as unknown);
    key.value = { state };
    return { state, merged: null };
  }

  #merge(texts: readonly string[]): Given {
    let state = parse(texts[0] as string) as unknown;
    for (let i = 1; i < texts.length; i++) {
      const other = parse(texts[i] as string) as unknown;
      // A `merge` may have made nothing of two.
      if (state === null) state = other;
      else state = apply(this.#functions.merge as UserFunction, undefined, [state, other]);
      if (state === undefined) throw new BadValueError('merge has to return a state, or null');
      if (isThenable(state)) throw new BadValueError('merge has to return a state, not a promise');
    }
    return { state, merged: stateText(state) };
  }

  /** What the code made of a key's state. */
  #took(
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
      if (key.stale > 0) this.#runAgain('careful');
      throw error;
    }
  }

  #unchanged(slot: Slot<FoldEvent>, key: KeyState, given: Given, ttlMs: number | null): void {
    const { state, merged } = given;
    if (key.stale > 0) {
      // What it was before is not known any more.
      return this.#runAgain('careful');
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
    this.#events().makeRoom(order, this.#isFull);
    // Nothing else is held now.
    if (this.#isFull()) throw new TaskFailure('memory', 'one event changes too much state at once');
  }

  readonly #isFull = (): boolean => this.#written > WRITTEN_MAX_CHARS;

  #release(writes: readonly Write[]): void {
    for (let i = 0; i < writes.length; i++) {
      this.#written -= (writes[i] as Write).text?.length ?? 0;
    }
  }

  /** The event failed, or is run in another batch: its keys' states are what they were. */
  #undo({ own, error }: Slot<FoldEvent>): void {
    this.#release(own.writes);
    own.writes = [];
    let isLost = false;
    for (let i = 0; i < own.keys.length; i++) {
      const key = own.keys[i] as KeyState;
      key.value = null;
      isLost ||= key.stale > 0;
    }
    // Of a batch that a failure ends nothing else is used.
    const isUsed = error === null || this.#call.keepGoing;
    if (isLost && isUsed) this.#runAgain('careful');
  }

  #failed({ own, error, order }: Slot<FoldEvent>): void {
    if (error?.code === 'loop_guard') {
      // Whoever takes the next step is stopped: another event, when several are under way.
      if (own.isAsync && this.#care !== 'alone') return this.#runAgain('alone');
      this.#events().endBefore(order + 1);
    } else if (!this.#call.keepGoing) this.#events().endBefore(order + 1);
  }

  #becomeCareful(): void {
    if (this.#care === 'quick') this.#care = 'careful';
    if (!this.#writeStale()) this.#runAgain('careful');
  }

  /** Makes the texts that were put off. False: one cannot be made, by whichever event's doing. */
  #writeStale(): boolean {
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

  #runAgain(care: FoldCare): void {
    if (this.again !== 'alone') this.again = care;
    this.#events().endBefore(0);
  }
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
