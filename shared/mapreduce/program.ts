// A program as it is submitted (one ES module) becomes an expression whose value is a factory: each call
// gives a fresh { map, combine, reduce }, so that no task sees what another left in module variables.
// The user's lines keep their numbers. Runs at submission, and in the editor while one types.
import { type Node, parse, type Program } from 'acorn';
import { simple } from 'acorn-walk';
import MagicString from 'magic-string';
import { type BuiltinName, BUILTINS, isBuiltin } from './builtins.ts';
import { wrapProgram } from './program-text.ts';

export type Stage = BuiltinName | 'code' | null;

export interface CompiledProgram {
  /** `(function () { … })`: see the contract in map-run.ts. */
  text: string;
  combine: Stage;
  reduce: Stage;
}

/** Line and column count from 1. */
export interface ProgramError {
  message: string;
  line: number;
  column: number;
}

export type Compiled =
  { ok: true; program: CompiledProgram } | { ok: false; errors: ProgramError[] };

type Statement = Program['body'][number];
type Named = {
  node: Node;
  kind: 'function' | 'literal' | 'other';
  value?: unknown;
  problem?: string;
};

/** Checks a program and compiles it. Never throws. */
export function compileProgram(code: string): Compiled {
  let tree: Program;
  try {
    tree = parse(code, {
      ecmaVersion: 'latest',
      sourceType: 'module',
      locations: true,
      allowAwaitOutsideFunction: false,
    });
  } catch (error) {
    return { ok: false, errors: [syntaxError(error)] };
  }
  const errors: ProgramError[] = [];
  const refuse = (node: Node, message: string) => {
    const { line, column } = node.loc?.start ?? { line: 1, column: 0 };
    errors.push({ message, line, column: column + 1 });
  };
  const text = new MagicString(code);
  const exported = new Map<string, { local: string; node: Node }>();
  const declared = new Map<string, Named>();

  for (const statement of tree.body) {
    declare(statement, declared);
    readExport(statement, text, exported, refuse);
  }
  simple(tree, {
    ImportExpression: (node) => refuse(node, 'a program cannot import anything: it has no network'),
    MetaProperty: (node) => {
      if (code.slice(node.start, node.end) === 'import.meta')
        refuse(node, 'import.meta is not available');
    },
  });

  const stageOf = (name: 'combine' | 'reduce'): Stage => {
    const found = exported.get(name);
    if (!found) return null;
    const named = declared.get(found.local);
    if (named?.kind === 'literal') {
      if (isBuiltin(named.value)) return named.value;
      refuse(
        named.node,
        `${name} is ${JSON.stringify(named.value)}; it has to be a function or one of ${BUILTINS.map((b) => `"${b}"`).join(', ')}`,
      );
    }
    if (named?.problem) refuse(named.node, `${name} ${named.problem}`);
    return 'code';
  };
  const combine = stageOf('combine');
  const reduce = stageOf('reduce');
  const map = exported.get('map');
  const mapNamed = map && declared.get(map.local);
  if (!map) {
    errors.push({ message: 'the program exports no `map` function', line: 1, column: 1 });
  } else if (mapNamed?.kind === 'literal') {
    refuse(mapNamed.node, 'map has to be a function');
  } else if (mapNamed?.problem) {
    refuse(mapNamed.node, `map ${mapNamed.problem}`);
  }
  if (errors.length > 0) {
    return { ok: false, errors: errors.sort((a, b) => a.line - b.line || a.column - b.column) };
  }
  const members = ['map', 'combine', 'reduce'].flatMap((name) => {
    const found = exported.get(name);
    return found ? [`${name}: ${found.local}`] : [];
  });
  const { head, tail } = wrapProgram(members);
  text.prepend(head).append(tail);
  return { ok: true, program: { text: text.toString(), combine, reduce } };
}

function syntaxError(error: unknown): ProgramError {
  const { message, loc } = error as { message?: unknown; loc?: { line: number; column: number } };
  return {
    message: String(message ?? error).replace(/ \(\d+:\d+\)$/, ''),
    line: loc?.line ?? 1,
    column: (loc?.column ?? 0) + 1,
  };
}

/** Notes what a top-level declaration makes, exported or not. */
function declare(statement: Statement, declared: Map<string, Named>): void {
  const declaration =
    statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
  if (!declaration) return;
  if (declaration.type === 'FunctionDeclaration' && declaration.id) {
    const problem = declaration.generator
      ? 'cannot be a generator: call emit instead of yielding'
      : undefined;
    declared.set(declaration.id.name, {
      node: declaration,
      kind: 'function',
      ...(problem && { problem }),
    });
  } else if (declaration.type === 'ClassDeclaration' && declaration.id) {
    const problem = 'cannot be a class';
    declared.set(declaration.id.name, { node: declaration, kind: 'other', problem });
  } else if (declaration.type === 'VariableDeclaration') {
    for (const { id, init } of declaration.declarations) {
      if (id.type !== 'Identifier') continue;
      if (init?.type === 'Literal') {
        declared.set(id.name, { node: init, kind: 'literal', value: init.value });
      } else if (init?.type === 'FunctionExpression' || init?.type === 'ArrowFunctionExpression') {
        declared.set(id.name, { node: init, kind: 'function' });
      } else {
        declared.set(id.name, { node: declaration, kind: 'other' });
      }
    }
  }
}

/** Takes the export keywords out and notes what they export. */
function readExport(
  statement: Statement,
  text: MagicString,
  exported: Map<string, { local: string; node: Node }>,
  refuse: (node: Node, message: string) => void,
): void {
  switch (statement.type) {
    case 'ImportDeclaration':
      return refuse(statement, 'a program cannot import anything: it is one module');
    case 'ExportAllDeclaration':
      return refuse(statement, 'a program cannot export from another module: it is one module');
    case 'ExportDefaultDeclaration':
      return refuse(statement, 'use `export function map`, not a default export');
    case 'ExportNamedDeclaration': {
      if (statement.source) {
        return refuse(statement, 'a program cannot export from another module: it is one module');
      }
      if (statement.declaration) {
        text.remove(statement.start, statement.declaration.start);
        for (const name of namesOf(statement.declaration)) {
          exported.set(name, { local: name, node: statement });
        }
        return;
      }
      for (const { local, exported: as, ...node } of statement.specifiers) {
        if (local.type !== 'Identifier') continue;
        const name = as.type === 'Identifier' ? as.name : String(as.value);
        exported.set(name, { local: local.name, node });
      }
      // Newlines stay, so that the lines below keep their numbers.
      text.overwrite(
        statement.start,
        statement.end,
        ';' + text.original.slice(statement.start, statement.end).replace(/[^\n]/g, ''),
      );
    }
  }
}

function namesOf(declaration: Node): string[] {
  const names: string[] = [];
  if ('id' in declaration) {
    const { id } = declaration as { id: { name: string } | null };
    if (id) names.push(id.name);
  }
  if ('declarations' in declaration) {
    for (const { id } of (declaration as { declarations: { id: { type: string; name: string } }[] })
      .declarations) {
      if (id.type === 'Identifier') names.push(id.name);
    }
  }
  return names;
}
