// A program as it is submitted (one ES module) becomes an expression whose value is a factory: each call
// gives fresh exports, so that no task sees what another left in module variables. The user's lines keep
// their numbers. Runs at submission, and in the editor while one types.
import {
  type ArrowFunctionExpression,
  type ExportDefaultDeclaration,
  type FunctionDeclaration,
  type FunctionExpression,
  type Node,
  parse,
  type Pattern,
  type Program,
} from 'acorn';
import { ancestor } from 'acorn-walk';
import MagicString from 'magic-string';
import { wrapProgram } from './program-text.ts';

/** Line and column count from 1. */
export interface ProgramError {
  message: string;
  line: number;
  column: number;
}

type Statement = Program['body'][number];
type AnyFunction = FunctionDeclaration | FunctionExpression | ArrowFunctionExpression;
type Named = {
  node: Node;
  kind: 'function' | 'literal' | 'other';
  value?: unknown;
  async?: boolean;
  problem?: string;
};

/** What can be seen of a module without running it. */
export interface ModuleView {
  /** Undefined: not exported. Null: exported, and made in a way that says nothing of it. */
  exported(name: string): Named | null | undefined;
  refuse(node: Node | null, message: string): void;
}

/** Which exports a kind of program has, and what is asked of them. */
export interface ModuleRules<Info> {
  /** Said of a default export: "use `export function map`". Null: there may be one, exported as `default`. */
  hint: string | null;
  /** What the factory gives, as far as it is exported. */
  members: readonly string[];
  inspect(module: ModuleView): Info;
}

export type CompiledModule<Info> =
  { ok: true; text: string; info: Info } | { ok: false; errors: ProgramError[] };

/** Checks a module and compiles it. Never throws. */
export function compileModule<Info>(code: string, rules: ModuleRules<Info>): CompiledModule<Info> {
  try {
    return compile(code, rules);
  } catch (error) {
    // Also: nested so deeply that the parser or the walk runs out of stack.
    return { ok: false, errors: [syntaxError(error)] };
  }
}

/** Refuses the module unless it exports, as far as can be seen, a function of this name. */
export function requireFunction(module: ModuleView, name: string): void {
  const named = module.exported(name);
  if (named === undefined) module.refuse(null, `the program exports no \`${name}\` function`);
  else if (named?.kind === 'literal') module.refuse(named.node, `${name} has to be a function`);
  else if (named?.problem) module.refuse(named.node, `${name} ${named.problem}`);
}

/** Throws what the parser throws. */
function compile<Info>(code: string, rules: ModuleRules<Info>): CompiledModule<Info> {
  const tree = parse(code, {
    ecmaVersion: 'latest',
    sourceType: 'module',
    locations: true,
    allowHashBang: false,
  });
  const errors: ProgramError[] = [];
  const refuse = (node: Node | null, message: string) => {
    const { line, column } = node?.loc?.start ?? { line: 1, column: 0 };
    errors.push({ message, line, column: column + 1 });
  };
  const text = new MagicString(code);
  const exported = new Map<string, { local: string; node: Node }>();
  const declared = new Map<string, Named>();

  for (const statement of tree.body) {
    declare(statement, declared);
    if (statement.type !== 'ExportDefaultDeclaration')
      readExport(statement, text, exported, refuse);
    else if (rules.hint !== null) refuse(statement, rules.hint);
    else readDefault(statement, text, exported, declared);
  }
  // The parser takes it in modules, whatever it is told.
  const awaitAtTop = (node: Node, ancestors: Node[]) => {
    if (ancestors.some(({ type }) => type.includes('Function'))) return;
    refuse(node, 'a program cannot await outside of its functions');
  };
  ancestor(tree, {
    ImportExpression: (node) => refuse(node, 'a program cannot import anything: it has no network'),
    MetaProperty: (node) => {
      if (node.meta.name === 'import') refuse(node, 'import.meta is not available');
    },
    AwaitExpression: (node, _, ancestors) => awaitAtTop(node, ancestors),
    ForOfStatement: (node, _, ancestors) => {
      if (node.await) awaitAtTop(node, ancestors);
    },
    VariableDeclaration: (node, _, ancestors) => {
      if (node.kind === 'await using') awaitAtTop(node, ancestors);
    },
  });

  const info = rules.inspect({
    exported(name) {
      const found = exported.get(name);
      return found && (declared.get(found.local) ?? null);
    },
    refuse,
  });
  if (errors.length > 0) {
    return { ok: false, errors: errors.sort((a, b) => a.line - b.line || a.column - b.column) };
  }
  const members = rules.members.flatMap((name) => {
    const found = exported.get(name);
    return found ? [`${name}: ${found.local}`] : [];
  });
  const { head, tail } = wrapProgram(members);
  text.prepend(head).append(tail);
  return { ok: true, text: text.toString(), info };
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
    declared.set(declaration.id.name, namedFunction(declaration));
  } else if (declaration.type === 'ClassDeclaration' && declaration.id) {
    const problem = 'cannot be a class';
    declared.set(declaration.id.name, { node: declaration, kind: 'other', problem });
  } else if (declaration.type === 'VariableDeclaration') {
    for (const { id, init } of declaration.declarations) {
      if (id.type !== 'Identifier') continue;
      if (init?.type === 'Literal') {
        declared.set(id.name, { node: init, kind: 'literal', value: init.value });
      } else if (init?.type === 'TemplateLiteral' && init.expressions.length === 0) {
        const value = init.quasis[0]?.value.cooked;
        declared.set(id.name, { node: init, kind: 'literal', value });
      } else if (init?.type === 'FunctionExpression' || init?.type === 'ArrowFunctionExpression') {
        declared.set(id.name, namedFunction(init));
      } else {
        declared.set(id.name, { node: declaration, kind: 'other' });
      }
    }
  }
}

