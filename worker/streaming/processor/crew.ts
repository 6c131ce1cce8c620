// Those who work for one generation of a processor, asked as one: a consumer for each partition, or the windows of
// a batch processor.
import type { List } from '../../../shared/schemas/common.ts';
import type {
  Batch,
  DeadLetter,
  OpenWindow,
  PartitionLag,
  ProcessorCounters,
  RedriveBody,
} from '../../../shared/schemas/processor.ts';
import type { Env } from '../../platform/env.ts';
import type { Point } from '../log/log.rpc.ts';
import type { Generation, TakeoverCrew } from './takeover.ts';

export interface CrewStatus {
  lag: Omit<PartitionLag, 'lag'>[];
  counters: ProcessorCounters;
  latency: number[];
  deadLetters: number;
  log: string[];
  operations: Record<string, number>;
  openWindow?: OpenWindow;
}

export interface Crew extends TakeoverCrew {
  /** They are in place, and where they begin is settled, when this returns. */
  configure(from: Point): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  status(): Promise<CrewStatus>;
  deadLetters(cursor: string | undefined, limit: number): Promise<List<DeadLetter>>;
  redrive(body: RedriveBody, nowMs: number): Promise<number>;
  /** Null: no batch processor. */
  windows: {
    drain(): Promise<void>;
    batches(cursor: string | undefined, limit: number): Promise<List<Batch>>;
  } | null;
}

/** What a crew is made from. */
export interface CrewOrders {
  env: Env;
  generation: Generation;
  paused: boolean;
  /** It tells the processor when it has caught up. */
  rebuilding: boolean;
}
