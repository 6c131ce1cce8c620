// The partitions that windows read: who is subscribed, who may have more, and what lies between two places.
import { CONNECTIONS_MAX } from '../../../shared/limits.ts';
import type { Env } from '../../platform/env.ts';
import { logObject } from '../../stubs.ts';
import { sideBySide } from '../../platform/side-by-side.ts';
import type { LogRpc, Measured, Point } from '../../contracts/log.rpc.ts';
import type { Cursor, Question } from './batch-machine.ts';

type Place = Pick<Cursor, 'streamUid' | 'partition'>;

export class BatchLogs {
  readonly #env: Env;
  /** Cursors whose partition may have more, in the order in which they are asked. */
  readonly #hasMore = new Set<Cursor>();
  /** Cursors known to be at the end of their partition. */
  readonly #resting = new Set<Cursor>();

  constructor(env: Env) {
    this.#env = env;
  }

  /** Whose turn it is to be asked. */
  get next(): Cursor | null {
    const [first] = this.#hasMore;
    return first ?? null;
  }

  get hasMore(): boolean {
    return this.#hasMore.size > 0;
  }

  rests(cursor: Cursor): boolean {
    return this.#resting.has(cursor);
  }

  rouse(cursor: Cursor): void {
    this.#hasMore.add(cursor);
    this.#resting.delete(cursor);
  }

  rest(cursor: Cursor): void {
    this.#hasMore.delete(cursor);
    this.#resting.add(cursor);
  }

  drop(cursor: Cursor): void {
    this.#hasMore.delete(cursor);
    this.#resting.delete(cursor);
  }

  clear(): void {
    this.#hasMore.clear();
    this.#resting.clear();
  }

  measure(cursor: Cursor, { from, maxEvents, maxBytes }: Question): Promise<Measured> {
    // The next turn is another partition's, also when this one does not answer.
    this.#hasMore.delete(cursor);
    this.#hasMore.add(cursor);
    return this.#log(cursor).measure(from, maxEvents, maxBytes);
  }

  /** It is at the end, as far as is known. A wake-up that comes while the log answers makes it hasMore again. */
  async caughtUp(window: string, cursor: Cursor): Promise<void> {
    this.rest(cursor);
    if (!(await this.#log(cursor).caughtUp(window, cursor.next))) this.rouse(cursor);
  }

  /** From now on its wake-ups are sent; answers where each is read from. */
  async subscribe<One extends Place>(
    window: string,
    places: readonly One[],
    fromOf: (one: One) => Point,
  ): Promise<(One & { next: number })[]> {
    return sideBySide(places, CONNECTIONS_MAX, async (one) => {
      const { streamUid, partition } = one;
      const wakeUp = { kind: 'look' as const, window, streamUid, partition };
      return { ...one, next: await this.#log(one).subscribe(window, wakeUp, fromOf(one)) };
    });
  }

  async unsubscribe(window: string, places: readonly Place[]): Promise<void> {
    await sideBySide(places, CONNECTIONS_MAX, (one) => this.#log(one).unsubscribe(window));
  }

  #log({ streamUid, partition }: Place): LogRpc {
    return logObject(this.#env, { uid: streamUid, partition });
  }
}
