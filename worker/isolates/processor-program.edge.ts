// A processor's code on its way in: compiled, and stored by its content, so that versions of the same code, and
// processors of the same code, share one object.
import { compileProcessor, type ProgramUse } from '../../shared/streaming/program.ts';
import type { Env } from '../platform/env.ts';
import { processorProgramKey } from '../platform/keys.ts';
import { ProblemError } from '../platform/problem.ts';
import { storeByContent } from './store-by-content.edge.ts';

export { compileProcessor };

export interface StoredProgram {
  /** R2 key and SHA-256 of the compiled program. */
  key: string;
  hash: string;
  /** Windows: whether it exports `add`, and `merge`. */
  adds: boolean;
  merges: boolean;
}

/** Throws `bad_program`, naming every place by line and column. `use`: the processor's specification. */
export async function storeProgram(
  env: Env,
  code: string,
  use?: ProgramUse,
): Promise<StoredProgram> {
  const compiled = compileProcessor(code, use);
  if (!compiled.ok) {
    const errors = compiled.errors.map(({ message, line, column }) => ({
      path: 'code',
      message: `line ${line}, column ${column}: ${message}`,
    }));
    const detail = errors[0]?.message ?? 'the program does not compile';
    throw new ProblemError('bad_program', detail, errors);
  }
  const { text, adds, merges } = compiled.program;
  return { ...(await storeByContent(env, text, processorProgramKey)), adds, merges };
}
