// The programs of the jobs that this tab works for: each is downloaded once, kept while it is of use, and shown
// to the person who lends the machine.
import { programSource } from '../../shared/sandbox/program-text.ts';
import type { MapPlan } from '../../shared/mapreduce/task.ts';

/** Programs kept, as texts to run and as code to show. */
const PROGRAMS_MAX = 10;

export interface SeenProgram {
  job: string;
  name: string;
  code: string;
}

export class ProgramCache {
  /** In the order of their last use. */
  readonly #texts = new Map<string, string>();
  readonly #loading = new Map<string, Promise<void>>();
  readonly #fetch: (lease: string, signal: AbortSignal) => Promise<string>;
  /** What runs or ran here, newest first. */
  seen: SeenProgram[] = [];

  constructor(fetch: (lease: string, signal: AbortSignal) => Promise<string>) {
    this.#fetch = fetch;
  }

  text(programHash: string): string | null {
    return this.#texts.get(programHash) ?? null;
  }

  /** Null: it is here. One download serves all who wait; if its lease is lost, it fails for them all. */
  load(programHash: string, lease: string): Promise<void> | null {
    if (this.#texts.has(programHash)) return null;
    let loading = this.#loading.get(programHash);
    if (!loading) {
      // Not bound to the one task's own signal: others wait for it.
      loading = this.#fetch(lease, new AbortController().signal)
        .then((text) => void this.#texts.set(programHash, text))
        .finally(() => this.#loading.delete(programHash));
      this.#loading.set(programHash, loading);
    }
    return loading;
  }

  /** The text of a program that was loaded. Throws if it was not. */
  use({ job, name, programHash }: MapPlan): string {
    const text = this.#texts.get(programHash);
    if (text === undefined) throw new Error(`the program of ${job} was not loaded`);
    this.#texts.delete(programHash);
    this.#texts.set(programHash, text);
    if (this.seen[0]?.job !== job) {
      const others = this.seen.filter((program) => program.job !== job);
      this.seen = [{ job, name, code: programSource(text) }, ...others].slice(0, PROGRAMS_MAX);
    }
    return text;
  }

  /** Forgets the texts longest unused, but none of those in use. */
  trim(inUse: ReadonlySet<string>): void {
    for (const programHash of this.#texts.keys()) {
      if (this.#texts.size <= PROGRAMS_MAX) return;
      if (!inUse.has(programHash)) this.#texts.delete(programHash);
    }
  }
}
