// What volunteers earned with a job, until their lobbies are told. A result is verified when another attempt,
// by another volunteer or the edge, had the same digest; unverified ones count as work, not as reputation.
import { type AttemptRecord, EDGE } from './attempts.ts';
import type { Credit } from '../../contracts/job.rpc.ts';

export class CreditBook {
  #credits = new Map<string, Credit>();

  /** Enters the attempts that one call to the map stage changed, each once. */
  enter(changed: AttemptRecord[]): void {
    const agreeing = new Map<number, AttemptRecord[]>();
    for (const attempt of changed) {
      const { state, error, by, task } = attempt;
      if (state === 'committed' || state === 'discarded') {
        agreeing.set(task, [...(agreeing.get(task) ?? []), attempt]);
      } else if (by !== EDGE && state === 'failed') {
        if (error?.code === 'disagreement' || error?.code === 'bad_spill') this.#of(by).rejected++;
      }
    }
    for (const attempts of agreeing.values()) {
      // Discarded without a commit: a second answer of one volunteer.
      if (!attempts.some(({ state }) => state === 'committed')) continue;
      for (const { by, receipt } of attempts) {
        if (by === EDGE) continue;
        const credit = this.#of(by);
        credit.tasks++;
        credit.bytes += receipt?.trailer.bytesIn ?? 0;
        if (attempts.length > 1) credit.verified++;
      }
    }
  }

  /** All that was earned since the last call. */
  take(): Credit[] {
    const credits = [...this.#credits.values()];
    this.#credits = new Map();
    return credits;
  }

  #of(by: string): Credit {
    let credit = this.#credits.get(by);
    if (!credit) {
      credit = { by, tasks: 0, bytes: 0, verified: 0, rejected: 0 };
      this.#credits.set(by, credit);
    }
    return credit;
  }
}
