// One partition of a stream: appends, what readers ask, and whom to wake. Knows the platform only through its
// ports, so that it runs in a test as in a Durable Object; its owner sets an alarm for `nextMs`.
import {
  IDEMPOTENCY_MS,
  SUBSCRIBERS_MAX,
  TAIL_MAX_BYTES,
  WAITERS_MAX,
} from '../../../shared/limits.ts';
import type { Operation } from '../../../shared/pricing.ts';
import { meterBucket, QUEUE_BATCH_MAX_MESSAGES } from '../../platform/bindings.edge.ts';
import type { StreamWakeUp } from '../../contracts/wake-ups.ts';
import { Waiters } from '../../platform/waiters.ts';
import { lastSequenceOf, rowsOf, dedupe, undoDedupe } from './append-rows.ts';
import { LogMaintenance } from './maintenance.store.ts';
import { LogClaims } from './claims.ts';
import { KnownIds } from './ids.ts';
import type { PackedRow } from './lines.ts';
import { LogPins } from './pins.ts';
import { LOG_SIZES, type LogPorts, type LogSizes } from './ports.store.ts';
import { LogReading } from './reading.store.ts';
import { LogRecords } from './records.store.ts';
import type {
  Append,
  AppendOutcome,
  InputPiece,
  Located,
  LogConfig,
  LogStatus,
  Measured,
  Point,
} from '../../contracts/log.rpc.ts';
import { LogSealing } from './sealing.store.ts';
import { Sql } from '../../platform/sql.store.ts';
import { LogStore } from './log.store.ts';
import { logName } from '../../contracts/names.ts';
import { Subscriptions } from './subscriptions.ts';

/** Counts of mere reading are worth a row when there are so many. */
const READS_WORTH_A_ROW = 100;
const MEASURE_TRIES = 3;
/** The piece number under which a request's digest is kept. */
const DIGEST_PIECE = -1;
/** A message is written, read and deleted. */
const WAKE_UP_OPERATIONS = 3;

/** A partition that does not exist, where the interface has no word for it. */
export class UnknownPartitionError extends Error {
  override name = 'UnknownPartitionError';
}

export class PartitionLog {
  readonly #ports: LogPorts;
  readonly #sizes: LogSizes;
  readonly #sql: Sql;
  readonly #store: LogStore;
  readonly #records: LogRecords;
  readonly #reading: LogReading;
  readonly #claims: LogClaims;
  readonly #pins: LogPins;
  readonly #ids: KnownIds;
  readonly #maintenance: LogMaintenance;
  readonly #operations = noOperations();
  readonly #waiters = new Waiters(WAITERS_MAX);
  readonly #readers = new Subscriptions();
  #callsWritten = 0;

  constructor(ports: LogPorts, sizes: LogSizes = LOG_SIZES) {
    this.#ports = ports;
    this.#sizes = sizes;
    this.#sql = new Sql(ports.storage, this.#operations);
    this.#store = new LogStore(this.#sql);
    this.#records = new LogRecords(this.#sql);
    const { identity, state, extent, attachments } = this.#store;
    const bucket = meterBucket(ports.bucket, this.#operations);
    this.#reading = new LogReading(this.#store, bucket);
    this.#claims = new LogClaims(this.#store, ports.claims);
    this.#pins = new LogPins(this.#records, identity ? this.#records.pins() : []);
    this.#ids = new KnownIds(attachments, sizes.dedupIds);
    this.#maintenance = new LogMaintenance({
      ports,
      store: this.#store,
      records: this.#records,
      sealing: new LogSealing(this.#store, bucket, sizes),
      claims: this.#claims,
      ids: this.#ids,
      pins: this.#pins,
      takeStock: () => this.#takeStock(),
    });
    for (const [operation, count] of Object.entries(state.operations)) {
      this.#operations[operation as Operation] += count;
    }
    this.#callsWritten = this.#operations.durableObjectRequest;
    for (const { reader, wakeUp, begin } of identity ? this.#records.subscribers() : []) {
      this.#readers.set(reader, wakeUp, state.places[reader] ?? begin, extent.next, ports.now());
    }
    this.#maintenance.plan();
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
    this.#maintenance.planRetention();
  }

