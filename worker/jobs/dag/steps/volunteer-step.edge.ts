// Submits a volunteer step as a MapReduce job, and reads its outputs out of the job's result. Payloads and outputs are
// streamed: what is in memory is one item's.
import { base64Of } from '../../../../shared/base64.ts';
import { compileStep } from '../../../../shared/dag/program.ts';
import {
  KIB,
  NAME_MAX_CHARS,
  SPLIT_DEFAULT_BYTES,
  VOLUNTEER_CLAIMS_MAX,
  VOLUNTEER_GIVEN_MAX_BYTES,
} from '../../../../shared/limits.ts';
import { withMember } from '../../../../shared/sandbox/program-text.ts';
import { needsBrowser } from '../../../../shared/sandbox/realm.ts';
import type { Claim } from '../../../../shared/schemas/claim.ts';
import type { Job, MapReduceSpec, TaskError } from '../../../../shared/schemas/job.ts';
import { openHeldClaim, storeClaim, touchClaims } from '../../../claim-check/claims.edge.ts';
import { largeChunks } from '../../../platform/byte-stream.ts';
import type { Env } from '../../../platform/env.ts';
import { derivedId, JOB_PREFIXES } from '../../../platform/ids.ts';
import { inlineInputKey, programKey } from '../../../platform/keys.ts';
import { jobObject } from '../../../stubs.ts';
import { ProblemError } from '../../../platform/problem.ts';
import { sha256Hex } from '../../../platform/sha256.ts';
import { SizedWriter } from '../../../platform/sized-writer.edge.ts';
import type { VolunteerStepCall } from '../../../contracts/job-steps.rpc.ts';
import { inputError, StepInput } from './step-input.ts';
import { type LinePiece, tokensIn, volunteerLines } from './volunteer-lines.ts';
import { collectOutputs, type Collected, type Line } from './volunteer-outputs.ts';

/** The same for the same attempt, so that a submission that comes again finds its job. */
export const stepJobId = async (run: string, step: string, attempt: number): Promise<string> =>
  derivedId(JOB_PREFIXES.mapreduce, run, await sha256Hex(JSON.stringify([run, step, attempt])));

export const stepJobName = (runName: string, step: string): string =>
  `${runName.slice(0, Math.max(1, NAME_MAX_CHARS - step.length - 3))} / ${step}`.slice(
    0,
    NAME_MAX_CHARS,
  );

/** The job's id. What is wrong with the step comes as its error; throws when infrastructure fails. */
export async function submitVolunteer(
  env: Env,
  call: VolunteerStepCall,
): Promise<string | TaskError> {
  const { run, runName, step, attempt, spec, items } = call;
  const job = await stepJobId(run, step, attempt);
  if (await jobObject(env, job).get()) return job;
  const browser = needsBrowser(spec.code);
  const program = programOf(call, browser);
  if ('code' in program) return program;
  const given = await givenText(env, call);
  if (typeof given !== 'string') return given;
  const claims = await claimsFor(env, [given, ...(items ?? [])]);
  if (!(claims instanceof Map)) return claims;
  const planned = volunteerLines(given, items, claims);
  if ('code' in planned) return planned;
  const { lines, boundaries } = planned;
  const text = withMember(program.text, `given: ${JSON.stringify(given)}`);
  const bytes = boundaries.at(-1) ?? 0;
  await env.BUCKET.put(programKey(job), text);
  const unread = await storeLines(env, inlineInputKey(job), lines, bytes);
  if (unread) return unread;
  const shown: MapReduceSpec = {
    kind: 'mapreduce',
    name: stepJobName(runName, step),
    input: { inline: beginningOf(items ?? [given]), format: 'ndjson' },
    code: spec.code,
    partitions: 1,
    splitBytes: SPLIT_DEFAULT_BYTES,
    params: {},
    mappers: browser ? 'volunteers' : 'any',
    verify: spec.verify,
    skipBadRecords: 0,
  };
  await jobObject(env, job).submit({
    job,
    spec: shown,
    input: { key: inlineInputKey(job), bytes, gzip: false },
    stream: null,
    // Each line is a split.
    plan: { kind: 'boundaries', boundaries, splits: lines.length },
    programHash: await sha256Hex(text),
    // Not "first": of two that say something of one unit, one lies.
    reduce: null,
    combine: null,
    guard: env.LOCAL === '1',
    run,
    step: { run, step, attempt, timeoutMs: spec.timeoutMs, browser },
  });
  return job;
}

