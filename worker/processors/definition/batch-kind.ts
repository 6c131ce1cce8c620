// Batch: one object cuts all partitions into windows by size and waiting time, and runs the code or a job on each.
import { compileProgram } from '../../../shared/mapreduce/program.ts';
import type { FieldError } from '../../../shared/schemas/problem.ts';
import type { BatchSpec } from '../../../shared/schemas/processor.ts';
import { ProblemError } from '../../platform/problem.ts';
import { BatchGeneration } from './batch-generation.ts';
import { checkParams } from './params.ts';
import type { KindEntry } from './kind-entry.ts';

export const BATCH: KindEntry<BatchSpec> = {
  check({ job }) {
    if (!job) return;
    checkParams(job.params, 'job.params');
    const compiled = compileProgram(job.code);
    if (compiled.ok) return;
    const errors = compiled.errors.map(({ message, line, column }): FieldError => ({
      path: 'job.code',
      message: `line ${line}, column ${column}: ${message}`,
    }));
    const detail = errors[0]?.message ?? 'the program does not compile';
    throw new ProblemError('bad_program', detail, errors);
  },
  generation: (definition, spec, options) => new BatchGeneration(definition, spec, options),
  kept: 'its windows are under /batches',
  keyed: null,
};
