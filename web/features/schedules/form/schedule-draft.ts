// What the form of a schedule holds, and the specification that it becomes. Pure: the time comes as an argument.
import { PARTITIONS_DEFAULT } from '../../../../shared/limits.ts';
import { compileProgram } from '../../../../shared/mapreduce/program.ts';
import type { ProgramError } from '../../../../shared/sandbox/program.ts';
import { ResourceName } from '../../../../shared/schemas/common.ts';
import type { FieldError } from '../../../../shared/schemas/problem.ts';
import { ScheduleSpec, type ScheduleSpecInput } from '../../../../shared/schemas/schedule.ts';
import { readCron } from '../../../lib/schedules/cron.ts';

/** Where each run begins to read; each reads up to what is there when it begins. */
export const READ_FROM = ['lastRun', 'earliest', 'time'] as const;
export type ReadFrom = (typeof READ_FROM)[number];

export interface ScheduleDraft {
  name: string;
  cron: string;
  timezone: string;
  stream: string;
  from: ReadFrom;
  /** ISO, when it reads from a time. */
  fromTime: string;
  partitions: number | null;
  code: string;
}

export type SpecifiedSchedule =
  | { ok: true; name: string; spec: ScheduleSpecInput }
  | { ok: false; errors: FieldError[]; marks: readonly ProgramError[] };

export const SCHEDULE_TEMPLATE = `// How many events of each type came, and how many bytes they hold.
export function map(event, emit) {
  emit(event.type + ', events', 1);
  emit(event.type + ', bytes', JSON.stringify(event.payload ?? null).length);
}

// Sums up on the mapper first, so that little has to travel, and then for good.
export const combine = 'sum';
export const reduce = 'sum';
`;

export const emptyScheduleDraft = (stream: string): ScheduleDraft => ({
  name: '',
  cron: '0 3 * * *',
  timezone: 'UTC',
  stream,
  from: 'lastRun',
  fromTime: '',
  partitions: PARTITIONS_DEFAULT,
  code: SCHEDULE_TEMPLATE,
});

export function scheduleSpecOf(draft: ScheduleDraft, nowMs: number): SpecifiedSchedule {
  const errors: FieldError[] = [];
  const name = ResourceName.safeParse(draft.name.trim());
  if (!name.success) {
    const message = draft.name.trim() === '' ? 'give it a name' : name.error.issues[0]?.message;
    errors.push({ path: 'name', message: message ?? '' });
  }
  const cron = readCron(draft.cron, draft.timezone, nowMs);
  if (!cron.ok) errors.push({ path: cron.field, message: cron.message });
  if (draft.stream.trim() === '')
    errors.push({ path: 'job.input.stream', message: 'choose the stream that it reads' });
  const from = draft.from === 'time' ? draft.fromTime.trim() : draft.from;
  if (draft.from === 'time' && !Number.isFinite(Date.parse(from)))
    errors.push({ path: 'job.input.from', message: 'a time such as 2026-11-24T00:00:00Z' });
  const compiled = compileProgram(draft.code);
  const marks = compiled.ok ? [] : compiled.errors;
  if (marks[0])
    errors.push({ path: 'job.code', message: `line ${marks[0].line}: ${marks[0].message}` });

  const spec = {
    cron: draft.cron.trim(),
    timezone: draft.timezone,
    job: {
      kind: 'mapreduce' as const,
      name: draft.name.trim(),
      input: { stream: draft.stream.trim(), from },
      code: draft.code,
      partitions: draft.partitions,
    },
  };
  if (errors.length === 0) {
    const parsed = ScheduleSpec.safeParse(spec);
    if (parsed.success && name.success)
      return { ok: true, name: name.data, spec: spec as ScheduleSpecInput };
    for (const { path, message } of parsed.error?.issues ?? [])
      errors.push({ path: path.join('.'), message });
  }
  return { ok: false, errors, marks };
}

/** Paths that have a field; what is said about others is shown above the button. */
export const SCHEDULE_FIELDS = [
  'name',
  'cron',
  'timezone',
  'job.input.stream',
  'job.input.from',
  'job.partitions',
  'job.code',
] as const;