function programOf({ spec }: VolunteerStepCall, browser: boolean): { text: string } | TaskError {
  const compiled = compileStep(spec.code);
  if (!compiled.ok) {
    const { message = 'the program does not compile', line, column } = compiled.errors[0] ?? {};
    return { code: 'bad_program', message, ...(line && column && { line, column }) };
  }
  if (browser && spec.verify.mode === 'adaptive') {
    const message =
      'verify "adaptive" runs tasks again at the edge, and this code needs a browser: use "none", or "quorum"';
    return { code: 'bad_program', message };
  }
  return compiled;
}

/** `{"input": …, "steps": {…}}` with outputs of R2 in their place: it becomes part of the program. */
async function givenText(
  env: Env,
  { input, needs }: VolunteerStepCall,
): Promise<string | TaskError> {
  const tooMuch = inputError(input, needs);
  if (tooMuch) return tooMuch;
  const source = new StepInput(input, needs, (claim) => openHeldClaim(env, claim));
  if (source.chars > VOLUNTEER_GIVEN_MAX_BYTES) {
    const message = `the input and the outputs that it needs have ${source.chars} bytes; a volunteer gets ${VOLUNTEER_GIVEN_MAX_BYTES} at most, and items besides`;
    return { code: 'memory', message };
  }
  const opened = source.open();
  const text = typeof opened === 'string' ? opened : await new Response(opened).text();
  // It ends early then, and says nothing itself.
  return source.failure ? missing(source.failure) : text.trimEnd();
}

/** Throws failures of infrastructure. */
function missing(error: unknown): TaskError {
  if (!(error instanceof ProblemError)) throw error;
  const message = `a payload that it needs cannot be read: ${error.message}`;
  return { code: 'input_missing', message };
}

/** Those that are there, as they are: what a text says of a claim may be anything. */
async function claimsFor(
  env: Env,
  texts: readonly string[],
): Promise<Map<string, Claim> | TaskError> {
  const tokens = tokensIn(texts);
  if (tokens.size > VOLUNTEER_CLAIMS_MAX) {
    const message = `there are ${tokens.size} claims in its input; a volunteer step may have ${VOLUNTEER_CLAIMS_MAX}`;
    return { code: 'memory', message };
  }
  const claims = new Map<string, Claim>();
  if (tokens.size === 0) return claims;
  for (const [token, found] of await touchClaims(env, tokens)) {
    if (found.kind === 'there') claims.set(token, found.claim);
  }
  return claims;
}

async function storeLines(
  env: Env,
  key: string,
  lines: readonly LinePiece[][],
  bytes: number,
): Promise<TaskError | null> {
  const uses = new Map<string, number>();
  const pieces = lines.flat();
  for (const piece of pieces) {
    if (typeof piece !== 'string') uses.set(piece.token, (uses.get(piece.token) ?? 0) + 1);
  }
  // What travels in every line is read once; together that fits in one line.
  const kept = new Map<string, Uint8Array>();
  const encoder = new TextEncoder();
  const read = async (claim: Claim): Promise<Uint8Array> => {
    const known = kept.get(claim.token);
    if (known) return known;
    const body = await openHeldClaim(env, claim);
    const whole = new Uint8Array(await new Response(body).arrayBuffer());
    const encoded = encoder.encode(base64Of(whole));
    if (uses.get(claim.token) === lines.length && lines.length > 1) kept.set(claim.token, encoded);
    return encoded;
  };
  const out = new SizedWriter(env.BUCKET, key, bytes);
  try {
    for (const piece of pieces) {
      await out.write(typeof piece === 'string' ? encoder.encode(piece) : await read(piece));
    }
    await out.finish();
    return null;
  } catch (error) {
    await out.abort();
    return missing(error);
  }
}

