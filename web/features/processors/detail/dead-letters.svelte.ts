// The dead letters on the screen: the first pages, which of them are chosen, and sending them again.
import type { DeadLetter, RedriveBody } from '../../../../shared/schemas/processor.ts';
import type { Problem } from '../../../../shared/schemas/problem.ts';
import { asProblem, client } from '../../../lib/api.ts';

const PAGE_ITEMS = 50;
/** More are redriven by "all", not by choosing. */
const SHOWN_MAX = 500;

export class DeadLetters {
  readonly processor: string;
  items: readonly DeadLetter[] = $state.raw([]);
  next: string | null = $state(null);
  loaded = $state(false);
  busy = $state(false);
  problem: Problem | null = $state.raw(null);
  said = $state('');
  #chosen: readonly string[] = $state.raw([]);
  #limit = PAGE_ITEMS;

  constructor(processor: string) {
    this.processor = processor;
  }

  get chosen(): readonly string[] {
    return this.#chosen;
  }
  get canLoadMore(): boolean {
    return this.next !== null && this.#limit < SHOWN_MAX;
  }

  async load(): Promise<void> {
    try {
      const page = await client.processors.deadLetters(this.processor, { limit: this.#limit });
      this.items = page.items;
      this.next = page.next;
      this.loaded = true;
      this.problem = null;
      const there = page.items.map(({ id }) => id);
      this.#chosen = this.#chosen.filter((id) => there.includes(id));
    } catch (failure) {
      this.problem = asProblem(failure);
    }
  }

  async loadMore(): Promise<void> {
    this.#limit += PAGE_ITEMS;
    await this.load();
  }

  choose(id: string, chosen: boolean): void {
    const others = this.#chosen.filter((other) => other !== id);
    this.#chosen = chosen ? [...others, id] : others;
  }

  chooseAll(chosen: boolean): void {
    this.#chosen = chosen ? this.items.map(({ id }) => id) : [];
  }

  async redrive(which: { ids: readonly string[] } | 'all', ratePerSecond: number | null) {
    if (this.busy) return;
    this.busy = true;
    this.problem = null;
    this.said = '';
    const body: RedriveBody = {
      ...(which === 'all' ? { all: true } : { ids: [...which.ids] }),
      ...(ratePerSecond !== null && ratePerSecond > 0 && { ratePerSecond }),
    };
    try {
      const { redriven } = await client.processors.redrive(this.processor, body);
      this.said = `${redriven} ${redriven === 1 ? 'is' : 'are'} on the way again`;
      this.#chosen = [];
      await this.load();
    } catch (failure) {
      this.problem = asProblem(failure);
    } finally {
      this.busy = false;
    }
  }
}
