// A recording of a local edge's state, as `record-state.ts` makes it, and its unpacking as if it had just been made.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const HOUR_MS = 3600_000;
/** Times of the clock lie here, seen from the recording; the times of its events do not. */
const PAST_MS = HOUR_MS;
const FUTURE_MS = 2 * 366 * 24 * HOUR_MS;
/** workerd stores alarms in nanoseconds. */
const UNITS_PER_MS = [1n, 1_000_000n];

/** `expected.json`: what was asked, and what must still be answered. */
export interface Recording {
  version: string;
  recordedAtMs: number;
  jobs: { finished: string; halfway: string; voted: string };
  runs: { finished: string; waiting: string };
  answers: { path: string; answer: unknown }[];
}

export const readRecording = (folder: string): Recording =>
  JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Recording;

/** Unpacks the state, and moves what it says of the clock to now: keys that were fresh are fresh, and leases still hold. */
export function unpackState(folder: string, { recordedAtMs }: Recording, into: string): void {
  const { status, stderr } = spawnSync('tar', ['-xzf', join(folder, 'state.tar.gz'), '-C', into], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`tar: ${stderr}`);
  // Whole hours: windows of event time keep their boundaries.
  const byMs = Math.floor((Date.now() - recordedAtMs) / HOUR_MS) * HOUR_MS;
  for (const file of readdirSync(into, { recursive: true, encoding: 'utf8' })) {
    if (file.endsWith('.sqlite')) shiftTimes(join(into, file), recordedAtMs, byMs);
  }
}

/** In every table: whole numbers that are times, and such numbers within JSON. */
function shiftTimes(file: string, recordedAtMs: number, byMs: number): void {
  const [fromMs, toMs] = [recordedAtMs - PAST_MS, recordedAtMs + FUTURE_MS];
  const database = new DatabaseSync(file);
  database.function('shifted', (text) =>
    String(text).replace(/(?<![\d.])\d{13}(?![\d.])/g, (digits) =>
      Number(digits) >= fromMs && Number(digits) <= toMs ? String(Number(digits) + byMs) : digits,
    ),
  );
  for (const { name: table } of database
    .prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
    .all()) {
    for (const { name } of database.prepare(`PRAGMA table_info("${table}")`).all()) {
      const column = `"${String(name)}"`;
      for (const unit of UNITS_PER_MS) {
        database
          .prepare(
            `UPDATE "${table}" SET ${column} = ${column} + ?
              WHERE typeof(${column}) = 'integer' AND ${column} BETWEEN ? AND ?`,
          )
          .run(BigInt(byMs) * unit, BigInt(fromMs) * unit, BigInt(toMs) * unit);
      }
      database.exec(
        `UPDATE "${table}" SET ${column} = shifted(${column}) WHERE typeof(${column}) = 'text'`,
      );
    }
  }
  database.close();
}

/** Measured, or worded anew by each version. */
const UNSTABLE = new Set(['cost', 'latencyMs', 'reason', 'ms', 'nextRuns']);
const CLOCK_TIME = /^20(2[6-9]|[3-9]\d)-\d\d-\d\dT[\d:.]+Z$/;

/** An answer without what another day or another version may say otherwise: measures, reasons, times of the clock. */
export function stable(answer: unknown): unknown {
  if (Array.isArray(answer)) return answer.map(stable);
  if (typeof answer !== 'object' || answer === null) return answer;
  return Object.fromEntries(
    Object.entries(answer)
      .filter(
        ([name, value]) =>
          !UNSTABLE.has(name) && !(typeof value === 'string' && CLOCK_TIME.test(value)),
      )
      .map(([name, value]) => [name, stable(value)]),
  );
}
