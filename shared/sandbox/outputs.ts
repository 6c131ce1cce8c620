// What one call of user code emits, checked and written down at once: the program may change an object after
// it has emitted it. A refused event fails the whole call, also when the program swallows the error.
import { utf8Length } from './strict-json.ts';
import { BadValueError, TaskFailure } from './task-error.ts';
import { isArray, RealError } from './intrinsics.ts';
import { outputLine } from './output-event.ts';

export interface OutputBounds {
  maxEvents: number;
  maxBytes: number;
}

export class Outputs {
  /** NDJSON; every line ends with a newline. */
  text = '';
  count = 0;
  bytes = 0;
  /** What `emit` refused first. */
  refused: { thrown: unknown } | null = null;
  readonly #bounds: OutputBounds;
  readonly #grown: (bytes: number) => void;
  #closed = '';

  constructor(bounds: OutputBounds, grown: (bytes: number) => void) {
    this.#bounds = bounds;
    this.#grown = grown;
  }

  /** `ctx.emit`. Throws when the event is refused, or comes too late. */
  readonly emit = (event: unknown): void => {
    if (this.#closed !== '') throw new RealError(this.#closed);
    try {
      this.#add(event);
    } catch (thrown) {
      this.refused ??= { thrown };
      this.close('emit was refused before: this call has failed');
      throw thrown;
    }
  };

  /** What `process` returned: an event, an array of them, or nothing. Throws when it is none of these. */
  take(returned: unknown): void {
    if (returned === undefined || returned === null) return;
    if (!isArray(returned)) return this.emit(returned);
    if (returned.length > this.#bounds.maxEvents) throw this.#tooMany();
    for (let i = 0; i < returned.length; i++) this.emit(returned[i] as unknown);
  }

  /** From now on `emit` throws an error with this message. */
  close(why: string): void {
    this.#closed = why;
  }

  clear(): void {
    this.text = '';
    this.count = 0;
    this.bytes = 0;
  }

  #add(event: unknown): void {
    if (this.count >= this.#bounds.maxEvents) throw this.#tooMany();
    const line = outputLine(event);
    const bytes = utf8Length(line) + 1;
    if (!(bytes > 1)) throw new BadValueError('an event that cannot be written as JSON');
    const { maxBytes } = this.#bounds;
    if (this.bytes + bytes > maxBytes) {
      throw new TaskFailure('memory', `more than ${maxBytes} bytes of events were emitted`);
    }
    this.text += `${line}\n`;
    this.count++;
    this.bytes += bytes;
    this.#grown(bytes);
  }

  #tooMany(): TaskFailure {
    return new TaskFailure('memory', `one event may emit at most ${this.#bounds.maxEvents} events`);
  }
}
