// Runs a program's own `reduce` inside an isolate: framed blocks of merged records in, NDJSON out, as streams,
// so that neither side ever holds a partition. Failures come last, as one line of their own kind.
import type { TaskError } from '../schemas/job.ts';
import type { Json } from '../schemas/common.ts';
import { BlockReader } from './blocks.ts';
import { reductionOf } from './dry-run.ts';
import { GroupReducer } from './group-reduce.ts';
import { contextOf, loadProgram, type ProgramFactory, runErrorOf } from './map-run.ts';
import { SideOutput } from '../sandbox/side-output.ts';
import type { MapPlan } from './task.ts';
import type { ProgramOrigin } from '../sandbox/task-error.ts';

export interface ReduceRun {
  factory: ProgramFactory;
  programHash: string;
  partition: number;
  params: Json;
  nowMs: number;
  origin: ProgramOrigin;
  realm: object;
  /** Pieces of the framed records. */
  input: AsyncIterable<Uint8Array>;
  /** Gets NDJSON lines in pieces; awaited, so that a slow reader slows the reduce. */
  write: (text: string) => Promise<void>;
}

export type ReduceOutcome =
  | { ok: true; keys: number; recordsIn: number; userCounters: Record<string, number> }
  | { ok: false; error: TaskError };

/** Characters of output gathered before they are written. */
const PIECE_CHARS = 128 * 1024;

/** Never rejects for what user code does; rejects when `input` or `write` does. */
export async function runReduce(run: ReduceRun): Promise<ReduceOutcome> {
  const { programHash, partition, params, nowMs } = run;
  const side = new SideOutput();
  const plan: MapPlan = {
    job: '',
    name: '',
    programHash,
    format: 'integers',
    gzip: false,
    partitions: 1,
    params,
    skipBadRecords: 0,
    csvHeader: null,
    nowMs,
  };
  const task = { task: partition, split: { kind: 'integers', from: 0, to: 0 } as const };
  let piece = '';
  try {
    const program = loadProgram({ ...run, plan, task });
    const reduction = reductionOf(program, contextOf({ plan, task }, side));
    const reducer = new GroupReducer(reduction, (line) => void (piece += line));
    const reader = new BlockReader();
    for await (const chunk of run.input) {
      for (const block of reader.push(chunk)) {
        await reducer.push(block);
        if (piece.length < PIECE_CHARS) continue;
        await run.write(piece);
        piece = '';
      }
    }
    reader.end();
    await reducer.finish();
    if (piece !== '') await run.write(piece);
    const { keys, recordsIn } = reducer;
    return { ok: true, keys, recordsIn, userCounters: side.counters };
  } catch (thrown) {
    return { ok: false, error: runErrorOf(thrown, run.origin) };
  }
}
