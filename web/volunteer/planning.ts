// What the pool decides, as functions of values: what to download ahead, which ready task an idle worker
// takes, whose time is up, and how the workers are shown. Pure.
import { MIB } from '../../shared/limits.ts';
import type { Split } from '../../shared/mapreduce/task.ts';

/** Inputs downloading or waiting beside those that run: one for each worker and two to spare. */
export function inputsHeldMax(slots: number): number {
  return slots + 2;
}

/** Bytes downloading at once for each worker. */
const DOWNLOAD_BYTES_PER_SLOT = 4 * MIB;

/**
 * Whether another input may start downloading. Large ones come one after the other: at once they share the
 * line and all come late, while the workers wait. Small ones come together, since their price is the round trip.
 */
export function mayDownload(inFlightBytes: number, nextBytes: number, slots: number): boolean {
  if (inFlightBytes === 0) return true;
  return inFlightBytes + nextBytes <= Math.max(1, slots) * DOWNLOAD_BYTES_PER_SLOT;
}

/** Bytes that a task's input has, before the edge aligns it. */
export const inputBytes = (split: Split): number =>
  split.kind === 'bytes' ? split.end - split.start : 0;

/** Spills on their way up before workers wait: their memory is bounded, and the browser sends six at once. */
export function spillsHeldMax(slots: number): number {
  return slots + 6;
}

/** A task that waits longer than this goes first, whatever its program. */
const PATIENCE_MS = 1_000;

export interface Ready {
  programHash: string;
  readyAtMs: number;
}

/**
 * Which of the ready tasks (oldest first) an idle worker takes; −1 for none. A worker serves one program, and
 * a new worker costs tens of milliseconds, so it prefers its own, unless another has waited too long.
 */
export function nextToRun(
  ready: readonly Ready[],
  programHash: string | null,
  nowMs: number,
): number {
  const oldest = ready[0];
  if (oldest === undefined) return -1;
  if (programHash === null || nowMs - oldest.readyAtMs > PATIENCE_MS) return 0;
  const own = ready.findIndex((task) => task.programHash === programHash);
  return own < 0 ? 0 : own;
}

/** A transfer that takes this long will not end: a 64 MiB spill at 2 Mbit/s takes 270 s. */
const TRANSFER_MAX_MS = 5 * 60_000;

export type Stage = 'waiting' | 'downloading' | 'ready' | 'running' | 'uploading';

export interface Timed {
  stage: Stage;
  /** When the stage began. */
  sinceMs: number;
  deadlineMs: number;
}

/** `give-back`: not the program's fault. `fail`: it ran out of its lease while it ran. */
export function overdue(held: Timed, nowMs: number): 'give-back' | 'fail' | null {
  const transferring = held.stage === 'downloading' || held.stage === 'uploading';
  if (transferring && nowMs - held.sinceMs > TRANSFER_MAX_MS) return 'give-back';
  if (nowMs < held.deadlineMs) return null;
  return held.stage === 'running' ? 'fail' : 'give-back';
}

/** A task as it is shown at a worker. */
export interface Shown {
  job: string;
  jobName: string;
  task: number;
  fraction: number;
  startedAtMs: number;
}

export interface WorkerView {
  index: number;
  state: 'idle' | 'downloading' | 'running' | 'uploading';
  job: string | null;
  jobName: string;
  task: number | null;
  fraction: number;
  startedAtMs: number | null;
}

/**
 * One view a worker: what it runs, else a transfer that keeps it waiting. Uploads come first: what is
 * uploaded was computed here.
 */
export function workerViews(
  running: readonly (Shown | null)[],
  uploading: readonly Shown[],
  downloading: readonly Shown[],
): WorkerView[] {
  const transfers = [
    ...uploading.map((shown) => ({ state: 'uploading' as const, shown })),
    ...downloading.map((shown) => ({ state: 'downloading' as const, shown })),
  ];
  let next = 0;
  return running.map((shown, index): WorkerView => {
    if (shown) return { index, state: 'running', ...shown };
    const transfer = transfers[next++];
    if (transfer) return { index, state: transfer.state, ...transfer.shown };
    const none = { job: null, jobName: '', task: null, fraction: 0, startedAtMs: null };
    return { index, state: 'idle', ...none };
  });
}
