// Failures of what is tried again, by name. The first is logged, and when they are over the last: not each between.
export class Failures {
  readonly #byName = new Map<string, { count: number; last: unknown }>();

  /** How often it has failed in a row, this time included. */
  failed(name: string, error: unknown): number {
    const count = (this.#byName.get(name)?.count ?? 0) + 1;
    this.#byName.set(name, { count, last: error });
    if (count === 1) console.error(`${name} failed; it is tried again later`, error);
    return count;
  }

  /** It went well, or is not tried any more. */
  over(name: string): void {
    const failures = this.#byName.get(name);
    if (!failures) return;
    this.#byName.delete(name);
    const { count, last } = failures;
    if (count > 1)
      console.error(`${name} failed ${count} times in a row, the last time with`, last);
  }

  clear(): void {
    this.#byName.clear();
  }
}
