// What a partition does besides answering: seal, forget what is old, delete what is garbage, deal with claims,
// write down counts. Each is done again after a crash or a failure, and one at a time.
import {
  IDEMPOTENCY_MS,
  LOG_FLUSH_MS,
  PRODUCER_KEEP_MS,
  SEGMENT_AGE_MS,
  SEGMENT_AGED_MIN_BYTES,
} from '../../../shared/limits.ts';
import { segmentKey } from '../../platform/keys.ts';
import type { LogClaims } from './claims.ts';
import type { KnownIds } from './ids.ts';
import type { LogPins } from './pins.ts';
import type { LogPorts } from './ports.store.ts';
import type { LogRecords } from './records.store.ts';
import type { LogConfig } from '../../contracts/log.rpc.ts';
import type { LogSealing } from './sealing.store.ts';
import type { LogStore } from './log.store.ts';
import { type MaintenanceTask, LogTimers } from './timers.ts';
import { logName } from '../../contracts/names.ts';
import { turns } from '../../platform/turns.ts';

const RETRY_MS = 10_000;
/** Old requests and producers are looked for so much later than the oldest is due: many go at once. */
const PRUNE_SLACK_MS = 3600_000;
/** So does retention. */
const RETENTION_SLACK_SHARE = 1 / 16;
const RETENTION_SLACK_MAX_MS = 3600_000;

export interface MaintenancePorts {
  ports: Pick<LogPorts, 'bucket' | 'later' | 'now'>;
  store: LogStore;
  records: LogRecords;
  sealing: LogSealing;
  claims: LogClaims;
  ids: KnownIds;
  pins: LogPins;
  /** Puts counts and readers' places into the state, which is about to be written. */
  takeStock(): void;
}

export class LogMaintenance {
  readonly #parts: MaintenancePorts;
  readonly #timers = new LogTimers();
  readonly #inTurn = turns();
  /** Tasks that have not begun. */
  readonly #waiting = new Set<MaintenanceTask>();

  constructor(parts: MaintenancePorts) {
    this.#parts = parts;
  }

  /** What follows from the tables alone. */
  plan(): void {
    const { store, claims, ports } = this.#parts;
    const nowMs = ports.now();
    if (!store.identity) return;
    if (store.identity.forgotten) return this.#timers.set('collect', nowMs);
    if (store.garbage().length > 0) this.#timers.set('collect', nowMs);
    if (claims.pending) this.#timers.set('claims', nowMs);
    this.#planPruning();
    this.#planSealing();
    this.planRetention();
  }

  nextMs(): number | null {
    return this.#timers.nextMs();
  }

