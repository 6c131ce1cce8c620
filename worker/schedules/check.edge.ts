// What is refused when a schedule is put, so that a mistake shows at once, and not in the first run at three in the morning:
// the pattern, the zone, the program, a stream or dataset that is not there, a range that cannot be.
import { SCHEDULE_MAX_BYTES } from '../../shared/limits.ts';
import type { MapReduceSpec } from '../../shared/schemas/job.ts';
import type { ScheduleSpec } from '../../shared/schemas/schedule.ts';
import { rangesOfInput, streamOfInput } from '../jobs/mapreduce/stream-input.edge.ts';
import { checkProgram } from '../jobs/mapreduce/submit.edge.ts';
import type { Env } from '../platform/env.ts';
import { catalog } from '../stubs.ts';
import { notFound, ProblemError } from '../platform/problem.ts';
import { parseCron } from './cron.ts';
import { readsOn } from './firings.ts';

/** Throws ProblemError; the paths of its errors are those of the schedule. */
export async function checkSchedule(env: Env, spec: ScheduleSpec, nowMs: number): Promise<void> {
  const parsed = parseCron(spec.cron, spec.timezone);
  if (!parsed.ok) throw invalid(parsed.field, parsed.reason);
  if (parsed.times.next(nowMs) === null) {
    throw invalid('cron', `${spec.cron} never comes (again) in ${spec.timezone}`);
  }
  if (new TextEncoder().encode(JSON.stringify(spec)).length > SCHEDULE_MAX_BYTES) {
    const detail = `a schedule may have at most ${SCHEDULE_MAX_BYTES} bytes as JSON; large inputs go in a dataset`;
    throw new ProblemError('too_large', detail);
  }
  try {
    checkProgram(spec.job);
    await checkInput(env, spec.job);
  } catch (error) {
    throw error instanceof ProblemError ? ofJob(error) : error;
  }
}

async function checkInput(env: Env, job: MapReduceSpec): Promise<void> {
  const { input } = job;
  if ('stream' in input) {
    const stream = await streamOfInput(env, input);
    await rangesOfInput(env, stream, readsOn(job) ? { ...input, from: 'earliest' } : input);
  } else if ('dataset' in input && !(await catalog(env).dataset(input.dataset))) {
    const missing = notFound(`dataset ${input.dataset}`);
    missing.errors.push({ path: 'input.dataset', message: missing.message });
    throw missing;
  }
}

function invalid(field: string, reason: string): ProblemError {
  const detail = `${field}: ${reason}`;
  return new ProblemError('invalid_request', detail, [{ path: field, message: reason }]);
}

const ofJob = ({ code, message, errors }: ProblemError): ProblemError =>
  new ProblemError(
    code,
    message,
    errors.map((error) => ({ ...error, path: `job.${error.path}` })),
  );
