// The texts that the sandbox is made of. The two functions travel as their own source, so that they are
// written, typed and minified like the rest of the page.
import { ALLOWED_GLOBALS, BROWSER_GLOBALS, CANVAS_CONTEXTS } from '../../shared/sandbox/realm.ts';
import { RUNTIME_SOURCE } from '../../shared/runtimes/mapreduce.generated.ts';
import { frameMain, TICK_MS } from './sandbox-frame.ts';
import { type GlobalLists, workerMain } from './sandbox-worker.ts';

const LISTS: GlobalLists = {
  allowed: ALLOWED_GLOBALS,
  browser: BROWSER_GLOBALS,
  canvasContexts: CANVAS_CONTEXTS,
};

/** Strict as a whole: no function of ours can be looked into by `caller` or `arguments`. */
export function workerSource(): string {
  return (
    '(function () { "use strict";\n' +
    `${RUNTIME_SOURCE}\n` +
    `(${workerMain.toString()})(manyhandsRuntime, ${JSON.stringify(LISTS)});\n` +
    '})();'
  );
}

/** No network, no storage, no navigation by forms; scripts by nonce, by `new Function`, and blobs as workers. */
export function contentSecurityPolicy(nonce: string): string {
  return [
    "default-src 'none'",
    "connect-src 'none'",
    'worker-src blob:',
    `script-src 'nonce-${nonce}' 'unsafe-eval' blob:`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}

/** The frame's document. */
export function frameDocument(nonce: string): string {
  return (
    '<!doctype html><meta charset="utf-8">' +
    `<meta http-equiv="Content-Security-Policy" content="${contentSecurityPolicy(nonce)}">` +
    `<script nonce="${nonce}">"use strict";(${frameMain.toString()})(${TICK_MS});</script>`
  );
}
