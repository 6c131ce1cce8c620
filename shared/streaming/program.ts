// A processor's program: one module that exports `process`, and for windows `add` and `merge` if it likes; compiled
// as MapReduce's are.
import {
  compileModule,
  type ModuleView,
  type ProgramError,
  requireFunction,
} from '../sandbox/program.ts';
import type { EventWindow, ProcessorKind } from '../schemas/processor.ts';

/** What a program is for, as a ProcessorSpec says it. */
export interface ProgramUse {
  kind: ProcessorKind;
  window?: { type: EventWindow['type'] };
}

export interface ProcessorProgram {
  text: string;
  /** Windows: it exports `add`, so that a window keeps a state; else it keeps its events. */
  adds: boolean;
  /** Windows: it exports `merge`, which makes one state of two. */
  merges: boolean;
}

export type CompiledProcessor =
  { ok: true; program: ProcessorProgram } | { ok: false; errors: ProgramError[] };

/** Checks a processor's program and compiles it. Never throws. */
export function compileProcessor(
  code: string,
  use: ProgramUse = { kind: 'stateless' },
): CompiledProcessor {
  const isWindow = use.kind === 'window';
  const compiled = compileModule(code, {
    hint: 'use `export function process`, not a default export',
    // What is not called is not made: programs of other kinds stay as they were.
    members: isWindow ? ['process', 'add', 'merge'] : ['process'],
    inspect(module) {
      requireFunction(module, 'process');
      return isWindow ? inspectWindow(module, use) : { adds: false, merges: false };
    },
  });
  if (!compiled.ok) return compiled;
  return { ok: true, program: { text: compiled.text, ...compiled.info } };
}

function inspectWindow(module: ModuleView, { window }: ProgramUse) {
  const exports = (name: string) => {
    const named = module.exported(name);
    if (named === undefined) return false;
    requireFunction(module, name);
    return true;
  };
  const adds = exports('add');
  const merges = exports('merge');
  const merge = module.exported('merge');
  if (merge?.async) {
    module.refuse(merge.node, 'merge cannot be async: it runs before an event is added');
  }
  if (adds && !merges && window?.type === 'session') {
    const message =
      'session windows with `add` need `merge(a, b)` too: an event may make two sessions one';
    module.refuse(module.exported('add')?.node ?? null, message);
  }
  return { adds, merges };
}
