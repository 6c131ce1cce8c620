// The loop guard of local mode: the local runtime has no CPU limit, and one endless loop at the edge would
// stop the whole server. Clocks stand still while code runs there, so the guard counts steps: one for each
// turn of a loop and each call of a function. Time spent inside a single native call (a huge regular
// expression, a sort) is not seen, nor is code that the program makes from text.
import { type Node, parse } from 'acorn';
import { simple } from 'acorn-walk';
import MagicString from 'magic-string';

/** Adds the guard to a compiled program's text. Lines keep their numbers; columns move. */
export function guardProgram(text: string, maxSteps: number): string {
  const tree = parse(text, { ecmaVersion: 'latest', sourceType: 'script' });
  const guarded = new MagicString(text);
  let step = '__step';
  while (text.includes(step)) step += '_';
  // The first thing in a loop's body lies outside any `try` within it: `for (;;) { try { … } catch {} }`
  // ends too, since from the limit on every further step throws.
  const inLoop = ({ body }: { body: Node }) => {
    if (body.type === 'BlockStatement') guarded.appendLeft(body.start + 1, ` ${step}();`);
    else guarded.prependLeft(body.start, `{ ${step}(); `).appendRight(body.end, ' }');
  };
  const inFunction = (node: { body: Node; expression?: boolean }) => {
    const { body } = node;
    if (node.expression) guarded.prependLeft(body.start, `(${step}(), `).appendRight(body.end, ')');
    else guarded.appendLeft(afterDirectives(body), ` ;${step}();`);
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
  // Each call of the outer factory starts the count anew.
  const head =
    `(function () { let steps = 0; const ${step} = () => { if (++steps > ${maxSteps}) { ` +
    `const error = new Error('more than ${maxSteps} loop turns and calls in one task: an endless loop?'); ` +
    `error.name = 'LoopGuardError'; throw error; } }; return `;
  guarded.prepend(head).append('(); })');
  return guarded.toString();
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