  /** Does what is due. What fails is due again later. */
  async work(): Promise<void> {
    for (const task of this.#timers.due(this.#now)) await this.#try(task);
  }

  /** Resolves when what is under way is done. */
  async settled(): Promise<void> {
    await this.#inTurn(() => undefined);
  }

  // --- What gives rise to tasks ----------------------------------------------------------------------

  /** Counts or places are worth being written before long. */
  changed(): void {
    this.#timers.atLatest('flush', this.#now + LOG_FLUSH_MS);
  }
  /** Requests or producers were recorded. */
  recorded(): void {
    this.#timers.atLatest('prune', this.#now + IDEMPOTENCY_MS + PRUNE_SLACK_MS);
  }
  grew(withClaims: boolean, first: boolean): void {
    if (withClaims) this.#soon('claims');
    if (this.#parts.sealing.full) this.#soon('seal');
    else this.#planSealing();
    if (first) this.planRetention();
  }

  /** Done now, behind what is under way; the timer is for a crash, and the task itself clears it. */
  #soon(task: MaintenanceTask): void {
    this.#timers.atLatest(task, this.#now + RETRY_MS);
    if (!this.#waiting.has(task)) this.#parts.ports.later(this.#try(task));
  }

  async #try(task: MaintenanceTask): Promise<void> {
    this.#waiting.add(task);
    try {
      await this.#inTurn(() => {
        this.#waiting.delete(task);
        return this.#do(task);
      });
    } catch {
      this.#timers.atLatest(task, this.#now + RETRY_MS);
    }
  }

  get #now(): number {
    return this.#parts.ports.now();
  }
  get #config(): LogConfig | null {
    const { identity } = this.#parts.store;
    return identity && !identity.forgotten ? identity.config : null;
  }

  async #do(task: MaintenanceTask): Promise<void> {
    if (!this.#parts.store.identity) return;
    if (!this.#config) return this.#sweep();
    switch (task) {
      case 'flush':
        return this.#flush();
      case 'seal':
        return this.#sealDue();
      case 'retain':
        await this.#retain(this.#now);
        return this.#collect();
      case 'collect':
        return this.#collect();
      case 'claims':
        return this.#settleClaims();
      case 'prune':
        this.#parts.records.prune(this.#now - IDEMPOTENCY_MS, this.#now - PRODUCER_KEEP_MS);
        this.#planPruning();
    }
  }

  #flush(): void {
    this.#parts.takeStock();
    this.#parts.store.saveState();
  }

  // --- Sealing ----------------------------------------------------------------------------------------

  async #sealDue(): Promise<void> {
    while (this.#parts.sealing.full || this.#untilAgedMs() === 0) await this.#sealOne();
    this.#sealed();
  }

  /** Seals until everything before `to` lies in segments. */
  async sealTo(to: number): Promise<void> {
    await this.#inTurn(async () => {
      while (this.#parts.store.extent.tail.first < to) await this.#sealOne();
      this.#sealed();
    });
  }

  async #sealOne(): Promise<void> {
    const config = this.#config;
    if (!config) throw new Error('the partition was deleted while its tail was to be sealed');
    // Tokens are gathered from rows: a segment's claims are held already.
    await this.#parts.claims.holdAll(logName(config));
    await this.#parts.sealing.sealOne(config);
    this.#parts.ids.trim();
  }

  #sealed(): void {
    this.#planSealing();
    this.planRetention();
  }

  /** How long until the tail is sealed because of its age; null: it is too small for that. */
  #untilAgedMs(): number | null {
    const { bytes, oldestAtMs } = this.#parts.store.extent.tail;
    if (oldestAtMs === null || bytes < SEGMENT_AGED_MIN_BYTES) return null;
    return Math.max(0, oldestAtMs + SEGMENT_AGE_MS - this.#now);
  }

  #planSealing(): void {
    const untilMs = this.#parts.sealing.full ? 0 : this.#untilAgedMs();
    this.#timers.set('seal', untilMs === null ? null : this.#now + untilMs);
  }

  // --- Retention --------------------------------------------------------------------------------------

  /** Forgets whole segments, and then rows, whose newest event is too old. */
  async #retain(nowMs: number): Promise<void> {
    const { store, pins, ids, takeStock } = this.#parts;
    pins.removeOld(nowMs);
    if (this.#firstToKeep(nowMs) > store.extent.tail.first) await this.#deleteUncommitted();
    // Looked up again: somebody may have pinned something meanwhile.
    const first = this.#firstToKeep(nowMs);
    if (first > store.state.first) {
      takeStock();
      for (const gone of store.advance(first)) ids.drop(gone);
    }
    this.#sealed();
  }

  /** Where what is too old ends, or what is pinned begins. */
  #firstToKeep(nowMs: number): number {
    const { store, pins } = this.#parts;
    const retentionMs = this.#config?.retentionMs ?? Infinity;
    let { first } = store.state;
    for (const unit of this.#unitsByAge()) {
      if (unit.newestMs + retentionMs > nowMs || pins.on(unit.first, unit.next)) break;
      first = unit.next;
    }
    return first;
  }

  /** The tail goes without being sealed: a crash may have left the object of a segment that it never became. */
  async #deleteUncommitted(): Promise<void> {
    const { store, ports } = this.#parts;
    if (!store.identity) return;
    const { uid, partition } = store.identity.config;
    await ports.bucket.delete(segmentKey(uid, partition, store.extent.tail.first));
  }

  *#unitsByAge(): Iterable<{ first: number; next: number; newestMs: number }> {
    const { store } = this.#parts;
    let at = store.state.first;
    for (;;) {
      const [segment] = store.segmentsFrom(at, 1);
      if (!segment) break;
      yield { first: segment.first, next: segment.next, newestMs: segment.lastAtMs };
      at = segment.next;
    }
    for (const { first, count, atMs } of store.rowSizesFrom(at)) {
      yield { first, next: first + count, newestMs: atMs };
    }
  }

  planRetention(): void {
    const retentionMs = this.#config?.retentionMs;
    const [oldest] = this.#unitsByAge();
    if (retentionMs === undefined || !oldest) return this.#timers.set('retain', null);
    const slackMs = Math.min(retentionMs * RETENTION_SLACK_SHARE, RETENTION_SLACK_MAX_MS);
    const atMs = oldest.newestMs + retentionMs + slackMs;
    const pin = this.#parts.pins.on(oldest.first, oldest.next);
    this.#timers.set('retain', pin ? Math.max(atMs, pin.untilMs) : atMs);
  }

  /** Deletes the objects of segments that the log has left behind, and lets go of their claims. */
  async #collect(): Promise<void> {
    const { store, ports } = this.#parts;
    for (;;) {
      const garbage = store.garbage();
      const config = store.identity?.config;
      if (garbage.length === 0 || !config) break;
      const keys = garbage.map((first) => segmentKey(config.uid, config.partition, first));
      await ports.bucket.delete(keys);
      store.deleteSegments(garbage);
    }
    await this.#settleClaims();
  }

  async #settleClaims(): Promise<void> {
    const { store, claims } = this.#parts;
    if (!store.identity) return;
    const holder = logName(store.identity.config);
    await claims.holdAll(holder);
    await claims.releaseAll(holder);
    this.#timers.set('claims', null);
  }

  #planPruning(): void {
    const { records } = this.#parts;
    const request = records.oldestRequestMs();
    const producer = records.oldestProducerMs();
    const dueMs = Math.min(
      request === null ? Infinity : request + IDEMPOTENCY_MS,
      producer === null ? Infinity : producer + PRODUCER_KEEP_MS,
    );
    this.#timers.set('prune', dueMs === Infinity ? null : dueMs + PRUNE_SLACK_MS);
  }

  // --- The end ----------------------------------------------------------------------------------------

  /** The partition was marked as forgotten: takes everything away that lies outside its own storage. */
  async sweep(): Promise<void> {
    this.#timers.clear();
    this.#timers.set('collect', this.#now + RETRY_MS);
    await this.#try('collect');
  }

  async #sweep(): Promise<void> {
    const { store } = this.#parts;
    await this.#deleteUncommitted();
    if (store.state.first < store.extent.next) store.advance(store.extent.next);
    await this.#collect();
    this.#timers.clear();
  }
}
