// From a checked specification to a running job: compiles the program, pins the input, stores what mappers
// will read, and hands the rest to the JobObject. Everything that can be refused is refused here, before
// anything runs.
import { PARAMS_MAX_BYTES } from '../../../shared/limits.ts';
import { type CompiledProgram, compileProgram } from '../../../shared/mapreduce/program.ts';
import type { Job, JobInput, MapReduceSpec } from '../../../shared/schemas/job.ts';
import { submitOnce } from '../../catalog/job-key.edge.ts';
import { IF_ABSENT } from '../../platform/bindings.edge.ts';
import type { Env } from '../../platform/env.ts';
import { JOB_PREFIXES } from '../../platform/ids.ts';
import { newId } from '../../platform/new-id.edge.ts';
import { inlineInputKey, programKey } from '../../platform/keys.ts';
import { catalog, jobObject } from '../../stubs.ts';
import { notFound, ProblemError } from '../../platform/problem.ts';
import { sha256Hex } from '../../platform/sha256.ts';
import type { Piece, Submission } from '../../contracts/job.rpc.ts';
import { planSplits } from './plan.ts';
import { pinStream, rangesOfInput, streamOfInput, unpinStream } from './stream-input.edge.ts';

/** Throws ProblemError. The same `idempotencyKey` with the same specification is the same job. */
export async function submitJob(
  env: Env,
  spec: MapReduceSpec,
  idempotencyKey: string | null,
): Promise<Job> {
  const program = checkProgram(spec);
  const id = newId(JOB_PREFIXES.mapreduce, Date.now());
  const mayComeAgain = idempotencyKey !== null;
  return submitOnce(env, { key: idempotencyKey, spec, id }, (job) =>
    submitAs(env, job, { spec, program, mayComeAgain }),
  );
}

export interface NewJob {
  spec: MapReduceSpec;
  program: CompiledProgram;
  /** The same submission, which then is the same job. */
  mayComeAgain: boolean;
  /** The run of a DAG that waits for it. */
  run?: string;
}

/** Throws ProblemError. */
export async function submitAs(
  env: Env,
  job: string,
  { spec, program, mayComeAgain, run }: NewJob,
): Promise<Job> {
  const known = mayComeAgain ? await jobObject(env, job).get() : null;
  if (known) return known;
  const { resolved, input, stream, pieces } = await storeInput(env, job, spec, mayComeAgain);
  const facts = { bytes: input?.bytes ?? 0, gzip: input?.gzip ?? false, pieces };
  const planned = planSplits(resolved, facts, spec.splitBytes);
  if (!planned.ok) {
    await Promise.all([catalog(env).unpin(job), unpinStream(env, job, stream)]);
    throw new ProblemError('invalid_request', planned.reason, [
      { path: 'input', message: planned.reason },
    ]);
  }
  // The same submission sent twice at once writes the same objects: the second write finds them there.
  await env.BUCKET.put(programKey(job), program.text, IF_ABSENT);
  return jobObject(env, job).submit({
    job,
    spec: { ...spec, input: resolved },
    input,
    stream,
    plan: planned.plan,
    programHash: await sha256Hex(program.text),
    reduce: program.reduce,
    combine: program.combine,
    guard: env.LOCAL === '1',
    ...(run !== undefined && { run }),
  });
}

/** What can be refused of a job before its input is looked at. Throws `bad_program`, `too_large`. */
export function checkProgram({ code, params }: MapReduceSpec): CompiledProgram {
  if (JSON.stringify(params).length > PARAMS_MAX_BYTES) {
    throw new ProblemError(
      'too_large',
      `params may have at most ${PARAMS_MAX_BYTES} bytes as JSON`,
    );
  }
  const compiled = compileProgram(code);
  if (compiled.ok) return compiled.program;
  const errors = compiled.errors.map(({ message, line, column }) => ({
    path: 'code',
    message: `line ${line}, column ${column}: ${message}`,
  }));
  throw new ProblemError(
    'bad_program',
    errors[0]?.message ?? 'the program does not compile',
    errors,
  );
}

interface StoredInput {
  /** The input as the job shows it: a stream's ranges are part of it. */
  resolved: JobInput;
  input: Submission['input'];
  stream: Submission['stream'];
  /** Where the events of a stream's range lie. */
  pieces?: Piece[];
}

async function storeInput(
  env: Env,
  job: string,
  { input, splitBytes }: MapReduceSpec,
  mayComeAgain: boolean,
): Promise<StoredInput> {
  if ('range' in input) return { resolved: input, input: null, stream: null };
  if ('stream' in input) {
    const stream = await streamOfInput(env, input);
    let ranges = await rangesOfInput(env, stream, input);
    if (mayComeAgain) ranges = await jobObject(env, job).fixRanges(ranges);
    const { pinned, pieces } = await pinStream(env, job, stream, ranges, splitBytes);
    return { resolved: { ...input, ranges }, input: null, stream: pinned, pieces };
  }
  if ('inline' in input) {
    const bytes = new TextEncoder().encode(input.inline);
    const key = inlineInputKey(job);
    await env.BUCKET.put(key, bytes, IF_ABSENT);
    return { resolved: input, input: { key, bytes: bytes.length, gzip: false }, stream: null };
  }
  const dataset = await catalog(env).pin(job, input.dataset);
  if (!dataset) {
    const missing = notFound(`dataset ${input.dataset}`);
    missing.errors.push({ path: 'input.dataset', message: missing.message });
    throw missing;
  }
  const { key, bytes } = dataset;
  const gzip = await isGzip(env.BUCKET, key, bytes);
  return { resolved: input, input: { key, bytes, gzip }, stream: null };
}

/** By its first bytes: names and content types are often wrong. */
async function isGzip(bucket: R2Bucket, key: string, bytes: number): Promise<boolean> {
  if (bytes < 2) return false;
  const head = await bucket.get(key, { range: { offset: 0, length: 2 } });
  const [first, second] = new Uint8Array((await head?.arrayBuffer()) ?? new ArrayBuffer(0));
  return first === 0x1f && second === 0x8b;
}