function namedFunction(node: AnyFunction): Named {
  return {
    node,
    kind: 'function',
    async: node.async,
    ...(node.generator && { problem: 'cannot be a generator: call emit instead of yielding' }),
  };
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
    case 'ExportNamedDeclaration': {
      if (statement.source) {
        return refuse(statement, 'a program cannot export from another module: it is one module');
      }
      if (statement.declaration) {
        const { declaration } = statement;
        blank(text, statement.start, declaration.start, '');
        const names =
          declaration.type === 'VariableDeclaration'
            ? declaration.declarations.flatMap(({ id }) => namesIn(id))
            : [declaration.id.name];
        for (const name of names) exported.set(name, { local: name, node: statement });
        return;
      }
      for (const { local, exported: as, ...node } of statement.specifiers) {
        if (local.type !== 'Identifier') continue;
        const name = as.type === 'Identifier' ? as.name : String(as.value);
        exported.set(name, { local: local.name, node });
      }
      blank(text, statement.start, statement.end, ';');
    }
  }
}

/** Makes a declaration of the default export, as far as it is none. */
function readDefault(
  { start, end, declaration }: ExportDefaultDeclaration,
  text: MagicString,
  exported: Map<string, { local: string; node: Node }>,
  declared: Map<string, Named>,
): void {
  // Not up to the declaration: parentheses around an expression stand before it.
  const { length } = KEYWORDS.exec(text.original.slice(start, end))?.[0] ?? '';
  if ('id' in declaration && declaration.id && declaration.type.endsWith('Declaration')) {
    blank(text, start, start + length, ' '.repeat(length));
    const { name } = declaration.id;
    declared.set(name, namedDefault(declaration));
    exported.set('default', { local: name, node: declaration });
    return;
  }
  let local = 'main';
  while (text.original.includes(local)) local += '_';
  blank(text, start, start + length, `var ${local} = `.padEnd(length));
  // As an expression it would go on in what stands in the next line.
  if (text.original[end - 1] !== ';') text.appendLeft(end, ';');
  declared.set(local, namedDefault(declaration));
  exported.set('default', { local, node: declaration });
}

/** What stands between them is white space or a comment. */
const KEYWORDS = /^export(?:\s|\/\/.*|\/\*[^]*?\*\/)*default/;

function namedDefault(node: ExportDefaultDeclaration['declaration']): Named {
  switch (node.type) {
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      return namedFunction(node as AnyFunction);
    case 'ClassDeclaration':
    case 'ClassExpression':
      return { node, kind: 'other', problem: 'cannot be a class' };
    case 'Literal':
    case 'TemplateLiteral':
    case 'ObjectExpression':
    case 'ArrayExpression':
      return { node, kind: 'literal' };
    default:
      return { node, kind: 'other' };
  }
}

/** Takes out what lies between, but for newlines: the lines below keep their numbers. */
function blank(text: MagicString, start: number, end: number, by: string): void {
  const newlines = text.original.slice(start, end).replace(/[^\n\r\u2028\u2029]/g, '');
  text.overwrite(start, end, by + newlines);
}

/** The variables that a declaration's left side makes. */
function namesIn(pattern: Pattern): string[] {
  switch (pattern.type) {
    case 'Identifier':
      return [pattern.name];
    case 'ObjectPattern':
      return pattern.properties.flatMap((property) =>
        namesIn(property.type === 'RestElement' ? property.argument : property.value),
      );
    case 'ArrayPattern':
      return pattern.elements.flatMap((element) => (element ? namesIn(element) : []));
    case 'RestElement':
      return namesIn(pattern.argument);
    case 'AssignmentPattern':
      return namesIn(pattern.left);
    case 'MemberExpression':
      return [];
  }
}
