// One partition of a stream: appends, readers, and the chores that follow. Knows the platform only through its
// ports, so that it runs in a test as in a Durable Object; whoever owns it sets an alarm for `nextMs`.
import {
  DEDUP_IDS_MAX,
  IDEMPOTENCY_MS,
  LOG_FLUSH_MS,
  LOG_ROW_MAX_BYTES,
  PINS_KEEP_MS,
  PINS_MAX,
  PRODUCER_KEEP_MS,
  SEGMENT_AGE_MS,
  SEGMENT_AGED_MIN_BYTES,
  SEGMENT_BLOCK_BYTES,
  SEGMENT_BYTES,
  SEGMENT_TIMES_MAX,
  SUBSCRIBERS_MAX,
  TAIL_MAX_BYTES,
} from '../../shared/limits.ts';
import type { Operation } from '../../shared/pricing.ts';
import { meterBucket, QUEUE_BATCH_MAX_MESSAGES } from '../platform/bindings.ts';
import type { StreamBell } from '../platform/env.ts';
import { segmentKey } from '../platform/keys.ts';
import { IdIndex, type IdKey } from './id-index.ts';
import { lastSequenceOf, rowsOf, sift } from './log-append.ts';
import { type ClaimShards, LogClaims } from './log-claims.ts';
import { LogReading } from './log-reading.ts';
import type {
  Append,
  AppendOutcome,
  InputPiece,
  Located,
  LogConfig,
  LogStatus,
  Measured,
  Point,
} from './log.rpc.ts';
import { LogSealing, type SegmentSizes } from './log-sealing.ts';
import { LogStore, type LogStorage, type Pin } from './log-store.ts';
import { type LogChore, LogTimers } from './log-timers.ts';
import { LogWaiters } from './log-waiters.ts';
import { logName } from './names.ts';
import { Subscriptions } from './subscriptions.ts';

export interface LogPorts {
  storage: LogStorage;
  bucket: R2Bucket;
  claims: ClaimShards;
  ring(bells: StreamBell[]): Promise<void>;
  /** Work that nobody waits for. */
  later(work: Promise<void>): void;
  randomKey(): IdKey;
  now(): number;
}

export interface LogSizes extends SegmentSizes {
  rowBytes: number;
  dedupIds: number;
}

export const LOG_SIZES: LogSizes = {
  segmentBytes: SEGMENT_BYTES,
  segmentRows: SEGMENT_TIMES_MAX,
  blockBytes: SEGMENT_BLOCK_BYTES,
  rowBytes: LOG_ROW_MAX_BYTES,
  dedupIds: DEDUP_IDS_MAX,
};

const RETRY_MS = 10_000;
/** Old requests and producers are looked for no more often. */
const PRUNE_MS = 3600_000;
/** Counts of mere reading are worth a row when there are so many. */
const READS_WORTH_A_ROW = 100;
/** Retention waits a little, so that what ages together goes together. */
const RETENTION_SLACK_SHARE = 1 / 16;
const RETENTION_SLACK_MAX_MS = 3600_000;
const MEASURE_TRIES = 3;
/** The piece number under which a request's digest is kept. */
const DIGEST_PIECE = -1;
const BELL_OPERATIONS = 3;

/** A partition that does not exist, where the interface has no word for it. */
export class UnknownPartitionError extends Error {
  override name = 'UnknownPartitionError';
}

export class PartitionLog {
  readonly #ports: LogPorts;
  readonly #sizes: LogSizes;
  readonly #store: LogStore;
  readonly #reading: LogReading;
  readonly #sealing: LogSealing;
  readonly #claims: LogClaims;
  readonly #operations: Record<Operation, number>;
  readonly #timers = new LogTimers();
  readonly #waiters = new LogWaiters();
  #readers = new Subscriptions();
  #pins = new Map<string, Pin>();
  /** Made when the first id comes. */
  #ids: IdIndex | null = null;
  /** Sealing, retention and claims are done one after the other. */
  #chores: Promise<void> = Promise.resolve();
  /** Chores that have not begun. */
  readonly #waiting = new Set<LogChore>();
  #countsSaved = 0;

