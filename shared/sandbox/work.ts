// What a run of user code is given, and what it runs: the words between user-calls.ts and those who use it.
import {
  OUTPUT_BATCH_MAX_BYTES,
  PROCESS_IN_FLIGHT,
  PROCESS_QUIET_MS,
  PROCESS_START_MS,
  PROCESS_TIMEOUT_MS,
} from '../limits.ts';
import type { ProgramOrigin } from './task-error.ts';
import type { ProcessorFactory } from './load.ts';
import type { ProcessHost } from './host.ts';
import type { Slot } from './slot.ts';

export interface ProcessBounds {
  inFlight: number;
  startMs: number;
  timeoutMs: number;
  quietMs: number;
  outputMaxBytes: number;
}

export const PROCESS_BOUNDS: ProcessBounds = {
  inFlight: PROCESS_IN_FLIGHT,
  startMs: PROCESS_START_MS,
  timeoutMs: PROCESS_TIMEOUT_MS,
  quietMs: PROCESS_QUIET_MS,
  outputMaxBytes: OUTPUT_BATCH_MAX_BYTES,
};

/** What every run is made of, whatever it runs. */
export interface CodeRun<Call> {
  factory: ProcessorFactory;
  call: Call;
  host: ProcessHost;
  /** Where stacks find the program's first line in this realm. */
  origin: ProgramOrigin;
  /** Steps that one event may take; null when the program is not guarded. */
  guardSteps: number | null;
  bounds?: ProcessBounds;
}

/** Many calls of user code, by their order. `Own`: what it keeps of each. */
export interface Work<Own> {
  readonly count: number;
  /** The function that is called, for messages. */
  readonly name: string;
  /** Null: passed over. Also called anew for a call that is made a second time. */
  open(order: number): Own | null;
  /** Calls user code; throws what it throws. */
  call(slot: Slot<Own>): unknown;
  /** Takes what it returned. Throws when that is refused. */
  take(slot: Slot<Own>, returned: unknown): void;
  /** False: it has to wait for others, until `UserCalls.ready` is told so. */
  mayBegin?(slot: Slot<Own>): boolean;
  /** It has ended; one that is dropped may not have begun. */
  ended?(slot: Slot<Own>): void;
  /** The run ends before it, whether it has ended or not. May be said twice. */
  dropped?(slot: Slot<Own>): void;
  /** It and all before it have ended, and count. Called in order. */
  passed?(slot: Slot<Own>): void;
  /** Nothing runs any more. */
  finishing?(): void;
}
