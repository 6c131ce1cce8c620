// What a job says to others: wake-ups to the queues, its summary to the catalog, work, endings and credits to the
// lobbies. All of it may get lost; the JobObject's alarm and the lobbies' questions make up for it.
import type { JobSummary } from '../../../shared/schemas/job.ts';
import type { Env } from '../../platform/env.ts';
import { catalog, lobbies, lobbyByName, lobbyNameOf, runObject } from '../../stubs.ts';
import { addInto, type LoadedJob } from './job-record.ts';
import type { Credit } from '../../contracts/job.rpc.ts';

/** Messages that one sendBatch takes. */
const BATCH_MESSAGES = 100;

export class JobNotifier {
  readonly #env: Env;
  readonly #later: (work: Promise<unknown>) => void;
  /** Lobbies that were told "nothing now" and want to know when there is. */
  readonly #wantsWork = new Set<string>();

  /** `later` keeps the object awake until the work is done. */
  constructor(env: Env, later: (work: Promise<unknown>) => void) {
    this.#env = env;
    this.#later = later;
  }

  async ringMap({ record }: LoadedJob, rings: number[]): Promise<void> {
    if (rings.length === 0) return;
    const { job } = record.submission;
    await this.#env.MAP_QUEUE.sendBatch(rings.map((ring) => ({ body: { job, ring } })));
    addInto(record.operations, { queueOperation: 3 * rings.length, workerRequest: rings.length });
  }

  async ringReduce({ record }: LoadedJob, partitions: number[]): Promise<void> {
    const { job } = record.submission;
    for (let i = 0; i < partitions.length; i += BATCH_MESSAGES) {
      const some = partitions.slice(i, i + BATCH_MESSAGES);
      await this.#env.REDUCE_QUEUE.sendBatch(
        some.map((partition) => ({ body: { job, partition } })),
      );
    }
  }

  async tellCatalog(summary: JobSummary): Promise<void> {
    await catalog(this.#env).updateJob(summary);
  }

  /** A run that does not hear it asks by itself, a little later. */
  tellRun({ record: { submission } }: LoadedJob): void {
    const { run, job } = submission;
    if (run !== undefined)
      this.#later(
        runObject(this.#env, run)
          .jobEnded(job)
          .catch(() => undefined),
      );
  }

  wantsWork(lobby: string): void {
    this.#wantsWork.add(lobby);
  }

  /** Says to lobbies that this job has tasks: to all, or only to those that asked in vain. */
  callLobbies(job: LoadedJob, onlyWanting: boolean): void {
    if (job.spec.mappers === 'edge' || job.plan.kind === 'scan' || !job.map.hasWork) return;
    const stubs = onlyWanting
      ? [...this.#wantsWork].map((name) => lobbyByName(this.#env, name))
      : lobbies(this.#env);
    this.#wantsWork.clear();
    const { job: id } = job.record.submission;
    this.#later(Promise.allSettled(stubs.map((lobby) => lobby.jobAvailable(id))));
  }

  endLobbies({ record, spec }: LoadedJob): void {
    if (record.state === 'queued' || record.state === 'mapping' || spec.mappers === 'edge') return;
    const { job: id } = record.submission;
    this.#later(
      Promise.allSettled(lobbies(this.#env).map((lobby) => lobby.jobEnded(id, record.reason))),
    );
  }

  /** Sends credits to the volunteers' lobbies; answers those of `lobby`, which is being answered anyway. */
  sendCredits(credits: Credit[], lobby: string): Credit[] {
    const byLobby = Map.groupBy(credits, ({ by }) => lobbyNameOf(by));
    const own = byLobby.get(lobby) ?? [];
    byLobby.delete(lobby);
    const calls = [...byLobby].map(([name, some]) => lobbyByName(this.#env, name).credit(some));
    if (calls.length > 0) this.#later(Promise.allSettled(calls));
    return own;
  }
}