  constructor(ports: LogPorts, sizes: LogSizes = LOG_SIZES) {
    this.#ports = ports;
    this.#sizes = sizes;
    this.#operations = noOperations();
    this.#store = new LogStore(ports.storage, this.#operations);
    const bucket = meterBucket(ports.bucket, this.#operations);
    this.#reading = new LogReading(this.#store, bucket);
    this.#sealing = new LogSealing(this.#store, bucket, sizes);
    this.#claims = new LogClaims(this.#store, ports.claims);
    if (this.#store.identity) this.#restore();
  }

  /** What follows from the tables: readers, pins, chores. */
  #restore(): void {
    const nowMs = this.#ports.now();
    const { state, extent, identity } = this.#store;
    for (const [operation, count] of Object.entries(state.operations)) {
      this.#operations[operation as Operation] += count;
    }
    this.#countsSaved = this.#counted();
    this.#readers = new Subscriptions();
    for (const { reader, bell, begin } of this.#store.subscribers()) {
      this.#readers.set(reader, bell, state.places[reader] ?? begin, extent.next, nowMs);
    }
    this.#pins = new Map(this.#store.pins().map((pin) => [pin.holder, pin]));
    if (identity?.forgotten) {
      this.#timers.set('collect', nowMs);
      return;
    }
    if (this.#store.garbage().length > 0) this.#timers.set('collect', nowMs);
    if (this.#claims.pending || this.#store.releasable()) this.#timers.set('claims', nowMs);
    this.#planPruning();
    this.#planSealing();
    this.#planRetention();
  }

  /** The configuration; null for a partition that does not exist, or no longer. */
  get #config(): LogConfig | null {
    const { identity } = this.#store;
    return identity && !identity.forgotten ? identity.config : null;
  }

  #known(): LogConfig {
    const config = this.#config;
    if (!config) throw new UnknownPartitionError('this partition does not exist');
    return config;
  }

  configure(config: LogConfig): void {
    if (this.#store.identity?.forgotten) {
      throw new UnknownPartitionError(`the partition ${logName(config)} is being deleted`);
    }
    this.#store.configure(config, this.#ports.randomKey);
    this.#planRetention();
  }

  // --- Appending ------------------------------------------------------------------------------------

  append(batch: Append): AppendOutcome {
    const config = this.#config;
    if (!config) return { kind: 'unknown' };
    const nowMs = Math.max(this.#ports.now(), this.#store.state.lastAtMs);
    const { request, producer } = batch;
    if (request) {
      const known = this.#store.requestOutcome(request.key, request.piece, nowMs - IDEMPOTENCY_MS);
      if (known !== null) return JSON.parse(known) as AppendOutcome;
    }
    try {
      return this.#appendNew(config, batch, nowMs, producer);
    } catch (error) {
      // The index may know ids that were not stored.
      this.#ids = null;
      throw error;
    }
  }

  #appendNew(
    config: LogConfig,
    batch: Append,
    nowMs: number,
    producer: Append['producer'],
  ): AppendOutcome {
    const { extent, state, identity } = this.#store;
    const before = producer ? this.#store.sequenceOf(producer.id) : null;
    const sifted = sift(batch, before, identity?.idKey ?? [0, 0], () => this.#idIndex());
    const accepted = sifted.events.length;
    const refusal = accepted > 0 ? this.#refusal(config) : null;
    if (refusal) {
      for (const { hashAt } of sifted.events) {
        if (hashAt === null) continue;
        this.#ids?.remove(sifted.hashes[hashAt] as number, sifted.hashes[hashAt + 1] as number);
      }
      return refusal;
    }
    const rows = rowsOf(sifted, config.partition, extent.next, this.#sizes.rowBytes);
    const first = accepted > 0 ? extent.next : null;
    const { duplicates } = sifted;
    const outcome: AppendOutcome = { kind: 'appended', accepted, duplicates, first };
    const sequence = lastSequenceOf(batch, before);
    this.#store.transaction(() => {
      for (const row of rows) this.#store.insertRow(row, nowMs);
      if (producer && sequence !== null && sequence !== before) {
        this.#store.saveSequence(producer.id, sequence, nowMs);
      }
      if (batch.request) {
        const { key, piece } = batch.request;
        this.#store.saveRequest(key, piece, JSON.stringify(outcome), nowMs);
      }
    });
    if (producer || batch.request)
      this.#timers.atLatest('prune', nowMs + IDEMPOTENCY_MS + PRUNE_MS);
    this.#changed(nowMs);
    state.duplicates += duplicates;
    if (accepted > 0) this.#appended(rows, nowMs);
    return outcome;
  }

  #refusal({ maxBytes }: LogConfig): AppendOutcome | null {
    const { bytes, tail } = this.#store.extent;
    if (bytes >= maxBytes) return { kind: 'full', bytes, maxBytes };
    if (tail.bytes >= TAIL_MAX_BYTES) {
      return { kind: 'full', bytes: tail.bytes, maxBytes: TAIL_MAX_BYTES };
    }
    return null;
  }

