// One processor: its definition, its versions, and the replays that take over. It reads no event: consumers and
// windows do. What it has begun and not finished is in its record, and its alarm finishes it.
import { DurableObject } from 'cloudflare:workers';
import { CONNECTIONS_MAX, CUTOVER_LOOK_MAX_MS, CUTOVER_LOOK_MS } from '../../../shared/limits.ts';
import type { List } from '../../../shared/schemas/common.ts';
import type {
  Batch,
  DeadLetter,
  Processor,
  ProcessorSummary,
  RedriveBody,
} from '../../../shared/schemas/processor.ts';
import type { StreamPoint } from '../../../shared/schemas/stream.ts';
import { guardBindings } from '../../platform/bindings.edge.ts';
import type { Env } from '../../platform/env.ts';
import { batchObject, consumerObject, logObject, shardObject } from '../../stubs.ts';
import { partitionsOf } from '../../contracts/names.ts';
import { sideBySide } from '../../platform/side-by-side.ts';
import { Timers } from '../../platform/timers.store.ts';
import { turns } from '../../platform/turns.ts';
import type { Generation, WorkObjects } from './generation.ts';
import { FIXED_KIND, FIXED_STREAMS, fixedField } from './fixed-fields.ts';
import { kindOf } from './kinds.ts';
import type {
  KeyedPlaces,
  ProcessorDefinition,
  ProcessorRpc,
  Put,
} from '../../contracts/processor.rpc.ts';
import {
  changed,
  newProcessorRecord,
  pointOf,
  type ProcessorRecord,
  processorView,
  sameStreams,
  sameWork,
  type Seen,
  summaryView,
  withLag,
} from './processor-record.ts';
import { ProcessorStore } from './processor.store.ts';
import { advance } from './cutover.ts';

const TIMER_RETRY_MS = 5_000;

