// The ids that a partition's events have, as far as they are remembered: all of them up to a bound, then the
// youngest. The index is in memory only, and made from the stored hashes when the first id comes.
import { hashId, type IdHashes, IdIndex, type IdKey } from './id-index.ts';
import type { LogAttachments } from './attachments.store.ts';

export class KnownIds {
  readonly #attachments: LogAttachments;
  readonly #max: number;
  #made: IdIndex | null = null;

  constructor(attachments: LogAttachments, max: number) {
    this.#attachments = attachments;
    this.#max = max;
  }

  /** Puts the hash of `id` into `hashes[at]`; false when it was known. */
  add(id: string, key: IdKey, hashes: IdHashes, at: number): boolean {
    hashId(id, key, hashes, at);
    return this.#index().add(hashes[at] as number, hashes[at + 1] as number);
  }

  /** Their events were not appended after all, or are gone. */
  drop(hashes: IdHashes): void {
    this.#made?.removeAll(hashes);
  }

  /** Memory may hold what storage took back. */
  reset(): void {
    this.#made = null;
  }

  /** Forgets the oldest, a sealed chunk at a time, until the bound holds. */
  trim(): void {
    const index = this.#made;
    while (index && index.size > this.#max) {
      const oldest = this.#attachments.takeOldestIds();
      if (!oldest) return;
      index.removeAll(oldest);
    }
  }

  #index(): IdIndex {
    if (!this.#made) {
      this.#made = new IdIndex();
      for (const ids of this.#attachments.ids()) this.#made.addAll(ids);
    }
    return this.#made;
  }
}
