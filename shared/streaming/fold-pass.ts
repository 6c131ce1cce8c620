// One pass of a fold over its events; see fold-run.ts.
import { linesOf } from './event-lines.ts';
import {
  apply,
  dictionary,
  isThenable,
  parse,
  RealError,
  RealPromise,
  whenSettled,
} from '../sandbox/intrinsics.ts';
import { type FoldCare, FoldStates, type Given } from './fold-states.ts';
import { type FoldEvent, type KeyState, timeToLive } from './key-state.ts';
import { contextFor, type ProcessContext, type UserFunction } from '../sandbox/load.ts';
import type { FoldCall } from './process.ts';
import type { UserCalls } from '../sandbox/user-calls.ts';
import type { Slot } from '../sandbox/slot.ts';
import type { Work } from '../sandbox/work.ts';

export interface FoldFunctions {
  process?: UserFunction;
  add?: UserFunction;
  merge?: UserFunction;
}

export class FoldPass implements Work<FoldEvent> {
  readonly name: 'process' | 'add';
  readonly lines: string[];
  /** What has to be run again, and how. */
  again: FoldCare | null = null;
  readonly states: FoldStates;
  readonly #call: FoldCall;
  readonly #functions: FoldFunctions;
  readonly #events: () => UserCalls<FoldEvent>;
  /** The first line of each event, and where the last one ends. */
  readonly #starts: number[] = [];
  readonly #keyOfLine: KeyState[] = [];
  readonly #care: FoldCare;

  /** Throws when `call` does not add up. */
  constructor(
    call: FoldCall,
    functions: FoldFunctions,
    care: FoldCare,
    events: () => UserCalls<FoldEvent>,
  ) {
    this.name = call.calls;
    this.#call = call;
    this.#functions = functions;
    this.#care = care;
    this.#events = events;
    this.states = new FoldStates(care, functions.merge, {
      makeRoom: (order, isOver) => events().makeRoom(order, isOver),
      runAgain: (how) => this.#runAgain(how),
    });
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
    // Of a batch that a failure ends nothing else is used.
    const isUsed = error === null || this.#call.keepGoing;
    if (counts) this.states.settle(own);
    else if (!this.states.undo(own) && isUsed) this.#runAgain('careful');
    for (let i = 0; i < own.keys.length; i++) {
      const key = own.keys[i] as KeyState;
      if (--key.left === 0) key.value = null;
      const next = key.leave(slot);
      if (next && --next.own.waits === 0) this.#events().ready(next);
    }
    if (error) this.#failed(slot);
  }

  dropped({ own }: Slot<FoldEvent>): void {
    this.states.release(own);
  }

  passed({ own }: Slot<FoldEvent>): void {
    this.states.keep(own);
  }

  finishing(): void {
    if (this.again === null && !this.states.writeStale()) this.#runAgain('careful');
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
      const key = (known[name] ??= this.states.newKey(name, texts[name] ?? []));
      key.left++;
      this.#keyOfLine[line] = key;
      // Windows that overlap: the event's line stands there for each of them.
      if (calls === 'add' && line > 0 && this.lines[line] === this.lines[line - 1]) continue;
      this.#starts[this.#starts.length] = line;
    }
    this.#starts[this.#starts.length] = keys.length;
  }

  /** Runs the event's lines from the n-th on; a promise when one of them has to be waited for. */
  #callFrom(slot: Slot<FoldEvent>, n: number): Promise<void> | undefined {
    const { own } = slot;
    for (let i = n; i < own.keys.length; i++) {
      const event = parse(this.lines[own.first + i] as string) as { offset: number };
      own.offset = event.offset;
      const key = own.keys[i] as KeyState;
      const given = this.states.give(key);
      const ttl = { ms: null };
      const returned = this.#callLine(slot, own.first + i, event, given.state, ttl);
      if (isThenable(returned)) return this.#goOn(slot, i, given, ttl, returned);
      this.states.took(slot, key, given, ttl.ms, returned);
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
    this.states.becomeCareful();
    return new RealPromise((resolve, reject) => {
      whenSettled(
        returned,
        (value) => {
          if (slot.ended) return resolve();
          try {
            this.states.took(slot, slot.own.keys[n] as KeyState, given, ttl.ms, value);
            resolve(this.#callFrom(slot, n + 1));
          } catch (error) {
            reject(error as Error);
          }
        },
        reject,
      );
    });
  }

  #failed({ own, error, order }: Slot<FoldEvent>): void {
    if (error?.code === 'loop_guard') {
      // The call that takes the next step is stopped: another event, when several are under way.
      if (own.isAsync && this.#care !== 'alone') return this.#runAgain('alone');
      this.#events().endBefore(order + 1);
    } else if (!this.#call.keepGoing) this.#events().endBefore(order + 1);
  }

  #runAgain(care: FoldCare): void {
    if (this.again !== 'alone') this.again = care;
    this.#events().endBefore(0);
  }
}
