// A processor's program: one module that exports `process`, compiled as MapReduce's are.
import { compileModule, type ProgramError, requireFunction } from '../mapreduce/program.ts';

export type CompiledProcessor =
  { ok: true; program: { text: string } } | { ok: false; errors: ProgramError[] };

/** Checks a processor's program and compiles it. Never throws. */
export function compileProcessor(code: string): CompiledProcessor {
  const compiled = compileModule(code, {
    hint: 'use `export function process`, not a default export',
    members: ['process'],
    inspect: (module) => requireFunction(module, 'process'),
  });
  return compiled.ok ? { ok: true, program: { text: compiled.text } } : compiled;
}