export class ProcessorObject extends DurableObject<Env> implements ProcessorRpc {
  readonly #store: ProcessorStore;
  readonly #timers: Timers<'work'>;
  readonly #objects: WorkObjects = {
    consumer: (ref) => consumerObject(this.env, ref),
    shard: (kind, ref) => shardObject(this.env, kind, ref),
    batch: (name) => batchObject(this.env, name),
  };
  #record: ProcessorRecord | null;
  /** Changes come one after the other: each asks many objects, and the next must not come between. */
  readonly #inTurn = turns();
  /** When a replay is looked at next. */
  #lookMs = CUTOVER_LOOK_MS;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
    this.#store = new ProcessorStore(ctx.storage);
    this.#timers = new Timers(ctx.storage, { work: () => this.#inTurn(() => this.#work()) });
    this.#record = this.#store.load();
  }

  #save(record: ProcessorRecord): void {
    this.#store.save(record);
    this.#record = record;
  }

  #generation(record: ProcessorRecord, generation: number): Generation {
    const { definition, paused, cutover } = record;
    const { active, replay } = cutover;
    const rebuilding = replay?.generation === generation;
    const { version } = rebuilding ? replay : active;
    const options = {
      objects: this.#objects,
      generation: { generation, version },
      paused,
      rebuilding,
    };
    const { spec } = definition;
    return kindOf(spec.kind).generation(definition, spec, options);
  }

  // --- Changes -------------------------------------------------------------------------------------

  put(definition: ProcessorDefinition): Promise<Put> {
    return this.#inTurn(async () => {
      if (this.#store.isDeleted()) return { kind: 'deleted' };
      const before = this.#record;
      const nowMs = Date.now();
      if (!before) {
        this.#owe(newProcessorRecord(definition, nowMs));
      } else {
        if (before.definition.spec.kind !== definition.spec.kind) {
          return { kind: 'fixed', field: FIXED_KIND };
        }
        if (!sameStreams(before.definition, definition)) {
          return { kind: 'fixed', field: FIXED_STREAMS };
        }
        const field = fixedField(before.definition, definition);
        if (field) return { kind: 'fixed', field };
        if (sameWork(before.definition, definition)) this.#save({ ...before, definition });
        else this.#owe(changed(before, definition, nowMs));
      }
      if (this.#record?.untold) await this.#tell();
      const processor = await this.#view();
      if (!processor) throw new Error(`the processor ${definition.name} was deleted meanwhile`);
      return { kind: before ? 'changed' : 'created', processor };
    });
  }

  /** Stores what the generations are to be told; the alarm tells them should this end half-way. */
  #owe(record: ProcessorRecord): void {
    this.#timers.setEarlier('work', Date.now() + TIMER_RETRY_MS);
    this.#save({ ...record, untold: true });
  }

  async #tell(): Promise<void> {
    const record = this.#record;
    if (!record) return;
    const { active, replay } = record.cutover;
    for (const one of replay ? [active, replay] : [active]) {
      const from = pointOf(record.from[one.generation] ?? 'earliest');
      await this.#generation(record, one.generation).configure(from);
    }
    this.#save({ ...record, untold: false });
  }

  pause(): Promise<Processor | null> {
    return this.#setPaused(true);
  }

  resume(): Promise<Processor | null> {
    return this.#setPaused(false);
  }

  #setPaused(paused: boolean): Promise<Processor | null> {
    return this.#inTurn(async () => {
      const before = this.#record;
      if (!before) return null;
      if (before.paused !== paused) {
        const record = { ...before, paused, untold: true };
        this.#owe(record);
        const { active, replay } = record.cutover;
        for (const one of replay ? [active, replay] : [active]) {
          const objects = this.#generation(record, one.generation);
          await (paused ? objects.pause() : objects.resume());
        }
        if (before.untold) await this.#tell();
        else this.#save({ ...record, untold: false });
        if (!paused) this.#timers.setEarlier('work', Date.now());
      }
      return this.#view();
    });
  }

  replay(from: StreamPoint): Promise<Processor | { conflict: string } | null> {
    return this.#inTurn(async () => {
      const before = this.#record;
      if (!before) return null;
      const { active, replay, retired } = before.cutover;
      if (replay || retired.length > 0) {
        return { conflict: `version ${(replay ?? active).version} is still being rebuilt` };
      }
      const conflict = await this.#generation(before, active.generation).replayConflict(from);
      if (conflict !== null) return { conflict };
      const generation = before.generation + 1;
      const version = before.version + 1;
      const nowMs = Date.now();
      this.#owe({
        ...before,
        version,
        generation,
        cutover: {
          active,
          replay: { generation, version, startedAtMs: nowMs, phase: { kind: 'building' } },
          retired,
        },
        from: { ...before.from, [generation]: from },
      });
      await this.#tell();
      this.#lookMs = CUTOVER_LOOK_MS;
      this.#timers.setEarlier('work', nowMs);
      return this.#view();
    });
  }

  async caughtUp(generation: number): Promise<void> {
    // Not in turn, and not waited for: the object that calls may itself be asked by what goes on here.
    if (this.#record?.cutover.replay?.generation !== generation) return;
    this.#timers.setEarlier('work', Date.now());
  }

  /** Not in turn: what is open may be much, and nothing of the record changes. */
  async drain(): Promise<Processor | { conflict: string } | null> {
    if (!this.#record || this.#store.isDeleted()) return null;
    const { definition, paused } = this.#record;
    const { name, spec } = definition;
    const objects = this.#active(this.#record);
    if (!objects.drain) {
      return { conflict: `${name} is ${spec.kind}: nothing is open that could be closed` };
    }
    if (paused && objects.places) {
      return { conflict: `${name} is paused, and what closes runs its code: resume it first` };
    }
    await objects.drain();
    return this.#view();
  }

  async keyed(): Promise<KeyedPlaces | 'conflict' | null> {
    const record = this.#record;
    if (!record || this.#store.isDeleted()) return null;
    const { places } = this.#active(record);
    return places ? { version: record.cutover.active.version, ...places } : 'conflict';
  }

  async fixed(definition: Pick<ProcessorDefinition, 'spec' | 'program'>) {
    return this.#record && fixedField(this.#record.definition, definition);
  }

  /** Also one that is only about to be put: the caller of `put` is told, and begins again with another id. */
  delete(): Promise<boolean> {
    return this.#inTurn(async () => {
      this.#store.markDeleted();
      if (!this.#record) return false;
      this.#timers.setEarlier('work', Date.now() + TIMER_RETRY_MS);
      await this.#deleteAll(this.#record);
      return true;
    });
  }

  async #deleteAll(record: ProcessorRecord): Promise<void> {
    const { active, replay, retired } = record.cutover;
    const generations = [active.generation, ...retired, ...(replay ? [replay.generation] : [])];
    for (const generation of generations) await this.#generation(record, generation).delete();
    this.#store.wipe();
    this.#timers.clear('work');
    this.#record = null;
  }

  override async alarm(): Promise<void> {
    await this.#timers.run();
  }

  /** Finishes what was begun: deleting, telling the generations, a replay. */
  async #work(): Promise<void> {
    if (!this.#record) return this.#timers.clear('work');
    if (this.#store.isDeleted()) return this.#deleteAll(this.#record);
    if (this.#record.untold) await this.#tell();
    const record = this.#record;
    await advance(record.cutover, {
      generation: (generation) => this.#generation(record, generation),
      save: (cutover) => this.#tookStep(cutover),
    });
    const { replay, retired } = this.#record.cutover;
    if (this.#record.untold) await this.#tell();
    // A paused processor comes no nearer. Consumers announce that they caught up; the timer finds the rest.
    if (retired.length > 0 || (replay && !this.#record.paused)) {
      this.#timers.set('work', Date.now() + this.#lookMs);
      this.#lookMs = Math.min(this.#lookMs * 2, CUTOVER_LOOK_MAX_MS);
    } else this.#timers.clear('work');
  }

  #tookStep(cutover: ProcessorRecord['cutover']): void {
    const record = this.#record as ProcessorRecord;
    const began = new Set([cutover.active.generation, cutover.replay?.generation]);
    const from = Object.fromEntries(
      Object.entries(record.from).filter(([generation]) => began.has(Number(generation))),
    );
    // The generation that has taken over need not announce itself any more.
    const untold = record.cutover.replay !== null && cutover.replay === null;
    this.#save({ ...record, cutover, from, untold: record.untold || untold });
  }

  // --- What is shown ---------------------------------------------------------------------------------

  #active(record: ProcessorRecord): Generation {
    return this.#generation(record, record.cutover.active.generation);
  }

  async get(): Promise<Processor | null> {
    return this.#store.isDeleted() ? null : this.#view();
  }

  async #view(): Promise<Processor | null> {
    const seen = await this.#look();
    return seen && this.#record && processorView(this.#record, seen.active, seen.fresh);
  }

  async summary(): Promise<ProcessorSummary | null> {
    if (this.#store.isDeleted()) return null;
    const seen = await this.#look();
    return seen && this.#record && summaryView(this.#record, seen.active, seen.fresh);
  }

  async #look(): Promise<{ active: Seen; fresh: Seen | null } | null> {
    const record = this.#record;
    if (!record) return null;
    const { active, replay } = record.cutover;
    const seen = await this.#generation(record, active.generation).status();
    const fresh = replay && (await this.#generation(record, replay.generation).status());
    const ends = await this.#logEnds(record);
    return { active: withLag(seen, ends), fresh: fresh && withLag(fresh, ends) };
  }

  /** Where each partition ends, by stream name and partition. */
  async #logEnds({ definition }: ProcessorRecord): Promise<Map<string, number>> {
    const refs = definition.streams.flatMap(partitionsOf);
    const ends = await sideBySide(refs, CONNECTIONS_MAX, async (ref) => {
      const end = await logObject(this.env, ref).resolve('latest');
      return [`${ref.stream}/${ref.partition}`, end] as const;
    });
    return new Map(ends);
  }

  async batches(
    cursor: string | undefined,
    limit: number,
  ): Promise<List<Batch> | 'conflict' | null> {
    if (!this.#record) return null;
    const objects = this.#active(this.#record);
    return objects.batches ? objects.batches(cursor, limit) : 'conflict';
  }

  async deadLetters(cursor: string | undefined, limit: number): Promise<List<DeadLetter> | null> {
    return this.#record && this.#active(this.#record).deadLetters(cursor, limit);
  }

  async redrive(body: RedriveBody): Promise<number | null> {
    return this.#record && this.#active(this.#record).redrive(body, Date.now());
  }

  async committed(streamUid: string): Promise<{ partition: number; committed: number }[]> {
    if (!this.#record) return [];
    const ends = await this.#active(this.#record).ends();
    return ends
      .filter((end) => end.streamUid === streamUid)
      .map(({ partition, committed }) => ({ partition, committed }));
  }
}
