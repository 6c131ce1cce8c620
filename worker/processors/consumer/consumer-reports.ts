// What a report changes: the place, the counters, the dead letters. Called within one transaction.
import type {
  EventFailure,
  RanReport,
  RedrivenReport,
  Report,
} from '../../contracts/consumer.rpc.ts';
import { type ConsumerRecord, countLatency } from './consumer-record.ts';
import type { ConsumerStorage, Loaded } from './consumer-storage.ts';
import { afterBlock, afterCrash, afterRun, movedTo, unblocked, type Verdict } from './retry.ts';
import { addCounts, lastLines } from '../definition/counters.ts';

/** A report of other events than those that come next would leave some out. */
export function checkPlace({ place }: ConsumerRecord, report: Report): void {
  if (!('from' in report) || report.from === place.committed) return;
  throw new Error(
    `a report of ${report.kind} from ${report.from}, but committed is ${place.committed}`,
  );
}

/** Answers how many dead letters there are more. `random` is in [0, 1). */
export function applyReport(
  storage: ConsumerStorage,
  loaded: Loaded,
  report: Report,
  nowMs: number,
  random: number,
): number {
  const { config, record } = loaded;
  checkPlace(record, report);
  let added = 0;
  switch (report.kind) {
    case 'ran': {
      const { to, final, failures, refused } = report;
      const offsets = failures.map(({ offset }) => offset);
      const reason = failures[0]?.error.message ?? '';
      const ran = { to, final, failures: offsets, reason };
      const verdict = afterRun(record.place, ran, config.retry, nowMs, random);
      const lost = [...refused, ...(final ? failures : [])];
      added = give(storage, loaded, verdict, lost, nowMs);
      countLatency(record, report.latency, nowMs);
      count(storage, loaded, report);
      record.serial++;
      break;
    }
    case 'crashed': {
      const { to, error, line } = report;
      const crash = { to, reason: error.message };
      const verdict = afterCrash(record.place, crash, config.retry, nowMs, random);
      const lost = verdict.dead.map((offset) => ({ offset, line: line ?? '', error }));
      added = give(storage, loaded, verdict, lost, nowMs);
      break;
    }
    case 'expired':
      record.place = movedTo(record.place, report.to);
      record.counters.expired += report.to - report.from;
      break;
    case 'redriven':
      redriven(storage, record, report);
      count(storage, loaded, report);
      if (record.place.waits?.kind === 'blocked') record.place = unblocked(record.place);
      record.serial++;
      break;
    case 'blocked':
      record.place = afterBlock(record.place, report.reason, config.retry, nowMs, random);
      break;
  }
  addCounts(record.operations, { rowWritten: 1 });
  storage.saveRecord(record);
  return added;
}

/** Takes a verdict, and buries who was given up on. */
function give(
  storage: ConsumerStorage,
  { config, record }: Loaded,
  verdict: Verdict,
  lost: EventFailure[],
  atMs: number,
): number {
  const { stream, partition } = config.ref.source;
  const attempts = record.place.attempts + 1;
  for (const { offset, line, error } of lost) {
    const id = `${stream}:${partition}:${offset}`;
    storage.addLetter({ id, offset, line, error, attempts, atMs });
  }
  record.place = verdict.place;
  record.counters.deadLettered += lost.length;
  record.counters.retried += verdict.again ? 1 : 0;
  addCounts(record.operations, { rowWritten: lost.length });
  return lost.length;
}

function redriven(
  storage: ConsumerStorage,
  record: ConsumerRecord,
  { letters }: RedrivenReport,
): void {
  for (const { id, attempt, error } of letters) {
    if (error) storage.letterFailedAgain(id, error);
    else storage.removeLetter(id, attempt === undefined ? null : attempt - 1);
  }
  const well = letters.filter(({ error }) => error === null).length;
  addCounts(record.counters, { redriven: well, processed: well });
  addCounts(record.operations, { rowWritten: letters.length });
}

function count(storage: ConsumerStorage, loaded: Loaded, report: RanReport | RedrivenReport): void {
  const { emitted, duplicates } = report;
  addCounts(loaded.record.counters, { emitted, duplicates });
  if (report.kind === 'ran') {
    const { processed, passedOver } = report;
    addCounts(loaded.record.counters, { processed, passedOver });
  }
  addCounts(loaded.record.operations, report.operations);
  if (report.log.length === 0) return;
  loaded.log = lastLines(loaded.log, report.log);
  storage.saveLog(loaded.log);
}
