// What to do about a step that failed: one sentence a code. Exhaustive by type.
import type { TaskError, TaskErrorCode } from '../../../../../shared/schemas/job.ts';

const RETRY = 'Retry: what is done stays done.';

const ADVICE: Record<TaskErrorCode, string> = {
  program_threw:
    'Mend the code at this line and submit the DAG again; if something outside was at fault, retry.',
  bad_program:
    'The code does not load, or has no default export. Mend it and submit the DAG again.',
  bad_key: 'Let the expression give a string, a number or a boolean of at most 64 KiB.',
  bad_value: 'Return JSON, or bytes: a Uint8Array, an ArrayBuffer, or {bytes, contentType}.',
  bad_record: 'What the job read is not what its format says. Mend the data or the format.',
  too_many_bad_records: 'Let the job skip more bad records, or mend the data.',
  loop_guard: 'The code took too many steps. Look for an endless loop.',
  deadline:
    'It took longer than its timeoutMs. Give it more, split its work by forEach, or look for what never settles.',
  memory: 'Something grew past its bound. Return bytes instead of JSON, or split the work.',
  bad_spill: 'A volunteer delivered something else than it said. Retry: others will do it.',
  disagreement: 'Two attempts gave different outputs. Is the code repeatable?',
  input_missing: 'What it reads is gone. Bring it back under the same name, then retry.',
  returned: 'Its attempts were lost on the way. Retry.',
  counters: 'What was written and what was read do not add up. Retry.',
  internal: 'Something broke on the server’s side. Retry.',
};

export const stepAdvice = ({ code }: TaskError): string => ADVICE[code] ?? RETRY;
