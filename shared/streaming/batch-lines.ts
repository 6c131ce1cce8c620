// The events of a window as an async iterable, read as fast as user code takes them: never more than one piece of
// the input is held. It can be gone through once; what is not taken is not read.
import {
  indexIn,
  isIn,
  parse,
  RealError,
  RealPromise,
  RealTextDecoder,
  sliceOf,
  whenSettled,
} from '../sandbox/intrinsics.ts';

export interface LinesState {
  /** A read is going on: user code waits for the world, not for itself. */
  reading: boolean;
  /** The input failed: whatever the program makes of it. */
  failure: Error | null;
}

export class BatchEvents implements AsyncIterableIterator<unknown> {
  readonly state: LinesState = { reading: false, failure: null };
  readonly #input: AsyncIterator<Uint8Array>;
  readonly #types: string[] | null;
  readonly #given: () => void;
  readonly #decoder = new RealTextDecoder();
  #text = '';
  #at = 0;
  #ended = false;
  /** Calls of `next` take turns, also when user code does not wait for one before the next. */
  #turn: Promise<unknown> = RealPromise.resolve();

  /** `given` is called before each event is handed out. */
  constructor(input: AsyncIterable<Uint8Array>, types: string[] | null, given: () => void) {
    this.#input = input[Symbol.asyncIterator]();
    this.#types = types;
    this.#given = given;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<unknown>> {
    const before = this.#turn;
    const taken = (async () => {
      await before;
      return this.#take();
    })();
    this.#turn = new RealPromise<void>((resolve) => {
      whenSettled(
        taken,
        () => resolve(),
        () => resolve(),
      );
    });
    return taken;
  }

  /** Called when user code leaves its loop. */
  async return(): Promise<IteratorResult<unknown>> {
    await this.close();
    return { done: true, value: undefined };
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    try {
      await this.#input.return?.();
    } catch {
      // It was given up anyway.
    }
  }

  async #take(): Promise<IteratorResult<unknown>> {
    for (;;) {
      const line = await this.#line();
      if (line === null) return { done: true, value: undefined };
      if (line === '') continue;
      const event = parse(line) as { type: string };
      if (this.#types !== null && !isIn(this.#types, event.type)) continue;
      this.#given();
      return { done: false, value: event };
    }
  }

  async #line(): Promise<string | null> {
    for (;;) {
      const end = indexIn(this.#text, '\n', this.#at);
      if (end >= 0) {
        const line = sliceOf(this.#text, this.#at, end);
        this.#at = end + 1;
        return line;
      }
      if (this.#ended) {
        const last = sliceOf(this.#text, this.#at);
        this.#text = '';
        this.#at = 0;
        return last === '' ? null : last;
      }
      const piece = await this.#read();
      this.#text = sliceOf(this.#text, this.#at) + piece;
      this.#at = 0;
    }
  }

  async #read(): Promise<string> {
    this.state.reading = true;
    try {
      const { done, value } = await this.#input.next();
      if (!done) return this.#decoder.decode(value, { stream: true });
      this.#ended = true;
      return this.#decoder.decode();
    } catch (error) {
      this.#ended = true;
      const reason = error instanceof RealError ? error.message : String(error);
      this.state.failure = new RealError(`the events of the window could not be read: ${reason}`);
      throw this.state.failure;
    } finally {
      this.state.reading = false;
    }
  }
}
