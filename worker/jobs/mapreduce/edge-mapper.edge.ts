// The edge mapper: woken by a wake-up on the `map` queue, it leases like a volunteer, maps in isolates and
// reports, for a few seconds; while there is more to do the JobObject sends the next wake-up.
import { EDGE_BATCH_MS, GRANT_MAX_TASKS } from '../../../shared/limits.ts';
import type { MapPlan } from '../../../shared/mapreduce/task.ts';
import type { MapWakeUp } from '../../contracts/wake-ups.ts';
import type { Env } from '../../platform/env.ts';
import { jobObject } from '../../stubs.ts';
import { leaseSecret } from '../../catalog/lease-secret.edge.ts';
import { EDGE } from './attempts.ts';
import { scanInput } from './csv-input.edge.ts';
import { type ProgramIsolate, programIsolate } from '../../isolates/map-isolate.edge.ts';
import { openLease } from './lease.ts';
import { InputMissingError, openInput, storeSpill } from './lease-data.edge.ts';
import type { EdgeWork, Granted, Report } from '../../contracts/job.rpc.ts';
import { isolateError, withDeadline } from '../../isolates/deadline.ts';
import { isCanceled } from '../../isolates/isolate.edge.ts';
import { ProblemError } from '../../platform/problem.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';

/** Tasks in flight at once: one maps while another's bytes come or go. */
const IN_FLIGHT = 2;
/** A batch of leases is sized to take about this long. */
const BATCH_AIM_MS = 1_000;

export async function answerMapWakeUp(env: Env, { job, ring }: MapWakeUp): Promise<void> {
  const stub = jobObject(env, job);
  const work = await stub.edgeBegin(ring);
  if (!work) return;
  if (work.kind === 'scan') return scanInput(env, job, ring, work);
  await mapForAWhile(env, job, ring, work);
}

async function mapForAWhile(
  env: Env,
  job: string,
  ring: number,
  work: EdgeWork & { kind: 'map' },
): Promise<void> {
  const stub = jobObject(env, job);
  const secret = await leaseSecret(env);
  const { isolate } = await programIsolate(env, work);
  const untilMs = Date.now() + EDGE_BATCH_MS;
  let reports: Report[] = [];
  let outstanding = 1;
  for (;;) {
    const leaving = Date.now() >= untilMs;
    const answer = await stub.exchange({
      lobby: EDGE,
      reports,
      wants: leaving ? [] : [{ by: EDGE, name: EDGE, network: EDGE, outstanding }],
      gone: [],
      ring: { ring, leaving },
    });
    reports = [];
    const { plan, grants } = answer;
    if (leaving || !plan) return;
    if (grants.length === 0) {
      await stub.exchange({
        lobby: EDGE,
        reports,
        wants: [],
        gone: [],
        ring: { ring, leaving: true },
      });
      return;
    }
    const beganMs = Date.now();
    reports = await mapAll(env, secret, isolate, plan, grants);
    const tookMs = Math.max(1, Date.now() - beganMs);
    const fitting = Math.ceil((grants.length * BATCH_AIM_MS) / tookMs);
    outstanding = Math.max(1, Math.min(GRANT_MAX_TASKS, outstanding * 4, fitting));
  }
}

async function mapAll(
  env: Env,
  secret: string,
  isolate: ProgramIsolate,
  plan: MapPlan,
  grants: Granted[],
): Promise<Report[]> {
  const reports: Report[] = [];
  const waiting = grants.values();
  const lane = async () => {
    for (const grant of waiting) {
      const beganMs = Date.now();
      const outcome = await mapOne(env, secret, isolate, plan, grant);
      const ms = Date.now() - beganMs;
      reports.push({ task: grant.task.task, attempt: grant.attempt, by: EDGE, ms, outcome });
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return reports;
}

async function mapOne(
  env: Env,
  secret: string,
  isolate: ProgramIsolate,
  plan: MapPlan,
  grant: Granted,
  triesLeft = 1,
): Promise<Report['outcome']> {
  try {
    const claims = await openLease(secret, grant.lease, Date.now());
    if (!claims) return { kind: 'returned', reason: 'the lease ran out before the edge began' };
    const input = claims.input ? await openInput(env.BUCKET, claims.input) : null;
    const { task } = grant;
    const split = input
      ? { kind: 'bytes' as const, start: input.start, end: input.end }
      : task.split;
    const body = input ? (input.body ?? emptyStream()) : null;
    const bytes = input ? input.end - input.start : 0;
    const mapped = await withDeadline(isolate.map(plan, { ...task, split }, body, bytes));
    if (!('spill' in mapped)) return { kind: 'failed', error: mapped.result.error };
    const { digest } = mapped.result;
    const upload = { claims, body: mapped.spill, bytes: mapped.spillBytes, digest, range: input };
    return { kind: 'done', receipt: await storeSpill(env.BUCKET, secret, upload) };
  } catch (error) {
    // The isolate was spoilt by another invocation that ended: it is loaded anew.
    if (isCanceled(error) && triesLeft > 0) {
      return mapOne(env, secret, isolate, plan, grant, triesLeft - 1);
    }
    return { kind: 'failed', error: mapError(error) };
  }
}

const emptyStream = () => new Response(new Uint8Array(0)).body as ReadableStream<Uint8Array>;

/** What an exception around a task means: the input, the upload, or the isolate. */
function mapError(error: unknown): TaskError {
  if (error instanceof InputMissingError) return { code: 'input_missing', message: error.message };
  if (error instanceof ProblemError) {
    return { code: error.code === 'too_large' ? 'memory' : 'bad_spill', message: error.message };
  }
  return isolateError(error);
}
