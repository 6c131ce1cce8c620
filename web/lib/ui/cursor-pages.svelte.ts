// A list that is read a page at a time, by cursor, and read again while it is looked at: the page stays where it
// is, and what is on it is kept new.
import type { List } from '../../../shared/schemas/common.ts';
import type { Problem } from '../../../shared/schemas/problem.ts';
import { type Poll, poll } from '../poll.svelte.ts';

/** Beside this it is asked for whenever the processor has worked. */
export const KEYED_POLL_MS = 5_000;

export class CursorPages<Item> {
  /** How this page and those before it were found; the first page needs none. */
  #cursors: readonly (string | undefined)[] = $state.raw([undefined]);
  readonly #poll: Poll<List<Item>>;
  #turning = 0;

  /** Call while a component is set up. */
  constructor(load: (cursor: string | undefined) => Promise<List<Item>>) {
    this.#poll = poll(() => load(this.#cursors.at(-1)), KEYED_POLL_MS);
  }

  get items(): readonly Item[] {
    return this.#poll.value?.items ?? [];
  }
  get loaded(): boolean {
    return this.#poll.value !== null;
  }
  get problem(): Problem | null {
    return this.#poll.problem;
  }
  /** From 1. */
  get page(): number {
    return this.#cursors.length;
  }
  get hasNext(): boolean {
    return (this.#poll.value?.next ?? null) !== null;
  }

  refresh(): Promise<void> {
    return this.#poll.refresh();
  }
  async forward(): Promise<void> {
    const next = this.#poll.value?.next;
    // A cursor of what was asked for before leads nowhere here.
    if (next && this.#turning === 0) await this.#turn([...this.#cursors, next]);
  }
  async back(): Promise<void> {
    if (this.#cursors.length > 1) await this.#turn(this.#cursors.slice(0, -1));
  }
  /** What is asked for has changed: from the first page again. */
  async restart(): Promise<void> {
    await this.#turn([undefined]);
  }

  async #turn(cursors: readonly (string | undefined)[]): Promise<void> {
    this.#cursors = cursors;
    this.#turning++;
    try {
      await this.refresh();
    } finally {
      this.#turning--;
    }
  }
}