  // --- Appending ------------------------------------------------------------------------------------

  append(batch: Append): AppendOutcome {
    const config = this.#config;
    if (!config) return { kind: 'unknown' };
    // Append times never go backwards: what is found by time is found by bisecting.
    const nowMs = Math.max(this.#ports.now(), this.#store.state.lastAtMs);
    if (batch.request) {
      const { key, piece } = batch.request;
      const known = this.#records.requestOutcome(key, piece, nowMs - IDEMPOTENCY_MS);
      if (known !== null) return JSON.parse(known) as AppendOutcome;
    }
    try {
      return this.#appendNew(config, batch, nowMs);
    } catch (error) {
      this.#ids.reset();
      throw error;
    }
  }

  #appendNew(config: LogConfig, batch: Append, nowMs: number): AppendOutcome {
    const { extent, state, identity } = this.#store;
    const { producer, request } = batch;
    const before = producer ? this.#records.sequenceOf(producer.id) : null;
    const deduped = dedupe(batch, before, identity?.idKey ?? [0, 0], this.#ids);
    const accepted = deduped.events.length;
    const refusal = accepted > 0 ? this.#refusal(config) : null;
    if (refusal) {
      undoDedupe(deduped, this.#ids);
      return refusal;
    }
    const rows = rowsOf(deduped, config.partition, extent.next, this.#sizes.rowBytes);
    const { duplicates } = deduped;
    const first = accepted > 0 ? extent.next : null;
    const outcome: AppendOutcome = { kind: 'appended', accepted, duplicates, first };
    const sequence = lastSequenceOf(batch, before);
    this.#sql.transaction(() => {
      for (const row of rows) this.#store.insertRow(row, nowMs);
      if (producer && sequence !== null && sequence !== before) {
        this.#records.saveSequence(producer.id, sequence, nowMs);
      }
      if (request) {
        this.#records.saveRequest(request.key, request.piece, JSON.stringify(outcome), nowMs);
      }
    });
    state.duplicates += duplicates;
    if (producer || request) this.#maintenance.recorded();
    this.#maintenance.changed();
    if (accepted > 0) this.#grew(rows, nowMs);
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

  #grew(rows: readonly PackedRow[], nowMs: number): void {
    const { extent } = this.#store;
    const before = extent.next;
    const firstOfTail = extent.tail.rows === 0;
    this.#store.grew(rows, nowMs);
    const withClaims = rows.some(({ claims }) => claims.length > 0);
    if (!withClaims) this.#claims.nothingToHold(before, extent.next);
    this.#maintenance.grew(withClaims, firstOfTail);
    this.#readers.appended(this.#ports.now());
    this.#waiters.wake();
    this.#ports.later(this.#ring());
  }

  claimRequest(key: string, bodyDigest: string): 'new' | 'same' | 'conflict' | 'unknown' {
    if (!this.#config) return 'unknown';
    const nowMs = this.#ports.now();
    const known = this.#records.requestOutcome(key, DIGEST_PIECE, nowMs - IDEMPOTENCY_MS);
    if (known !== null) return known === bodyDigest ? 'same' : 'conflict';
    this.#records.saveRequest(key, DIGEST_PIECE, bodyDigest, nowMs);
    this.#maintenance.recorded();
    return 'new';
  }

  // --- Reading --------------------------------------------------------------------------------------

  locate(from: number, maxEvents: number, maxBytes: number): Located {
    const config = this.#config;
    return config ? this.#reading.locate(config, from, maxEvents, maxBytes) : { kind: 'unknown' };
  }

  async waitPast(after: number, waitMs: number): Promise<number | 'full'> {
    const endMs = this.#ports.now() + waitMs;
    while (this.#config && this.#store.extent.next <= after) {
      const leftMs = endMs - this.#ports.now();
      if (leftMs <= 0) break;
      if ((await this.#waiters.wait(leftMs)) === 'full') return 'full';
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
    this.#known();
    const { state, extent } = this.#store;
    const first = Math.max(from, state.first);
    const next = Math.min(to, extent.next);
    if (first >= next) return [];
    this.#pins.add(holder, first, next, this.#ports.now());
    try {
      await this.#maintenance.sealTo(next);
      return await this.#reading.pieces(this.#known(), first, next, pieceBytes);
    } catch (error) {
      // The caller knows of no pin that it would have to take away.
      this.unpin(holder);
      throw error;
    }
  }

  unpin(holder: string): void {
    if (this.#pins.remove(holder)) this.#maintenance.planRetention();
  }

  // --- Readers that are woken ------------------------------------------------------------------------

  subscribe(reader: string, wakeUp: StreamWakeUp, from: Point): number {
    const config = this.#known();
    if (!this.#readers.has(reader) && this.#readers.size >= SUBSCRIBERS_MAX) {
      throw new Error(`${logName(config)} has ${SUBSCRIBERS_MAX} readers, which is the most`);
    }
    const begin = this.#beginOf(reader, from);
    this.#records.saveSubscriber({ reader, wakeUp, begin });
    this.#readers.set(reader, wakeUp, begin, this.#store.extent.next, this.#ports.now());
    this.#maintenance.changed();
    this.#ports.later(this.#ring());
    return begin;
  }

  /** A reader that asks twice for "latest" begins where it was first told to: the answer may have been lost. */
  #beginOf(reader: string, from: Point): number {
    const exact = typeof from === 'object' && 'offset' in from;
    const known = exact ? null : this.#records.subscriber(reader);
    return known ? known.begin : this.#reading.resolve(from);
  }

  unsubscribe(reader: string): void {
    if (this.#readers.delete(reader)) this.#records.deleteSubscriber(reader);
  }

  caughtUp(reader: string, at: number): boolean {
    if (!this.#config) return true;
    this.#maintenance.changed();
    return this.#readers.caughtUp(reader, at, this.#store.extent.next, this.#ports.now());
  }

  async #ring(): Promise<void> {
    const due = this.#readers.due(this.#ports.now());
    for (let i = 0; i < due.length; i += QUEUE_BATCH_MAX_MESSAGES) {
      const batch = due.slice(i, i + QUEUE_BATCH_MAX_MESSAGES);
      try {
        await this.#ports.ring(batch.map(({ wakeUp }) => wakeUp));
        this.#operations.queueOperation += WAKE_UP_OPERATIONS * batch.length;
      } catch {
        const readers = batch.map(({ reader }) => reader);
        this.#readers.failed(readers, this.#ports.now());
      }
    }
  }

  // --- Later ----------------------------------------------------------------------------------------

  /** When `work` is to be called next. */
  nextMs(): number | null {
    const task = this.#maintenance.nextMs();
    const wakeUp = this.#config ? this.#readers.nextMs() : null;
    if (task === null || wakeUp === null) return task ?? wakeUp;
    return Math.min(task, wakeUp);
  }

  async work(): Promise<void> {
    await this.#maintenance.work();
    if (this.#config) await this.#ring();
  }

  /** Resolves when the tasks that are under way are done. */
  async settled(): Promise<void> {
    await this.#maintenance.settled();
  }

  /** A call came. Mere reading is written with the next change, or when there was much of it. */
  called(): void {
    if (!this.#config) return;
    const calls = ++this.#operations.durableObjectRequest;
    if (calls - this.#callsWritten >= READS_WORTH_A_ROW) this.#maintenance.changed();
  }
  /** Setting an alarm is billed as a row. */
  alarmSet(): void {
    this.#operations.rowWritten++;
  }

  #takeStock(): void {
    this.#store.state.operations = { ...this.#operations };
    this.#store.state.places = this.#readers.places();
    this.#callsWritten = this.#operations.durableObjectRequest;
  }

  // --- The end --------------------------------------------------------------------------------------

  /** From now on the partition is unknown; true when nothing is left of it, else `work` goes on with it. */
  async delete(): Promise<boolean> {
    if (!this.#store.identity) return true;
    this.#store.markDeleted();
    this.#waiters.wake();
    await this.#maintenance.sweep();
    return this.swept;
  }

  /** It was deleted, and its storage can be, too. */
  get swept(): boolean {
    return this.#store.identity?.forgotten === true && this.#maintenance.nextMs() === null;
  }

  /** The storage is gone. */
  close(): void {
    this.#store.identity = null;
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