  #appended(rows: Parameters<LogStore['grew']>[0], nowMs: number): void {
    const { state, extent } = this.#store;
    const allHeld = !this.#claims.pending;
    this.#store.grew(rows, nowMs);
    if (rows.some(({ claims }) => claims.length > 0)) this.#chore('claims');
    else if (allHeld) state.heldTo = extent.next;
    if (this.#sealing.full) this.#chore('seal');
    else this.#planSealing();
    if (extent.tail.rows === rows.length) this.#planRetention();
    this.#readers.appended(nowMs);
    this.#waiters.wake();
    this.#ports.later(this.#ring());
  }

  #idIndex(): IdIndex {
    if (!this.#ids) {
      this.#ids = new IdIndex();
      for (const blob of this.#store.idBlobs()) this.#ids.addAll(blob);
    }
    return this.#ids;
  }

  claimRequest(key: string, bodyDigest: string): 'new' | 'same' | 'conflict' | 'unknown' {
    if (!this.#config) return 'unknown';
    const nowMs = this.#ports.now();
    const known = this.#store.requestOutcome(key, DIGEST_PIECE, nowMs - IDEMPOTENCY_MS);
    if (known !== null) return known === bodyDigest ? 'same' : 'conflict';
    this.#store.saveRequest(key, DIGEST_PIECE, bodyDigest, nowMs);
    this.#timers.atLatest('prune', nowMs + IDEMPOTENCY_MS + PRUNE_MS);
    this.#changed(nowMs);
    return 'new';
  }

  // --- Reading --------------------------------------------------------------------------------------

  locate(from: number, maxEvents: number, maxBytes: number): Located {
    const config = this.#config;
    return config ? this.#reading.locate(config, from, maxEvents, maxBytes) : { kind: 'unknown' };
  }

  async waitPast(after: number, waitMs: number): Promise<number> {
    const endMs = this.#ports.now() + waitMs;
    while (this.#config && this.#store.extent.next <= after) {
      const leftMs = endMs - this.#ports.now();
      if (leftMs <= 0) break;
      await this.#waiters.wait(leftMs);
    }
    return this.#store.extent.next;
  }

  resolve(point: Point): number {
    return this.#config ? this.#reading.resolve(point) : 0;
  }

  status(): LogStatus | null {
    const config = this.#config;
    if (!config) return null;
    const { extent, state } = this.#store;
    return {
      partition: config.partition,
      first: state.first,
      next: extent.next,
      bytes: extent.bytes,
      segments: extent.segments,
      sealed: extent.tail.first,
      claimEvents: extent.claimEvents,
      claimBytes: extent.claimBytes,
      duplicates: state.duplicates,
      operations: { ...this.#operations },
    };
  }

  async measure(from: number, maxEvents: number, maxBytes: number): Promise<Measured> {
    if (!this.#config) return { to: from, events: 0, bytes: 0, full: null, firstAtMs: null };
    for (let tries = 1; ; tries++) {
      try {
        return await this.#reading.measure(from, maxEvents, maxBytes);
      } catch (error) {
        // Rows were sealed, or a segment aged out, between two reads: look again.
        if (tries === MEASURE_TRIES) throw error;
      }
    }
  }

  async pin(holder: string, from: number, to: number, pieceBytes: number): Promise<InputPiece[]> {
    const config = this.#known();
    const { state, extent } = this.#store;
    const first = Math.max(from, state.first);
    const next = Math.min(to, extent.next);
    if (first >= next) return [];
    if (!this.#pins.has(holder) && this.#pins.size >= PINS_MAX) {
      throw new Error(`${logName(config)} has ${PINS_MAX} pins, which is the most`);
    }
    const pin = { holder, first, next, untilMs: this.#ports.now() + PINS_KEEP_MS };
    this.#store.savePin(pin);
    this.#pins.set(holder, pin);
    await this.#inTurn(() => this.#sealTo(next));
    // Deleted meanwhile?
    return this.#reading.pieces(this.#known(), first, next, pieceBytes);
  }

  unpin(holder: string): void {
    if (!this.#pins.delete(holder)) return;
    this.#store.deletePin(holder);
    this.#planRetention();
  }

  // --- Readers that are rung ------------------------------------------------------------------------

  subscribe(reader: string, bell: StreamBell, from: Point): number {
    const config = this.#known();
    const begin = this.#beginOf(reader, from);
    if (!this.#readers.has(reader) && this.#readers.size >= SUBSCRIBERS_MAX) {
      throw new Error(`${logName(config)} has ${SUBSCRIBERS_MAX} readers, which is the most`);
    }
    this.#store.saveSubscriber({ reader, bell, begin });
    this.#readers.set(reader, bell, begin, this.#store.extent.next, this.#ports.now());
    this.#ports.later(this.#ring());
    return begin;
  }

  /** A reader that asks twice for "latest" begins where it was first told to: the answer may have been lost. */
  #beginOf(reader: string, from: Point): number {
    if (typeof from === 'string' || !('offset' in from)) {
      const known = this.#store.subscribers().find((one) => one.reader === reader);
      if (known) return known.begin;
    }
    return this.#reading.resolve(from);
  }

  unsubscribe(reader: string): void {
    if (this.#readers.delete(reader)) this.#store.deleteSubscriber(reader);
  }

  caughtUp(reader: string, at: number): boolean {
    const nowMs = this.#ports.now();
    const rests = this.#readers.caughtUp(reader, at, this.#store.extent.next, nowMs);
    if (this.#config) this.#changed(nowMs);
    return rests;
  }

  async #ring(): Promise<void> {
    const due = this.#readers.due(this.#ports.now());
    for (let i = 0; i < due.length; i += QUEUE_BATCH_MAX_MESSAGES) {
      const batch = due.slice(i, i + QUEUE_BATCH_MAX_MESSAGES);
      try {
        await this.#ports.ring(batch.map(({ bell }) => bell));
        this.#operations.queueOperation += BELL_OPERATIONS * batch.length;
      } catch {
        this.#readers.failed(
          batch.map(({ reader }) => reader),
          this.#ports.now(),
        );
      }
    }
  }

  // --- Chores ---------------------------------------------------------------------------------------

  /** When `work` is to be called next. */
  nextMs(): number | null {
    const chore = this.#timers.nextMs();
    const bell = this.#config ? this.#readers.nextMs() : null;
    if (chore === null || bell === null) return chore ?? bell;
    return Math.min(chore, bell);
  }

  /** Does what is due. What fails is due again later. */
  async work(): Promise<void> {
    if (!this.#store.identity) return;
    const nowMs = this.#ports.now();
    for (const chore of this.#timers.due(nowMs)) await this.#try(chore);
    if (this.#config) await this.#ring();
  }

  /** Resolves when the chores that are under way are done. */
  async settled(): Promise<void> {
    await this.#chores;
  }

  /** An alarm may find it undone after a crash: hence the timer, which the chore itself clears. */
  #chore(chore: LogChore): void {
    this.#timers.atLatest(chore, this.#ports.now() + RETRY_MS);
    if (!this.#waiting.has(chore)) this.#ports.later(this.#try(chore));
  }

  async #try(chore: LogChore): Promise<void> {
    this.#waiting.add(chore);
    try {
      await this.#inTurn(() => {
        this.#waiting.delete(chore);
        return this.#do(chore);
      });
    } catch {
      this.#timers.atLatest(chore, this.#ports.now() + RETRY_MS);
    }
  }

  async #inTurn(work: () => Promise<void> | void): Promise<void> {
    const turn = this.#chores.then(work);
    this.#chores = turn.catch(() => undefined);
    await turn;
  }

  async #do(chore: LogChore): Promise<void> {
    if (!this.#store.identity) return;
    if (!this.#config) return this.#sweep();
    const nowMs = this.#ports.now();
    switch (chore) {
      case 'flush':
        return this.#flush();
      case 'seal':
        return this.#sealDue(nowMs);
      case 'retain':
        this.#retain(nowMs);
        return this.#collect();
      case 'collect':
        return this.#collect();
      case 'claims':
        await this.#settleClaims();
        this.#timers.set('claims', null);
        return;
      case 'prune':
        this.#prune(nowMs);
    }
  }

  /** Something is worth being written before long. */
  #changed(nowMs: number): void {
    this.#timers.atLatest('flush', nowMs + LOG_FLUSH_MS);
  }

  /** A call came. Mere reading is written with the next change, or when there was much of it. */
  called(): void {
    if (!this.#config) return;
    this.#operations.durableObjectRequest++;
    if (this.#counted() - this.#countsSaved >= READS_WORTH_A_ROW) this.#changed(this.#ports.now());
  }
  alarmSet(): void {
    this.#operations.rowWritten++;
  }
  #counted(): number {
    const { durableObjectRequest, queueOperation } = this.#operations;
    return durableObjectRequest + queueOperation;
  }

  #flush(): void {
    this.#takeStock();
    this.#store.saveState();
    this.#countsSaved = this.#counted();
  }
  #takeStock(): void {
    this.#store.state.operations = { ...this.#operations };
    this.#store.state.places = this.#readers.places();
  }

  async #sealDue(nowMs: number): Promise<void> {
    while (this.#config && (this.#sealing.full || this.#agedMs(nowMs) === 0)) await this.#sealOne();
    this.#planSealing();
    this.#planRetention();
  }

  async #sealTo(to: number): Promise<void> {
    while (this.#config && this.#store.extent.tail.first < to) await this.#sealOne();
    this.#planSealing();
    this.#planRetention();
  }

  async #sealOne(): Promise<void> {
    const config = this.#known();
    // A segment's claims are held: its tokens are looked at again only when they are released.
    await this.#claims.holdAll(logName(config));
    await this.#sealing.sealOne(config);
    const ids = this.#ids;
    while (ids && ids.size > this.#sizes.dedupIds) {
      const oldest = this.#store.dropOldestIds();
      if (!oldest) break;
      ids.removeAll(oldest);
    }
  }

  /** How long until the tail is sealed because of its age; 0: now. Null: it is too small for that, or empty. */
  #agedMs(nowMs: number): number | null {
    const { bytes, oldestAtMs } = this.#store.extent.tail;
    if (oldestAtMs === null || bytes < SEGMENT_AGED_MIN_BYTES) return null;
    return Math.max(0, oldestAtMs + SEGMENT_AGE_MS - nowMs);
  }

