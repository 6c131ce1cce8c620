// The global objects that user code finds, in a volunteer's sandbox and in an isolate at the edge alike: a
// program that runs in one must not fail in the other, or give another digest.

/** All others are taken away. */
export const ALLOWED_GLOBALS: readonly string[] = [
  // The language. No SharedArrayBuffer, Atomics, WeakRef, FinalizationRegistry, WebAssembly: clocks, shared
  // state, or not to be had at the edge.
  ...['globalThis', 'Infinity', 'NaN', 'undefined', 'eval', 'isFinite', 'isNaN', 'parseFloat'],
  ...['parseInt', 'decodeURI', 'decodeURIComponent', 'encodeURI', 'encodeURIComponent', 'escape'],
  ...['unescape', 'Object', 'Function', 'Boolean', 'Symbol', 'Number', 'BigInt', 'Math', 'Date'],
  ...['String', 'RegExp', 'Array', 'Map', 'Set', 'WeakMap', 'WeakSet', 'ArrayBuffer', 'DataView'],
  ...['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array'],
  ...['Uint32Array', 'Float16Array', 'Float32Array', 'Float64Array', 'BigInt64Array'],
  ...['BigUint64Array', 'JSON', 'Promise', 'Reflect', 'Proxy', 'Iterator', 'Error', 'EvalError'],
  ...['RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError', 'AggregateError'],
  ...['SuppressedError', 'DisposableStack', 'AsyncDisposableStack', 'Intl', 'Temporal'],
  // Of the platform: pure functions only.
  ...['self', 'TextEncoder', 'TextDecoder', 'URL', 'URLSearchParams', 'atob', 'btoa'],
  ...['structuredClone', 'queueMicrotask'],
];

/**
 * What programs of volunteer steps find besides, in browsers that have it: pictures and video. None of it reaches a
 * network, other contexts or the person's data; of a canvas only the contexts below are to be had, since the others
 * tell what graphics hardware a machine has. Chromium keeps the last two rows from a worker of an opaque origin, which to
 * it is no secure context: steps that use them have to look whether they are there.
 */
export const BROWSER_GLOBALS: readonly string[] = [
  ...['OffscreenCanvas', 'OffscreenCanvasRenderingContext2D', 'ImageBitmap', 'createImageBitmap'],
  ...['ImageBitmapRenderingContext', 'ImageData', 'Path2D', 'CanvasGradient', 'CanvasPattern'],
  ...['TextMetrics', 'DOMMatrix', 'DOMPoint', 'DOMRect', 'Blob'],
  ...['ImageDecoder', 'ImageEncoder', 'VideoEncoder', 'VideoDecoder', 'VideoFrame'],
  ...['EncodedVideoChunk', 'VideoColorSpace'],
];
export const CANVAS_CONTEXTS: readonly string[] = ['2d', 'bitmaprenderer'];

const BROWSER_WORDS = new RegExp(`\\b(?:${BROWSER_GLOBALS.join('|')})\\b`);

/** Whether the edge could not run it. By its text: a name in a comment makes it a browser's work as well. */
export const needsBrowser = (code: string): boolean => BROWSER_WORDS.test(code);
