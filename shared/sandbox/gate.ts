// Who may ask the host now: at most so many calls are open, and so many bytes of payloads held, at once.
// Callers wait in the order of their events, and the earliest event that is not done never waits for bytes:
// so a batch always moves on.

interface Waiting {
  order: number;
  bytes: number;
  go: () => void;
}

export class Gate {
  #open = 0;
  #held = 0;
  #waiting: Waiting[] = [];
  readonly #callsMax: number;
  readonly #bytesMax: number;
  readonly #first: () => number;

  /** `first` tells the order of the earliest event that is not done. */
  constructor(callsMax: number, bytesMax: number, first: () => number) {
    this.#callsMax = callsMax;
    this.#bytesMax = bytesMax;
    this.#first = first;
  }

  get open(): number {
    return this.#open;
  }
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Calls `go`, now or later, when the call may begin; that caller then calls `leave`, and `free` for bytes. */
  enter(order: number, bytes: number, go: () => void): void {
    this.#waiting[this.#waiting.length] = { order, bytes, go };
    this.look();
  }

  leave(): void {
    this.#open--;
    this.look();
  }

  free(bytes: number): void {
    this.#held -= bytes;
    this.look();
  }

  /** Lets in the calls that may begin: also called when the earliest event has become another one. */
  look(): void {
    while (this.#open < this.#callsMax) {
      const next = this.#next();
      if (!next) return;
      this.#open++;
      this.#held += next.bytes;
      next.go();
    }
  }

  #next(): Waiting | null {
    let found: Waiting | null = null;
    for (let i = 0; i < this.#waiting.length; i++) {
      const candidate = this.#waiting[i] as Waiting;
      if (found && candidate.order >= found.order) continue;
      const fits = this.#held + candidate.bytes <= this.#bytesMax;
      if (candidate.bytes === 0 || fits || candidate.order <= this.#first()) found = candidate;
    }
    if (!found) return null;
    const left: Waiting[] = [];
    for (let i = 0; i < this.#waiting.length; i++) {
      const other = this.#waiting[i] as Waiting;
      if (other !== found) left[left.length] = other;
    }
    this.#waiting = left;
    return found;
  }
}
