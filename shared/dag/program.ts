// The code of a DAG job: a step's program is a module with one function, its default export; the expressions of a
// definition (`when`, `forEach`, `key`) are one program together. Runs at submission, and in the editor while one types.
import { type Node, parseExpressionAt } from 'acorn';
import { ancestor } from 'acorn-walk';
import { compileModule, type ProgramError } from '../sandbox/program.ts';
import { wrapProgram } from '../sandbox/program-text.ts';
import type { DagSpec } from '../schemas/dag.ts';
import { isAskedOfAll } from './steps-seen.ts';

export type CompiledStep = { ok: true; text: string } | { ok: false; errors: ProgramError[] };

/** Checks a step's program and compiles it. Never throws. */
export function compileStep(code: string): CompiledStep {
  const compiled = compileModule(code, {
    hint: null,
    members: ['default'],
    inspect(module) {
      const named = module.exported('default');
      if (named === undefined) {
        module.refuse(null, 'a step has one function: `export default (input, ctx) => …`');
      } else if (named?.kind === 'literal' || named?.problem) {
        module.refuse(named.node, 'the default export has to be a function, async or not');
      }
      return null;
    },
  });
  return compiled.ok ? { ok: true, text: compiled.text } : compiled;
}

export const EXPRESSION_FIELDS = ['when', 'forEach', 'key'] as const;
export type ExpressionField = (typeof EXPRESSION_FIELDS)[number];

/** What an expression is called in the program: `resize.forEach`. */
export const expressionName = (step: string, field: ExpressionField): string => `${step}.${field}`;

/** The expressions of a step that it has, by their names. */
export function expressionsOf(
  step: string,
  definition: DagSpec['steps'][string],
): { name: string; field: ExpressionField; source: string }[] {
  const found: { name: string; field: ExpressionField; source: string }[] = [];
  for (const field of EXPRESSION_FIELDS) {
    const source = (definition as Partial<Record<ExpressionField, string>>)[field];
    if (source !== undefined) found.push({ name: expressionName(step, field), field, source });
  }
  return found;
}

export type CompiledExpressions =
  /** Null: the definition has none. */
  | { ok: true; text: string | null }
  /** `path`: such as `steps.resize.forEach`. */
  | { ok: false; errors: { path: string; message: string }[] };

/** All expressions of a definition as one program: names to functions of `{input, steps}`. Never throws. */
export function compileExpressions({ steps }: Pick<DagSpec, 'steps'>): CompiledExpressions {
  const members: string[] = [];
  const errors: { path: string; message: string }[] = [];
  for (const [step, definition] of Object.entries(steps)) {
    for (const { name, source } of expressionsOf(step, definition)) {
      const parsed = parseExpression(
        source,
        (read) => Object.hasOwn(steps, read) || isAskedOfAll(read),
      );
      if (parsed.ok) {
        members.push(`${JSON.stringify(name)}: ({ input, steps }) => (${parsed.source})`);
      } else {
        const { line, column, message } = parsed.error;
        const place = `line ${line}, column ${column}`;
        errors.push({ path: `steps.${name}`, message: `${place}: ${message}` });
      }
    }
  }
  if (errors.length > 0) return { ok: false, errors };
  if (members.length === 0) return { ok: true, text: null };
  const { head, tail } = wrapProgram(members);
  return { ok: true, text: head + tail };
}

type ParsedExpression = { ok: true; source: string } | { ok: false; error: ProgramError };

/** One expression and nothing else, without what stands around it (comments, space). Never throws. */
function parseExpression(source: string, mayRead: (step: string) => boolean): ParsedExpression {
  const refused = (message: string, at: Node | null): ParsedExpression => {
    const { line, column } = at?.loc?.start ?? { line: 1, column: 0 };
    return { ok: false, error: { message, line, column: column + 1 } };
  };
  try {
    // As in a module: strict. Parentheses are kept as nodes, so that the end is where it looks.
    const tree = parseExpressionAt(source, 0, {
      ecmaVersion: 'latest',
      sourceType: 'module',
      locations: true,
      preserveParens: true,
    });
    const rest = source.slice(tree.end).replace(BLANK, '');
    if (rest !== '') {
      const line = source.slice(0, source.length - rest.length).split('\n');
      const column = (line.at(-1) ?? '').length + 1;
      const message = `one expression is expected, and after it stands ${JSON.stringify(rest.slice(0, 20))}`;
      return { ok: false, error: { message, line: line.length, column } };
    }
    const found: { node: Node; message: string }[] = [];
    const refuse = (node: Node, message: string) => void found.push({ node, message });
    const reads: { node: Node; name: string }[] = [];
    let bound = false;
    ancestor(tree, {
      MemberExpression: (node) => {
        const { object, property, computed } = node;
        if (object.type !== 'Identifier' || object.name !== 'steps') return;
        const name = computed
          ? property.type === 'Literal' && property.value
          : property.type === 'Identifier' && property.name;
        if (typeof name === 'string' && !mayRead(name)) reads.push({ node: property, name });
      },
      // A variable of the expression's own.
      Pattern: (node) => {
        if (node.type === 'Identifier' && node.name === 'steps') bound = true;
      },
      AwaitExpression: (node) => refuse(node, 'an expression cannot await'),
      ImportExpression: (node) => refuse(node, 'an expression cannot import anything'),
      MetaProperty: (node) => {
        if (node.meta.name === 'import') refuse(node, 'import.meta is not available');
      },
    });
    if (!bound) for (const { node, name } of reads) refuse(node, `there is no step "${name}"`);
    const [first] = found;
    if (first) return refused(first.message, first.node);
    return { ok: true, source: source.slice(tree.start, tree.end) };
  } catch (error) {
    const { message, loc } = error as {
      message?: unknown;
      loc?: { line: number; column: number };
    };
    const text = String(message ?? error).replace(/ \(\d+:\d+\)$/, '');
    const place = { line: loc?.line ?? 1, column: (loc?.column ?? 0) + 1 };
    return { ok: false, error: { message: text, ...place } };
  }
}

/** White space and comments. */
const BLANK = /^(?:\s|\/\/[^\n]*|\/\*[^]*?\*\/)*/;
