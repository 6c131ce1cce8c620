// What a job says to others: wake-ups to the queues, its summary to the catalog, work, endings and credits to the
// lobbies. All of it may get lost; the JobObject's alarm and the lobbies' questions make up for it.
import { SUMMARY_MS } from '../../../shared/limits.ts';
import type { Env } from '../../platform/env.ts';
import { catalog, lobbies, lobbyByName, lobbyNameOf, runObject } from '../../stubs.ts';
import type { Outgoing, SetTimer } from './job-arbiter.ts';
import { hasEnded } from './job-machine.ts';
import { addInto, type LoadedJob, summaryView } from './job-record.ts';
import type { Credit } from '../../contracts/job.rpc.ts';

/** Messages that one sendBatch takes. */
const BATCH_MESSAGES = 100;
const SUMMARY_RETRY_MS = 10_000;

export interface AnnouncerPorts {
  /** The job as it is now; null: it was deleted. */
  job: () => LoadedJob | null;
  timer: SetTimer;
  /** Keeps the object awake until the work is done. */
  later: (work: Promise<unknown>) => void;
}

export class JobNotifier {
  readonly #env: Env;
  readonly #ports: AnnouncerPorts;
  /** Lobbies that were told "nothing now" and want to know when there is. */
  readonly #wantsWork = new Set<string>();
  #lastSummaryMs = 0;

  constructor(env: Env, ports: AnnouncerPorts) {
    this.#env = env;
    this.#ports = ports;
  }

  /** After a change: sends the wake-ups, and says what has become of the job. `now`: the catalog must not wait. */
  async tell(job: LoadedJob, out: Outgoing, now: boolean, nowMs: number): Promise<void> {
    // A wake-up that does not go out is sent again by the alarm: what was decided stands in any case.
    await Promise.allSettled([
      this.#ringMap(job, out.rings),
      this.#ringReduce(job, out.partitions),
    ]);
    const ended = hasEnded(job.record.state);
    if (now || ended || out.moved) await this.tellCatalog(nowMs);
    else if (nowMs - this.#lastSummaryMs >= SUMMARY_MS) this.#ports.later(this.tellCatalog(nowMs));
    else this.#ports.timer('summary', this.#lastSummaryMs + SUMMARY_MS);
    if (ended || out.moved) this.#endLobbies(job);
    if (ended) this.#tellRun(job);
  }

  async #ringMap({ record }: LoadedJob, rings: number[]): Promise<void> {
    if (rings.length === 0) return;
    const { job } = record.submission;
    await this.#env.MAP_QUEUE.sendBatch(rings.map((ring) => ({ body: { job, ring } })));
    addInto(record.operations, { queueOperation: 3 * rings.length, workerRequest: rings.length });
  }

  async #ringReduce({ record }: LoadedJob, partitions: number[]): Promise<void> {
    const { job } = record.submission;
    for (let i = 0; i < partitions.length; i += BATCH_MESSAGES) {
      const some = partitions.slice(i, i + BATCH_MESSAGES);
      await this.#env.REDUCE_QUEUE.sendBatch(
        some.map((partition) => ({ body: { job, partition } })),
      );
    }
  }

  async tellCatalog(nowMs: number): Promise<void> {
    const job = this.#ports.job();
    if (!job) return;
    this.#lastSummaryMs = nowMs;
    this.#ports.timer('summary', null);
    try {
      await catalog(this.#env).updateJob(summaryView(job));
    } catch {
      this.#ports.timer('summary', nowMs + SUMMARY_RETRY_MS);
    }
  }

  /** A run that does not hear it asks by itself, a little later. */
  #tellRun({ record: { submission } }: LoadedJob): void {
    const { run, job } = submission;
    if (run === undefined) return;
    const told = runObject(this.#env, run).jobEnded(job);
    this.#ports.later(told.catch(() => undefined));
  }

  wantsWork(lobby: string): void {
    this.#wantsWork.add(lobby);
  }

  /** Says to lobbies that this job has tasks: to all, or only to those that asked in vain. */
  callLobbies(onlyWanting: boolean): void {
    const job = this.#ports.job();
    if (!job || job.spec.mappers === 'edge' || job.plan.kind === 'scan' || !job.map.hasWork) return;
    const stubs = onlyWanting
      ? [...this.#wantsWork].map((name) => lobbyByName(this.#env, name))
      : lobbies(this.#env);
    this.#wantsWork.clear();
    const { job: id } = job.record.submission;
    this.#ports.later(Promise.allSettled(stubs.map((lobby) => lobby.jobAvailable(id))));
  }

  #endLobbies({ record, spec }: LoadedJob): void {
    if (record.state === 'queued' || record.state === 'mapping' || spec.mappers === 'edge') return;
    const { job: id } = record.submission;
    this.#ports.later(
      Promise.allSettled(lobbies(this.#env).map((lobby) => lobby.jobEnded(id, record.reason))),
    );
  }

  /** Sends credits to the volunteers' lobbies; answers those of `lobby`, which is being answered anyway. */
  sendCredits(credits: Credit[], lobby: string): Credit[] {
    const byLobby = Map.groupBy(credits, ({ by }) => lobbyNameOf(by));
    const own = byLobby.get(lobby) ?? [];
    byLobby.delete(lobby);
    const calls = [...byLobby].map(([name, some]) => lobbyByName(this.#env, name).credit(some));
    if (calls.length > 0) this.#ports.later(Promise.allSettled(calls));
    return own;
  }
}
