// What a wake-up sets going: lease, read, run, keep what was decided, append, report, until the log is read or the
// time is over. Everything it touches comes as an argument; dispatch.ts gives it the real ones.
import { messageOf } from '../../../shared/message-of.ts';
import {
  BATCH_MAX_BYTES,
  BATCH_MAX_EVENTS,
  CONSUME_AIM_MS,
  CONSUME_FIRST_EVENTS,
  CONSUME_FOR_MS,
} from '../../../shared/limits.ts';
import { finish, whileRenewing } from './append-effects.ts';
import type { ConsumePorts, WorkOf } from './consume-ports.ts';
import type { ConsumerWork, RunOutcome } from '../../contracts/consumer.rpc.ts';
import { addCounts } from '../definition/counters.ts';
import { decide, latencyOf, type RunBatch } from '../../outputs/effects.ts';
import type { PartitionRef } from '../../contracts/names.ts';
import type { ReadEvents } from '../../log/read-events.ts';
import { redrive } from './redrive.ts';

/** Throws only when the consumer itself cannot be reached: then its lease runs out. */
export async function consume(ports: ConsumePorts): Promise<void> {
  const { consumer } = ports;
  let work = await consumer.begin();
  const untilMs = ports.nowMs() + CONSUME_FOR_MS;
  const reader = new Reader(ports);
  // A wake-up is three operations of the queue, a request, and what begins and ends the lease.
  let operations: Record<string, number> = {
    queueOperation: 3,
    workerRequest: 1,
    durableObjectRequest: 2,
  };
  while (work) {
    if (ports.nowMs() >= untilMs) return consumer.leave(work.lease);
    const { lease } = work;
    try {
      work = await answer(ports, reader, work, operations);
      operations = {};
    } catch (error) {
      const reason = messageOf(error);
      work = await consumer.report(lease, { kind: 'blocked', reason });
    }
  }
}

function answer(
  ports: ConsumePorts,
  reader: Reader,
  work: ConsumerWork,
  operations: Record<string, number>,
): Promise<ConsumerWork | null> {
  switch (work.kind) {
    case 'events':
      return runEvents(ports, reader, work, operations);
    case 'redrive':
      return redrive(ports, work, operations);
    case 'effects':
      return finish(ports, work, work.effects, null);
  }
}

async function runEvents(
  ports: ConsumePorts,
  reader: Reader,
  work: WorkOf<'events'>,
  operations: Record<string, number>,
): Promise<ConsumerWork | null> {
  const { consumer } = ports;
  const { lease, config, from, attempt, final } = work;
  const read = await reader.read(work);
  if (read.kind === 'end') {
    if (config.routing?.time) await ports.rested(config, from);
    return consumer.rest(lease, from);
  }
  if (read.kind === 'unknown') throw new Error(`the stream ${config.ref.source.stream} is gone`);
  if (read.kind === 'expired') {
    return consumer.report(lease, { kind: 'expired', from, to: read.first });
  }
  const lines = read.text.split('\n');
  const batch: RunBatch = { from, lines, appendedAt: read.appendedAt };
  const beganMs = ports.nowMs();
  let outcome: RunOutcome;
  try {
    const { text, appendedAt } = read;
    const call = { text, attempt, final, redrive: false, appendedAt, settled: from };
    outcome = await whileRenewing(ports, lease, () => ports.run(config, call));
  } catch (error) {
    const crash = ports.crashOf(error);
    if (!crash) throw error;
    const line = lines.length === 1 ? read.text : null;
    const to = from + lines.length;
    return consumer.report(lease, { kind: 'crashed', from, to, error: crash, line });
  }
  reader.took(lines.length, ports.nowMs() - beganMs);
  const { report, outputs, events } = decide(batch, outcome, config, final);
  report.latency = latencyOf(batch, report, ports.nowMs());
  addCounts(report.operations, operations);
  addCounts(report.operations, { durableObjectRequest: 1 });
  if (!outputs || config.output === null) return consumer.report(lease, report);
  const effects = { output: config.output, version: config.version, outputs: [outputs], report };
  addCounts(report.operations, { durableObjectRequest: 1, rowWritten: 1 });
  if (!(await consumer.prepare(lease, effects))) return null;
  return finish(ports, work, effects, { batch, events });
}

/** Reads batches that take about CONSUME_AIM_MS to run, and the next one while this one runs. */
class Reader {
  readonly #ports: ConsumePorts;
  #events = CONSUME_FIRST_EVENTS;
  #ahead: { from: number; read: Promise<ReadEvents | null> } | null = null;

  constructor(ports: ConsumePorts) {
    this.#ports = ports;
  }

  async read({ config, from, to }: WorkOf<'events'>): Promise<ReadEvents> {
    const { source } = config.ref;
    const ahead = this.#ahead?.from === from && to === null ? await this.#ahead.read : null;
    this.#ahead = null;
    const maxEvents = to === null ? this.#events : Math.min(BATCH_MAX_EVENTS, to - from);
    const bounds = { maxEvents, maxBytes: BATCH_MAX_BYTES };
    const read = ahead ?? (await this.#ports.read(source, from, bounds));
    if (read.kind === 'events' && to === null) this.#readAhead(source, read);
    return read;
  }

  #readAhead(source: PartitionRef, read: Extract<ReadEvents, { kind: 'events' }>): void {
    const from = read.first + read.count;
    if (from >= read.next) return;
    const bounds = { maxEvents: this.#events, maxBytes: BATCH_MAX_BYTES };
    // Whatever goes wrong shows again when it is read in earnest. What lay at the end may be more by then.
    const next = this.#ports.read(source, from, bounds).then(
      (ahead) => (ahead.kind === 'events' ? ahead : null),
      () => null,
    );
    this.#ahead = { from, read: next };
  }

  took(events: number, ms: number): void {
    const fitting = Math.ceil((events * CONSUME_AIM_MS) / Math.max(1, ms));
    this.#events = Math.max(1, Math.min(BATCH_MAX_EVENTS, this.#events * 4, fitting));
  }
}
