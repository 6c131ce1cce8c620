// What to do about a failed job: one sentence a code. Exhaustive by type.
import type { TaskError, TaskErrorCode } from '../../../../shared/schemas/job.ts';

const ADVICE: Record<TaskErrorCode, string> = {
  program_threw:
    'Mend the program at this line, or let the job skip bad records, and run it again.',
  bad_program: 'The program does not load. Mend it and run the job again.',
  bad_key: 'Emit a string, a number or a boolean of at most 64 KiB as the key.',
  bad_value: 'Emit a value that is JSON, of at most 1 MiB.',
  bad_record:
    'The record is not what the format says. Let the job skip bad records, or mend the data.',
  too_many_bad_records: 'Allow more bad records, or mend the data or the format.',
  loop_guard:
    'The program ran too many steps for one split. Look for an endless loop, or make splits smaller.',
  deadline: 'A split took too long. Make splits smaller, or look for an endless loop.',
  memory:
    'Something grew past its bound. Combine on the mapper, use smaller splits, or more partitions.',
  bad_spill: 'A mapper delivered something else than it said. Retry: others will do that split.',
  disagreement:
    'Attempts at a split differ. Is the program repeatable? Locale and time zone are not.',
  input_missing: 'The dataset is gone. Upload it again under the same name, then retry.',
  returned: 'The split was given back. Retry.',
  counters: 'What was written and what was read do not add up, so nothing was reduced. Retry.',
  internal: 'Something broke on the server’s side. Retry.',
};

export const errorAdvice = (error: TaskError): string => ADVICE[error.code] ?? ADVICE.internal;
