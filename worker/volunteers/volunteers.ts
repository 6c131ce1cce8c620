// What a lobby knows of one connected volunteer. Identity lives in the socket's attachment, since the
// object may sleep between two messages; what is in hand lives in memory and is rebuilt by asking.
import { FRAMES_PER_SECOND_MAX } from '../../shared/limits.ts';
import type { Volunteer } from '../../shared/schemas/swarm.ts';
import { FrameBudget, smoothedMs, targetLeases } from './grants.ts';

/** Survives hibernation; at most 16 KiB as the platform stores it. */
export interface Identity {
  id: string;
  secret: string;
  name: string;
  cores: number;
  slots: number;
  state: 'lending' | 'snoozed' | 'finishing';
  network: string;
  tasks: number;
  bytes: number;
  streak: number;
  valid: number;
  invalid: number;
}

/** Before `hello` a socket has only this. */
export interface Visitor {
  id: null;
  network: string;
}

export class Connected {
  readonly identity: Identity;
  /** Lease tokens in hand, by job. */
  readonly leases = new Map<string, Set<string>>();
  /** Jobs that had nothing for this volunteer when last asked. */
  readonly exhausted = new Set<string>();
  readonly plansSent = new Set<string>();
  readonly budget: FrameBudget;
  /** The job that is being asked for leases now. */
  asking: string | null = null;
  idleReason: string | null = null;
  /** Moves on with every grant, so that jobs take turns. */
  turn = 0;
  readonly #taskMs = new Map<string, number>();

  constructor(identity: Identity, nowMs: number) {
    this.identity = identity;
    this.budget = new FrameBudget(FRAMES_PER_SECOND_MAX, nowMs);
  }

  get held(): number {
    let held = 0;
    for (const leases of this.leases.values()) held += leases.size;
    return held;
  }

  get lending(): boolean {
    return this.identity.state === 'lending' && this.identity.slots > 0;
  }

  took(job: string, ms: number): void {
    this.#taskMs.set(job, smoothedMs(this.#taskMs.get(job) ?? null, ms));
  }

  target(job: string): number {
    return targetLeases(this.identity.slots, this.#taskMs.get(job) ?? null);
  }

  forget(job: string): string[] {
    const leases = [...(this.leases.get(job) ?? [])];
    this.leases.delete(job);
    this.exhausted.delete(job);
    this.plansSent.delete(job);
    this.#taskMs.delete(job);
    if (this.asking === job) this.asking = null;
    return leases;
  }

  shown(): Volunteer {
    const { id, name, cores, state, streak, valid, invalid, tasks, bytes, network } = this.identity;
    const lending = this.held > 0 ? 'working' : 'idle';
    return {
      id,
      name,
      cores,
      state: state === 'lending' ? lending : state,
      reputation: { streak, valid, invalid },
      tasks,
      bytes,
      network,
    };
  }
}
