// Steps that wait for events: which partitions they read, from where, and for which key. Wake-ups make the
// dispatcher read (watch.edge.ts); the place is remembered here, so that nothing is missed and little is read twice.
import { messageOf } from '../../../../shared/message-of.ts';
import { STEP_LOST_MAX, WATCH_PLACE_STORED_EVENTS } from '../../../../shared/limits.ts';
import { partitionOf } from '../../../../shared/mapreduce/hash.ts';
import type { Command } from './machine.ts';
import type { RunContext } from './run-context.ts';
import type { WatchRecord } from './run-record.ts';
import type { Watching } from '../../../contracts/run.rpc.ts';

export class RunWatches {
  readonly #context: RunContext;
  readonly #bySteps = new Map<string, WatchRecord[]>();
  /** Places as they are stored. */
  readonly #stored = new Map<WatchRecord, number>();

  constructor(context: RunContext) {
    this.#context = context;
  }

  takeUp(): void {
    for (const watch of this.#context.store.watches()) this.#add(watch);
    const nowMs = this.#context.ports.nowMs();
    for (const step of this.#bySteps.keys()) if (!this.#isWanted(step)) this.settle(step, nowMs);
  }

  #add(watch: WatchRecord): void {
    const own = this.#bySteps.get(watch.step);
    if (own) own.push(watch);
    else this.#bySteps.set(watch.step, [watch]);
    this.#stored.set(watch, watch.next);
  }

  #isWanted(step: string): boolean {
    const record = this.#context.record.steps[step];
    return record?.state === 'running' && record.key !== null;
  }

  /** Within a turn: what is about to be watched is stored, so that it is let go in any case. */
  noteIn(commands: readonly Command[]): void {
    for (const command of commands) {
      if (command.kind !== 'watch' || this.#bySteps.has(command.step)) continue;
      for (const watch of this.#placesOf(command.step, command.key)) {
        this.#context.store.saveWatch(watch);
        this.#add(watch);
      }
    }
  }

  /** Events of one key lie in one partition, if it is the key that partitions are made by. */
  #placesOf(step: string, key: string): WatchRecord[] {
    const { spec, streams } = this.#context.submitted;
    const definition = spec.steps[step];
    if (definition?.run !== 'wait') return [];
    const found = streams.find(({ stream }) => stream === definition.stream);
    if (!found) return [];
    const { stream, uid, ends } = found;
    const { keyBy = 'key' } = definition;
    const isOwnKey = [keyBy].flat().join() === 'key';
    const home = partitionOf(key, ends.length);
    return ends.flatMap((next, partition) =>
      isOwnKey && partition !== home ? [] : [{ step, partition, stream, uid, next }],
    );
  }

  /** Subscribes the step, or unsubscribes it. Effects of one step follow each other: the last wish comes true. */
  settle(step: string, nowMs: number): void {
    const context = this.#context;
    context.effects.add(`watch ${step}`, nowMs, async (failures) => {
      const watches = this.#bySteps.get(step) ?? [];
      if (!this.#isWanted(step)) {
        for (const watch of watches) {
          await context.ports.unwatch(context.id, watch);
          if (context.closed || this.#isWanted(step)) return null;
        }
        this.#bySteps.delete(step);
        context.store.transaction(() => context.store.deleteWatch(step));
        return null;
      }
      if (watches.length === 0) {
        this.#fail(step, 'there was no such stream when the run was submitted');
        return null;
      }
      try {
        for (const watch of watches) {
          await context.ports.watch(context.id, watch);
          if (context.closed) return null;
        }
        context.count({ durableObjectRequest: watches.length });
      } catch (error) {
        if (failures + 1 < STEP_LOST_MAX) throw error;
        this.#fail(step, messageOf(error));
      }
      return null;
    });
  }

  #fail(step: string, why: string): void {
    const context = this.#context;
    const record = context.record.steps[step];
    if (context.closed || !record) return;
    const error = { code: 'input_missing', message: `its stream cannot be read: ${why}` } as const;
    context.turn((nowMs) => {
      context.machine.failed({ step, item: null }, record.attempt, error, nowMs);
    });
    this.settle(step, context.ports.nowMs());
  }

  /** Null: nothing is waited for there (any more). */
  watching(step: string, partition: number): Watching | null {
    const definition = this.#context.submitted.spec.steps[step];
    const watch = this.#bySteps.get(step)?.find((one) => one.partition === partition);
    const key = this.#context.record.steps[step]?.key ?? null;
    if (!watch || definition?.run !== 'wait' || key === null || !this.#isWanted(step)) return null;
    const { types = [], keyBy = 'key' } = definition;
    return { from: watch.next, types, keyBy, key };
  }

  /** The partition was read up to `to`. */
  read(step: string, partition: number, to: number): void {
    const watch = this.#bySteps.get(step)?.find((one) => one.partition === partition);
    if (!watch || to <= watch.next) return;
    watch.next = to;
    if (to - (this.#stored.get(watch) ?? 0) < WATCH_PLACE_STORED_EVENTS) return;
    this.#stored.set(watch, to);
    this.#context.store.transaction(() => this.#context.store.saveWatch(watch));
  }
}
