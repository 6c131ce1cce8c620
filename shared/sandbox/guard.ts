// The loop guard of local mode: the local runtime has no CPU limit, and one endless loop at the edge would
// stop the whole server. Clocks stand still while code runs there, so the guard counts steps: one for each
// turn of a loop and each entry of a function, and more for the calls that stand in it, since a call to
// `emit` or to a built-in takes far longer than a turn. Time spent inside a single native call (a huge
// regular expression, a sort) is not seen, nor is code that the program makes from text.
import { type Node, parse } from 'acorn';
import { ancestor, simple } from 'acorn-walk';
import MagicString from 'magic-string';

/** What a call counts, in turns of an empty loop. */
const CALL_STEPS = 20;

/** Adds the guard to a compiled program's text. Lines keep their numbers; columns move. */
export function guardProgram(text: string, maxSteps: number): string {
  // Each call of the outer factory starts the count anew.
  return withSteps(
    text,
    (step) =>
      `(function () { let steps = 0; const ${step} = (by) => { if ((steps += by) > ${maxSteps}) { ` +
      `const error = new Error('more than ${maxSteps} loop turns and calls in one task: an endless loop?'); ` +
      `error.name = 'LoopGuardError'; throw error; } }; return `,
  );
}

/** The same, for a runtime that counts by itself: the factory takes the function that is told of each step. */
export const guardCounted = (text: string): string =>
  withSteps(text, (step) => `(function (${step}) { return `);

function withSteps(text: string, headOf: (step: string) => string): string {
  const tree = parse(text, { ecmaVersion: 'latest', sourceType: 'script' });
  const guarded = new MagicString(text);
  let step = '__step';
  while (text.includes(step)) step += '_';
  // The first thing in a loop's body lies outside any `try` within it: `for (;;) { try { … } catch {} }`
  // ends too, since from the limit on every further step throws.
  const calls = countCalls(tree);
  const stepOf = (node: Node) => `${step}(${1 + CALL_STEPS * (calls.get(node) ?? 0)})`;
  const inLoop = (node: Node & { body: Node }) => {
    const { body } = node;
    if (body.type === 'BlockStatement') guarded.appendLeft(body.start + 1, ` ${stepOf(node)};`);
    else guarded.prependLeft(body.start, `{ ${stepOf(node)}; `).appendRight(body.end, ' }');
  };
  const inFunction = (node: Node & { body: Node; expression?: boolean }) => {
    const { body } = node;
    if (node.expression) {
      guarded.prependLeft(body.start, `(${stepOf(node)}, `).appendRight(body.end, ')');
    } else {
      guarded.appendLeft(afterDirectives(body), ` ;${stepOf(node)};`);
    }
  };
  simple(tree, {
    WhileStatement: inLoop,
    DoWhileStatement: inLoop,
    ForStatement: inLoop,
    ForOfStatement: inLoop,
    ForInStatement: inLoop,
    FunctionDeclaration: inFunction,
    FunctionExpression: inFunction,
    ArrowFunctionExpression: inFunction,
  });
  guarded.prepend(headOf(step)).append('(); })');
  return guarded.toString();
}

const LOOPS_AND_FUNCTIONS: ReadonlySet<string> = new Set([
  'WhileStatement',
  'DoWhileStatement',
  'ForStatement',
  'ForOfStatement',
  'ForInStatement',
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
]);

/** How many calls stand in each loop and function, without those in loops and functions inside it. */
function countCalls(tree: Node): Map<Node, number> {
  const calls = new Map<Node, number>();
  const count = (node: Node, _: unknown, ancestors: Node[]) => {
    const around = ancestors.findLast(
      (outer) => outer !== node && LOOPS_AND_FUNCTIONS.has(outer.type),
    );
    if (around) calls.set(around, (calls.get(around) ?? 0) + 1);
  };
  ancestor(tree, { CallExpression: count, NewExpression: count, TaggedTemplateExpression: count });
  return calls;
}

/** "use strict" has to stay the first statement. */
function afterDirectives(body: Node): number {
  let at = body.start + 1;
  for (const statement of (body as Node & { body: (Node & { directive?: string })[] }).body) {
    if (statement.directive === undefined) break;
    at = statement.end;
  }
  return at;
}
