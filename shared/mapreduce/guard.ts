// The loop guard of local mode: the local runtime has no CPU limit, and one endless loop at the edge would
// stop the whole server. Clocks stand still while code runs there, so the guard counts steps: one for each
// turn of a loop and each call of a function. Time spent inside a single native call (a huge regular
// expression, a sort) is not seen.
import { type Node, parse } from 'acorn';
import { simple } from 'acorn-walk';
import MagicString from 'magic-string';

const STEP = '__step';

/** Adds the guard to a compiled program's text. Lines keep their numbers; columns move. */
export function guardProgram(text: string, maxSteps: number): string {
  const tree = parse(text, { ecmaVersion: 'latest', sourceType: 'script', locations: false });
  const guarded = new MagicString(text);
  // Loops: in the test or head, which lies outside any `try` within the body, so that
  // `while (true) { try { … } catch {} }` ends too.
  const inTest = (test: Node | null | undefined, emptyAt: number) => {
    if (test) guarded.prependLeft(test.start, `${STEP}(), (`).appendRight(test.end, ')');
    else guarded.appendLeft(emptyAt, ` ${STEP}(), true`);
  };
  const inBlock = (body: Node) => {
    if (body.type === 'BlockStatement') guarded.appendLeft(body.start + 1, ` ${STEP}();`);
    else guarded.prependLeft(body.start, `{ ${STEP}(); `).appendRight(body.end, ' }');
  };
  const inFunction = (node: Node) => {
    const { body, expression } = node as Node & { body: Node; expression?: boolean };
    if (expression) guarded.prependLeft(body.start, `(${STEP}(), `).appendRight(body.end, ')');
    else guarded.appendLeft(afterDirectives(text, body), ` ${STEP}();`);
  };
  simple(tree, {
    WhileStatement: (node) => inTest(node.test, 0),
    DoWhileStatement: (node) => inTest(node.test, 0),
    ForStatement: (node) => {
      if (node.test) inTest(node.test, 0);
      else inTest(null, text.indexOf(';', node.init?.end ?? node.start) + 1);
    },
    ForOfStatement: (node) => inBlock(node.body),
    ForInStatement: (node) => inBlock(node.body),
    FunctionDeclaration: inFunction,
    FunctionExpression: inFunction,
    ArrowFunctionExpression: inFunction,
  });
  // Each call of the outer factory starts the count anew. Once tripped, every further step throws.
  const head =
    `(function () { let steps = 0; const ${STEP} = () => { if (++steps > ${maxSteps}) { ` +
    `const error = new Error('more than ${maxSteps} loop turns and calls in one task: an endless loop?'); ` +
    `error.name = 'LoopGuardError'; throw error; } }; return `;
  guarded.prepend(head).append('(); })');
  return guarded.toString();
}

/** "use strict" has to stay the first statement. */
function afterDirectives(text: string, body: Node): number {
  let at = body.start + 1;
  for (const statement of (body as Node & { body: (Node & { directive?: string })[] }).body) {
    if (statement.directive === undefined) break;
    at = statement.end;
    if (text[at - 1] !== ';') return at;
  }
  return at;
}
