// What volunteers earned with a job, until their lobbies are told. verification.ts says what earns what.
import type { AttemptRecord } from './attempts.ts';
import type { Credit } from '../../contracts/job.rpc.ts';
import { creditsOf } from './verification.ts';

export class CreditBook {
  #credits = new Map<string, Credit>();

  /** Enters the attempts that one call to the map stage changed, each once. */
  enter(changed: AttemptRecord[]): void {
    for (const { by, tasks, bytes, verified, rejected } of creditsOf(changed)) {
      const sum = this.#credits.get(by) ?? { by, tasks: 0, bytes: 0, verified: 0, rejected: 0 };
      sum.tasks += tasks;
      sum.bytes += bytes;
      sum.verified += verified;
      sum.rejected += rejected;
      this.#credits.set(by, sum);
    }
  }

  /** All that was earned since the last call. */
  take(): Credit[] {
    const credits = [...this.#credits.values()];
    this.#credits = new Map();
    return credits;
  }
}