const SHOWN_MAX_CHARS = 16 * KIB;

/** What the job shows of its input. */
function beginningOf(texts: readonly string[]): string {
  let shown = '';
  for (const text of texts) {
    if (shown.length + text.length >= SHOWN_MAX_CHARS) return `${shown}…`;
    shown += `${text}\n`;
  }
  return shown;
}

// --- Outputs ----------------------------------------------------------------------------------------

/** A place in the outputs is the offset of a unit's head and its number: there are fewer units than this. */
const UNITS_MAX = 16_384;

/** Throws BadOutputError, and failures of infrastructure. */
export async function collectVolunteer(
  env: Env,
  { id, progress }: Job,
  place: number,
  now: () => number,
): Promise<Omit<Collected, 'end'> & { next: number | null; stored: number }> {
  const parts = (await jobObject(env, id).parts())?.parts ?? [];
  const offset = Math.floor(place / UNITS_MAX);
  const [part] = parts;
  let stored = 0;
  const store = async (chunks: AsyncIterable<Uint8Array>, bytes: number, contentType: string) => {
    stored++;
    return storeChunks(env, chunks, { bytes, contentType }, now());
  };
  const lines: AsyncGenerator<Line> = part ? linesFrom(env.BUCKET, part, offset) : nothing();
  const range = { first: place % UNITS_MAX, units: progress.splits };
  try {
    const { end, ...collected } = await collectOutputs(lines, range, store);
    const next = end === null ? null : end * UNITS_MAX + range.first + collected.outputs.length;
    return { ...collected, next, stored };
  } finally {
    await lines.return(undefined);
  }
}

async function* nothing(): AsyncGenerator<never> {}

async function storeChunks(
  env: Env,
  chunks: AsyncIterable<Uint8Array>,
  { bytes, contentType }: { bytes: number; contentType: string },
  nowMs: number,
): Promise<Claim> {
  const { readable, writable } = new FixedLengthStream(bytes);
  const pump = async () => {
    const writer = writable.getWriter();
    try {
      for await (const chunk of chunks) await writer.write(chunk);
      await writer.close();
    } catch (error) {
      await writer.abort(error).catch(() => undefined);
      throw error;
    }
  };
  const body = { body: readable as ReadableStream<Uint8Array>, contentType, contentLength: bytes };
  const [pumped, put] = await Promise.allSettled([pump(), storeClaim(env, body, nowMs)]);
  // What the pump says is why the put failed.
  if (pumped.status === 'rejected') throw pumped.reason;
  if (put.status === 'rejected') throw put.reason;
  return put.value;
}

const NEWLINE = 0x0a;

async function* linesFrom(
  bucket: R2Bucket,
  { key, bytes }: { key: string; bytes: number },
  offset: number,
): AsyncGenerator<Line> {
  if (offset >= bytes) return;
  const object = await bucket.get(key, { range: { offset, length: bytes - offset } });
  if (!object) throw new Error(`the part ${key} is gone`);
  const decoder = new TextDecoder();
  const body = object.body as ReadableStream<Uint8Array>;
  let text = '';
  let end = offset;
  for await (const chunk of largeChunks(body, bytes - offset)) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      text += decoder.decode(chunk.subarray(from, at), { stream: true });
      end += at + 1 - from;
      const line = JSON.parse(text + decoder.decode()) as { key: string; value: unknown };
      text = '';
      from = at + 1;
      yield { ...line, end };
    }
    text += decoder.decode(chunk.subarray(from), { stream: true });
    end += chunk.length - from;
  }
}
