// A MapReduce program: a module that exports `map`, and `combine` and `reduce` if it likes. Runs at submission, and
// in the editor while one types.
import {
  compileModule,
  type ModuleView,
  type ProgramError,
  requireFunction,
} from '../sandbox/program.ts';
import { type BuiltinName, BUILTINS, isBuiltin } from './builtins.ts';

export type Stage = BuiltinName | 'code' | null;

export interface CompiledProgram {
  /** `(function () { … })`: see the contract in map-run.ts. */
  text: string;
  combine: Stage;
  reduce: Stage;
}

export type Compiled =
  { ok: true; program: CompiledProgram } | { ok: false; errors: ProgramError[] };

/** Checks a MapReduce program and compiles it. Never throws. */
export function compileProgram(code: string): Compiled {
  const compiled = compileModule(code, {
    hint: 'use `export function map`, not a default export',
    members: ['map', 'combine', 'reduce'],
    inspect(module) {
      const stages = { combine: stageOf(module, 'combine'), reduce: stageOf(module, 'reduce') };
      requireFunction(module, 'map');
      return stages;
    },
  });
  if (!compiled.ok) return compiled;
  return { ok: true, program: { text: compiled.text, ...compiled.info } };
}

function stageOf(module: ModuleView, name: 'combine' | 'reduce'): Stage {
  const named = module.exported(name);
  if (named === undefined) return null;
  if (named?.kind === 'literal') {
    if (isBuiltin(named.value)) return named.value;
    module.refuse(
      named.node,
      `${name} is ${JSON.stringify(named.value)}; it has to be a function or one of ${BUILTINS.map((b) => `"${b}"`).join(', ')}`,
    );
  } else if (named?.problem) module.refuse(named.node, `${name} ${named.problem}`);
  else if (name === 'combine' && named?.async) {
    module.refuse(named.node, 'combine cannot be async: it runs while records are being emitted');
  }
  return 'code';
}
