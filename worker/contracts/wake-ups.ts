// What the queues carry: wake-ups. They name what to look at, so that losing one, or hearing it twice, costs nothing.
import type { ConsumerRef, PartitionRef } from './names.ts';

/** Wakes an edge mapper (or the planner's scan) for a job. `ring` tells lost from late wake-ups. */
export interface MapWakeUp {
  job: string;
  ring: number;
}

export interface ReduceWakeUp {
  job: string;
  partition: number;
}

/** Wakes one reader of a partition. It names what to look at, and carries no event. */
export type StreamWakeUp =
  | { kind: 'consume'; consumer: ConsumerRef }
  /** A batch processor's windows: count what came. */
  | { kind: 'look'; window: string; streamUid: string; partition: number }
  /** A window that fired: run it. */
  | { kind: 'run'; window: string; number: number }
  | WatchWakeUp;

/** A step of a DAG run waits for events of this partition. */
export interface WatchWakeUp {
  kind: 'watch';
  run: string;
  step: string;
  source: PartitionRef;
}
