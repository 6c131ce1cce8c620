// Steps that wait for events: which partitions they read, from where, and for which key. Wake-ups wake whoever reads
// (watch.ts); the place is remembered here, so that nothing is missed and little is read twice.
import { STEP_LOST_MAX, WATCH_PLACE_STORED_EVENTS } from '../../../../shared/limits.ts';
import { partitionOf } from '../../../../shared/mapreduce/hash.ts';
import type { Command } from './machine.ts';
import type { RunDesk } from './run-coordinator.ts';
import type { WatchRecord } from './run.store.ts';
import type { Watching } from '../../../contracts/run.rpc.ts';

export class RunWatches {
  readonly #desk: RunDesk;
  readonly #bySteps = new Map<string, WatchRecord[]>();
  /** Places as they are stored. */
  readonly #stored = new Map<WatchRecord, number>();

  constructor(desk: RunDesk) {
    this.#desk = desk;
  }

  takeUp(): void {
    for (const watch of this.#desk.store.watches()) this.#add(watch);
    const nowMs = this.#desk.ports.nowMs();
    for (const step of this.#bySteps.keys()) if (!this.#isWanted(step)) this.unwatch(step, nowMs);
  }

  #add(watch: WatchRecord): void {
    const own = this.#bySteps.get(watch.step);
    if (own) own.push(watch);
    else this.#bySteps.set(watch.step, [watch]);
    this.#stored.set(watch, watch.next);
  }

  #isWanted(step: string): boolean {
    const record = this.#desk.record.steps[step];
    return record?.state === 'running' && record.key !== null;
  }

  /** Within a turn: what is about to be watched is stored, so that it is let go in any case. */
  noteIn(commands: readonly Command[]): void {
    for (const command of commands) {
      if (command.kind !== 'watch' || this.#bySteps.has(command.step)) continue;
      for (const watch of this.#placesOf(command.step, command.key)) {
        this.#desk.store.saveWatch(watch);
        this.#add(watch);
      }
    }
  }

  /** Events of one key lie in one partition, if it is the key that partitions are made by. */
  #placesOf(step: string, key: string): WatchRecord[] {
    const { spec, streams } = this.#desk.submitted;
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

  watch(step: string, nowMs: number): void {
    this.#settle(step, nowMs);
  }

  unwatch(step: string, nowMs: number): void {
    this.#settle(step, nowMs);
  }

  /** Those of one step follow each other: what was wanted last is what comes true. */
  #settle(step: string, nowMs: number): void {
    const desk = this.#desk;
    desk.chores.add(`watch ${step}`, nowMs, async (failures) => {
      const watches = this.#bySteps.get(step) ?? [];
      if (!this.#isWanted(step)) {
        for (const watch of watches) {
          await desk.ports.unwatch(desk.run, watch);
          if (desk.closed || this.#isWanted(step)) return null;
        }
        this.#bySteps.delete(step);
        desk.store.transaction(() => desk.store.deleteWatch(step));
        return null;
      }
      if (watches.length === 0) {
        this.#fail(step, 'there was no such stream when the run was submitted');
        return null;
      }
      try {
        for (const watch of watches) {
          await desk.ports.watch(desk.run, watch);
          if (desk.closed) return null;
        }
        desk.count({ durableObjectRequest: watches.length });
      } catch (error) {
        if (failures + 1 < STEP_LOST_MAX) throw error;
        this.#fail(step, error instanceof Error ? error.message : String(error));
      }
      return null;
    });
  }

  #fail(step: string, why: string): void {
    const desk = this.#desk;
    const record = desk.record.steps[step];
    if (desk.closed || !record) return;
    const error = { code: 'input_missing', message: `its stream cannot be read: ${why}` } as const;
    desk.turn((nowMs) => {
      desk.machine.failed({ step, item: null }, record.attempt, error, nowMs);
    });
    this.unwatch(step, desk.ports.nowMs());
  }

  /** Null: nothing is waited for there (any more). */
  watching(step: string, partition: number): Watching | null {
    const definition = this.#desk.submitted.spec.steps[step];
    const watch = this.#bySteps.get(step)?.find((one) => one.partition === partition);
    const key = this.#desk.record.steps[step]?.key ?? null;
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
    this.#desk.store.transaction(() => this.#desk.store.saveWatch(watch));
  }
}
