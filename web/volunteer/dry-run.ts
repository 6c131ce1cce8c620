// The dry run of a program that is still being written: compiled here, run on the first records in this
// tab's own sandbox. Each run gets a fresh worker, since the last one may be in an endless loop.
import { DRY_RUN_BYTES, DRY_RUN_MS } from '../../shared/limits.ts';
import type { DryRunResult } from '../../shared/mapreduce/dry-run.ts';
import { compileProgram } from '../../shared/mapreduce/program.ts';
import type { ProgramError } from '../../shared/sandbox/program.ts';
import type { MapPlan, Split } from '../../shared/mapreduce/task.ts';
import type { Json } from '../../shared/schemas/common.ts';
import type { Format, TaskError } from '../../shared/schemas/job.ts';
import { openSandbox, type Sandbox } from './sandbox.ts';

export type DryRunInput =
  | { kind: 'text'; format: Format; text: string | Uint8Array }
  | { kind: 'integers'; from: number; to: number };

export interface DryRunRequest {
  code: string;
  params: Json;
  input: DryRunInput;
  /** Bad records that are passed over, as in the job. Default 0. */
  skipBadRecords?: number;
}

export type DryRunAnswer =
  { ok: false; errors: ProgramError[] } | { ok: true; result: DryRunResult };

let opened: Promise<Sandbox> | null = null;

async function sandbox(): Promise<Sandbox> {
  const current = await (opened ??= openSandbox());
  if (!current.dead) return current;
  return await (opened = openSandbox());
}

/** Rejects only if the sandbox does not open. A program that runs too long gives an `error` of code `deadline`. */
export async function dryRun({
  code,
  params,
  input,
  skipBadRecords = 0,
}: DryRunRequest): Promise<DryRunAnswer> {
  const compiled = compileProgram(code);
  if (!compiled.ok) return compiled;
  const bytes = input.kind === 'text' ? bytesOf(input.text) : null;
  const split: Split =
    input.kind === 'text'
      ? { kind: 'bytes', start: 0, end: bytes?.length ?? 0 }
      : { kind: 'integers', from: input.from, to: input.to };
  const plan: MapPlan = {
    job: 'dry-run',
    name: 'dry run',
    // Seeds the program's random numbers: a constant, so that an edited program rolls the same dice.
    programHash: 'dry-run',
    format: input.kind === 'text' ? input.format : 'integers',
    gzip: false,
    partitions: 1,
    params,
    skipBadRecords,
    csvHeader: null,
    nowMs: Date.now(),
  };
  const worker = await openWorker();
  const timer = setTimeout(
    () =>
      worker.terminate({
        code: 'deadline',
        message: `ran longer than ${DRY_RUN_MS / 1000} s: an endless loop?`,
      }),
    DRY_RUN_MS,
  );
  try {
    const programText = compiled.program.text;
    const task = { task: 0, split };
    const ran = await worker.dryRun({ plan, programText, task, input: bytes });
    return { ok: true, result: 'recordsIn' in ran ? ran : nothingRan(ran.error) };
  } finally {
    clearTimeout(timer);
    worker.terminate();
  }
}

async function openWorker() {
  try {
    return await (await sandbox()).worker();
  } catch (error) {
    // The next dry run tries anew.
    opened = null;
    throw error;
  }
}

/** The first DRY_RUN_BYTES, cut after the last whole line; its own copy, since it is transferred. */
function bytesOf(text: string | Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes =
    typeof text === 'string'
      ? new TextEncoder().encode(text.slice(0, DRY_RUN_BYTES))
      : new Uint8Array(text);
  const whole = typeof text === 'string' ? text.length <= DRY_RUN_BYTES : true;
  if (whole && bytes.length <= DRY_RUN_BYTES) return bytes;
  const end = bytes.lastIndexOf(0x0a, Math.min(bytes.length, DRY_RUN_BYTES) - 1) + 1;
  return bytes.slice(0, end > 0 ? end : DRY_RUN_BYTES);
}

function nothingRan(error: TaskError): DryRunResult {
  return {
    recordsIn: 0,
    emitted: 0,
    truncated: false,
    mapped: [],
    result: [],
    badRecords: [],
    log: [],
    counters: {},
    error,
  };
}
