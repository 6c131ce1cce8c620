// Reports to the lobby, gathered: thousands of tiny tasks a second travel in a few frames. Knows when the next
// frame is due and what fits in it; sends nothing itself. Pure.
import { FRAME_MAX_BYTES, FRAMES_PER_SECOND_MAX, GRANT_MAX_TASKS } from '../../shared/limits.ts';
import type { ClientMessage } from '../../shared/protocol.ts';
import type { TaskError } from '../../shared/schemas/job.ts';

/** How long a report may wait for company. */
const GATHER_MS = 50;
/** Room for progress and capacity in the lobby's budget of frames. */
const FRAME_GAP_MS = 1_000 / (FRAMES_PER_SECOND_MAX * 0.8);
/** JSON escapes and non-ASCII letters may double a text: stay at half. */
const FRAME_CHARS = FRAME_MAX_BYTES / 2;

interface Done {
  lease: string;
  receipt: string;
  ms: number;
}
interface Failed {
  lease: string;
  error: TaskError;
  ms: number;
}

export class Outbox {
  #done: Done[] = [];
  #failed: Failed[] = [];
  #returned: string[] = [];
  #firstMs = 0;
  #nextFrameMs = 0;

  get size(): number {
    return this.#done.length + this.#failed.length + this.#returned.length;
  }

  done(report: Done, nowMs: number): void {
    this.#note(nowMs);
    this.#done.push(report);
  }

  failed(report: Failed, nowMs: number): void {
    this.#note(nowMs);
    this.#failed.push(report);
  }

  returned(lease: string, nowMs: number): void {
    this.#note(nowMs);
    this.#returned.push(lease);
  }

  /** When to call `take`; null while there is nothing to say. `dry`: nothing more comes, so why wait. */
  dueAtMs(dry: boolean): number | null {
    if (this.size === 0) return null;
    const waitsFor =
      dry || this.size >= GRANT_MAX_TASKS ? this.#firstMs : this.#firstMs + GATHER_MS;
    return Math.max(waitsFor, this.#nextFrameMs);
  }

  /** The frames to send now. What does not fit stays for the next time. */
  take(nowMs: number): ClientMessage[] {
    const frames: ClientMessage[] = [];
    const done = cut(this.#done, ({ lease, receipt }) => lease.length + receipt.length + 60);
    if (done.length > 0) frames.push({ type: 'done', results: done });
    const failed = cut(this.#failed, (report) => JSON.stringify(report).length);
    if (failed.length > 0) frames.push({ type: 'failed', failures: failed });
    const returned = cut(this.#returned, (lease) => lease.length + 4);
    if (returned.length > 0) frames.push({ type: 'returned', leases: returned });
    this.#firstMs = nowMs;
    this.#nextFrameMs = nowMs + frames.length * FRAME_GAP_MS;
    return frames;
  }

  /** The socket closed: the lobby has freed these leases already. */
  clear(): void {
    this.#done = [];
    this.#failed = [];
    this.#returned = [];
  }

  #note(nowMs: number): void {
    if (this.size === 0) this.#firstMs = nowMs;
  }
}

/** Takes from the front what fits in one frame; at least one item. */
function cut<Item>(items: Item[], charsOf: (item: Item) => number): Item[] {
  let chars = 0;
  let count = 0;
  for (const item of items) {
    chars += charsOf(item);
    if (count > 0 && (chars > FRAME_CHARS || count >= GRANT_MAX_TASKS)) break;
    count++;
  }
  return items.splice(0, count);
}
