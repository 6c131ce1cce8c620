// Open calls that wait in one object for something to happen, as live readers make them. In memory only: a caller whose
// object restarts asks again.

/** `late`: the time is over. `full`: too many wait already; the caller asks again later, after a pause of its own. */
export type Waited = 'woken' | 'late' | 'full';

export class Waiters {
  readonly #max: number;
  readonly #waiting = new Set<(how: Waited) => void>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Resolves at the next `wake`, or after `waitMs`. */
  wait(waitMs: number): Promise<Waited> {
    if (this.#waiting.size >= this.#max) return Promise.resolve('full');
    const { promise, resolve } = Promise.withResolvers<Waited>();
    const end = (how: Waited) => {
      clearTimeout(timer);
      this.#waiting.delete(end);
      resolve(how);
    };
    const timer = setTimeout(() => end('late'), waitMs);
    this.#waiting.add(end);
    return promise;
  }

  wake(): void {
    for (const end of [...this.#waiting]) end('woken');
  }
}
