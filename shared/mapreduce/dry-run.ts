// Runs a program on its first records and shows what comes out, all in memory: the same map, combine and
// reduce as a job's, for the person who writes the program.
import type { Json } from '../schemas/common.ts';
import type { BadRecord, TaskError } from '../schemas/job.ts';
import { isBuiltin } from './builtins.ts';
import { GroupReducer, type Reduction } from './group-reduce.ts';
import {
  combineOf,
  contextOf,
  loadProgram,
  type MapRun,
  mapRecords,
  type ProgramExports,
  runErrorOf,
} from './map-run.ts';
import { SideOutput } from '../sandbox/side-output.ts';
import { BlockReader } from './blocks.ts';
import { SpillWriter } from './spill.ts';
import { keyText, valueText } from '../sandbox/strict-json.ts';
import { Table } from './table.ts';
import { TaskFailure } from '../sandbox/task-error.ts';

/** Records and results shown. */
const SHOWN_MAX = 100;

export interface DryRun extends Omit<MapRun, 'onProgress'> {
  recordsMax: number;
}

export interface DryRunResult {
  recordsIn: number;
  emitted: number;
  /** There are more records than were run. */
  truncated: boolean;
  /** The first emitted records. */
  mapped: { key: string; value: Json }[];
  /** The first records of the result, by key. */
  result: { key: string; value: Json }[];
  badRecords: BadRecord[];
  log: string[];
  counters: Record<string, number>;
  error: TaskError | null;
}

/** Never rejects. */
export async function runDryRun(run: DryRun): Promise<DryRunResult> {
  const side = new SideOutput();
  const shown: DryRunResult = {
    recordsIn: 0,
    emitted: 0,
    truncated: false,
    mapped: [],
    result: [],
    badRecords: [],
    log: side.lines,
    counters: side.counters,
    error: null,
  };
  try {
    const program = loadProgram(run);
    const table = new Table(combineOf(program), 1);
    const emit = (key: unknown, value: unknown) => {
      table.emit(key, value);
      shown.emitted++;
      if (shown.mapped.length >= SHOWN_MAX) return;
      const text = keyText(key);
      shown.mapped.push({ key: text, value: JSON.parse(valueText(value, text)) as Json });
    };
    const counts = await mapRecords(run, program, side, emit, run.recordsMax);
    shown.recordsIn = counts.recordsIn;
    shown.truncated = counts.truncated;
    shown.badRecords = counts.badRecordsListed;
    await reduceTable(run, program, side, table, shown);
  } catch (thrown) {
    shown.error = runErrorOf(thrown, run.origin);
  }
  return shown;
}

async function reduceTable(
  run: DryRun,
  program: ProgramExports,
  side: SideOutput,
  table: Table,
  shown: DryRunResult,
): Promise<void> {
  const writer = new SpillWriter(1);
  const recordsOut = table.writeTo(writer);
  const { spill, sections } = writer.finish({
    recordsIn: 0,
    bytesIn: 0,
    emitted: 0,
    recordsOut,
    badRecords: 0,
    badRecordsListed: [],
    userCounters: {},
  });
  const reducer = new GroupReducer(reductionOf(program, contextOf(run, side)), (line) => {
    if (shown.result.length < SHOWN_MAX) {
      shown.result.push(JSON.parse(line) as { key: string; value: Json });
    }
  });
  const section = spill.subarray(sections[0]?.offset ?? spill.length);
  for (const block of new BlockReader().push(section)) await reducer.push(block);
  await reducer.finish();
}

/** What a loaded program's `reduce` asks for. */
export function reductionOf(program: ProgramExports, ctx: unknown): Reduction {
  const { combine, reduce } = program;
  if (reduce === undefined || reduce === 'collect') return { kind: 'collect' };
  if (isBuiltin(reduce) && reduce !== 'collect') {
    return { kind: 'builtin', name: reduce, combined: combine === reduce };
  }
  if (typeof reduce !== 'function') {
    throw new TaskFailure('bad_program', '`reduce` is neither a function nor a built-in');
  }
  return {
    kind: 'code',
    reduce: reduce as (key: string, values: Json[], ctx: unknown) => unknown,
    combine:
      typeof combine === 'function' ? (combine as (key: string, values: Json[]) => unknown) : null,
    ctx,
  };
}