  #planSealing(): void {
    const nowMs = this.#ports.now();
    const agedMs = this.#sealing.full ? 0 : this.#agedMs(nowMs);
    this.#timers.set('seal', agedMs === null ? null : nowMs + agedMs);
  }

  /** Forgets whole segments, and then rows, whose newest event is too old; stops at what is pinned. */
  #retain(nowMs: number): void {
    const { retentionMs } = this.#known();
    this.#dropOldPins(nowMs);
    const { state } = this.#store;
    let first = state.first;
    for (const unit of this.#agingUnits()) {
      if (unit.newestMs + retentionMs > nowMs || this.#pinOf(unit)) break;
      first = unit.next;
    }
    if (first > state.first) {
      this.#takeStock();
      this.#store.advance(first, (ids) => this.#ids?.removeAll(ids));
    }
    this.#planSealing();
    this.#planRetention();
  }

  *#agingUnits(): Iterable<{ first: number; next: number; newestMs: number }> {
    let at = this.#store.state.first;
    for (;;) {
      const [segment] = this.#store.segmentsFrom(at, 1);
      if (!segment) break;
      yield { first: segment.first, next: segment.next, newestMs: segment.lastAtMs };
      at = segment.next;
    }
    for (const { first, count, atMs } of this.#store.rowSizesFrom(at)) {
      yield { first, next: first + count, newestMs: atMs };
    }
  }

  #pinOf(unit: { first: number; next: number }): Pin | undefined {
    return [...this.#pins.values()].find((pin) => pin.first < unit.next && unit.first < pin.next);
  }

  #dropOldPins(nowMs: number): void {
    for (const { holder, untilMs } of this.#pins.values()) {
      if (untilMs > nowMs) continue;
      this.#store.deletePin(holder);
      this.#pins.delete(holder);
    }
  }

  #planRetention(): void {
    const config = this.#config;
    if (!config) return;
    for (const unit of this.#agingUnits()) {
      const slackMs = Math.min(config.retentionMs * RETENTION_SLACK_SHARE, RETENTION_SLACK_MAX_MS);
      const atMs = unit.newestMs + config.retentionMs + slackMs;
      const pin = this.#pinOf(unit);
      return this.#timers.set('retain', pin ? Math.max(atMs, pin.untilMs) : atMs);
    }
    this.#timers.set('retain', null);
  }

  /** Deletes the objects of segments that the log has left behind, and lets go of their claims. */
  async #collect(): Promise<void> {
    for (;;) {
      const garbage = this.#store.garbage();
      const config = this.#store.identity?.config;
      if (garbage.length === 0 || !config) break;
      const { uid, partition } = config;
      await this.#ports.bucket.delete(garbage.map((first) => segmentKey(uid, partition, first)));
      this.#store.deleteSegments(garbage);
    }
    await this.#settleClaims();
  }

  async #settleClaims(): Promise<void> {
    const { identity } = this.#store;
    if (!identity) return;
    const holder = logName(identity.config);
    await this.#claims.holdAll(holder);
    await this.#claims.releaseAll(holder);
  }

  #oldestRecordMs(): number | null {
    const request = this.#store.oldestRequestMs();
    const producer = this.#store.oldestProducerMs();
    const dueMs = [
      ...(request === null ? [] : [request + IDEMPOTENCY_MS]),
      ...(producer === null ? [] : [producer + PRODUCER_KEEP_MS]),
    ];
    return dueMs.length === 0 ? null : Math.min(...dueMs);
  }

  #prune(nowMs: number): void {
    this.#store.prune(nowMs - IDEMPOTENCY_MS, nowMs - PRODUCER_KEEP_MS);
    this.#planPruning();
  }
  #planPruning(): void {
    const dueMs = this.#oldestRecordMs();
    this.#timers.set('prune', dueMs === null ? null : dueMs + PRUNE_MS);
  }

  // --- The end --------------------------------------------------------------------------------------

  /** From now on the partition is unknown; true when nothing is left of it, else `work` goes on with it. */
  async forget(): Promise<boolean> {
    if (!this.#store.identity) return true;
    this.#store.markForgotten();
    this.#timers.clear();
    this.#timers.set('collect', this.#ports.now() + RETRY_MS);
    this.#waiters.wake();
    await this.#try('collect');
    return this.swept;
  }

  /** It was deleted, and its storage can be, too. */
  get swept(): boolean {
    return this.#store.identity?.forgotten === true && this.#timers.nextMs() === null;
  }

  async #sweep(): Promise<void> {
    const { state, extent } = this.#store;
    if (state.first < extent.next) this.#store.advance(extent.next, () => undefined);
    await this.#collect();
    this.#timers.clear();
  }

  /** The storage is gone. */
  close(): void {
    this.#store.identity = null;
    this.#timers.clear();
  }
}

const noOperations = (): Record<Operation, number> => ({
  workerRequest: 0,
  durableObjectRequest: 0,
  rowWritten: 0,
  rowRead: 0,
  r2Write: 0,
  r2Read: 0,
  queueOperation: 0,
});
