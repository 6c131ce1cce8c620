// What others may ask of a LobbyObject shard.
import type { Credit } from './job.rpc.ts';
import type { Volunteer } from '../../shared/schemas/swarm.ts';

export interface LobbyRpc {
  /** The WebSocket upgrade of one volunteer. */
  fetch(request: Request): Promise<Response>;
  /** A job has tasks for volunteers. */
  jobAvailable(job: string): Promise<void>;
  /** A job no longer maps: its leases are revoked. */
  jobEnded(job: string, reason: string): Promise<void>;
  /** What this lobby's volunteers earned, where it was not part of an answer. */
  credit(credits: Credit[]): Promise<void>;
  presence(): Promise<{ volunteers: Volunteer[]; tasksPerSecond: number }>;
}
