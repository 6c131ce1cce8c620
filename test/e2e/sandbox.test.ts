// What a stranger's program can reach from a volunteer's sandbox: nothing. Real Chromium, the page's own code
// (minified as the page is), and servers that write down whatever got out.
import { setTimeout as pause } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ALLOWED_GLOBALS, BROWSER_GLOBALS } from '../../shared/sandbox/realm.ts';
import type { StepPlan } from '../../shared/mapreduce/task.ts';
import { type SandboxPage, serveSandboxPage } from '../support/sandbox-page.ts';
import { browserOfFile } from '../support/suite.ts';

const browser = await browserOfFile();
let served: SandboxPage;
let page: Page;

beforeAll(async () => {
  served = await serveSandboxPage();
  page = await browser.newPage();
  await page.goto(served.origin);
});

afterAll(() => served?.stop());

beforeEach(() => {
  served.requests.length = 0;
});

/** The expression of each attempt is a promise or a value; `OUTSIDE` is another origin, `WS` its sockets. */
const ATTEMPTS: Record<string, string> = {
  fetch: 'fetch(OUTSIDE + "/fetch")',
  'fetch, own origin': 'fetch(PAGE + "/fetch")',
  XMLHttpRequest:
    'new Promise((yes, no) => { const x = new XMLHttpRequest(); x.open("GET", OUTSIDE + "/xhr"); x.onload = yes; x.onerror = no; x.send() })',
  WebSocket:
    'new Promise((yes, no) => { const s = new WebSocket(WS + "/ws"); s.onopen = yes; s.onerror = no })',
  EventSource:
    'new Promise((yes, no) => { const s = new EventSource(OUTSIDE + "/sse"); s.onopen = yes; s.onerror = no })',
  WebTransport: 'new WebTransport(OUTSIDE.replace("http", "https") + "/wt").ready',
  importScripts: 'importScripts(OUTSIDE + "/import-scripts.js")',
  'dynamic import by new Function': 'new Function("u", "return import(u)")(OUTSIDE + "/import.js")',
  'dynamic import by eval': '(0, eval)("import(\\"" + OUTSIDE + "/eval-import.js\\")")',
  'dynamic import of data': 'new Function("return import(\\"data:text/javascript,1\\")")()',
  'dynamic import of a blob':
    'new Function("u", "return import(u)")(URL.createObjectURL(new Blob(["globalThis.reached = 1"], {type: "text/javascript"})))',
  'nested worker, foreign': 'new Worker(OUTSIDE + "/worker.js")',
  'nested worker, blob':
    'new Promise((yes, no) => { const w = new Worker(URL.createObjectURL(new Blob(["fetch(\\"" + OUTSIDE + "/nested\\").then(() => postMessage(1), () => 0)"]))); w.onmessage = yes; w.onerror = no; setTimeout(no, 500) })',
  SharedWorker: 'new SharedWorker(OUTSIDE + "/shared.js")',
  sendBeacon:
    'navigator.sendBeacon(OUTSIDE + "/beacon", "x") || Promise.reject(new Error("refused"))',
  serviceWorker: 'navigator.serviceWorker.register(OUTSIDE + "/sw.js")',
  indexedDB:
    'new Promise((yes, no) => { const r = indexedDB.open("x"); r.onsuccess = yes; r.onerror = no })',
  caches: 'caches.open("x")',
  'storage of the origin': 'navigator.storage.getDirectory()',
  WebRTC: 'new RTCPeerConnection({ iceServers: [{ urls: "stun:127.0.0.1:9" }] })',
};

/** These reach something that is not the network: kept in by the moat, not by the policy. */
const MOAT_ONLY: Record<string, string> = {
  BroadcastChannel: 'new BroadcastChannel("x").postMessage(1)',
  'postMessage to the frame': 'postMessage("forged")',
  'self.postMessage': 'self.postMessage("forged")',
  close: 'close()',
  location: 'location.href',
  navigator: 'navigator.userAgent',
  'message listener': 'addEventListener("message", () => undefined)',
  onmessage:
    '{ onmessage = () => undefined; if (!("onmessage" in globalThis)) throw new Error("gone") }',
  parent: 'parent.document',
  top: 'top.location.href',
  document: 'document.cookie',
  window: 'window.localStorage',
  'crypto random': 'crypto.getRandomValues(new Uint8Array(1))',
  setTimeout: 'new Promise((yes) => setTimeout(yes, 0))',
  MessageChannel: 'new MessageChannel().port1',
  SharedArrayBuffer: 'new SharedArrayBuffer(8)',
  'shared memory of WebAssembly':
    'new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer',
  'fetch of the prototypes':
    '{ let p = globalThis, f; while (p) { f ??= Object.getOwnPropertyDescriptor(p, "fetch"); p = Object.getPrototypeOf(p) } f.value(OUTSIDE + "/proto") }',
  'fetch by a constructor': 'map.constructor("u", "return fetch(u)")(OUTSIDE + "/constructor")',
  'fetch by an async constructor':
    '(async () => 0).constructor("u", "return fetch(u)")(OUTSIDE + "/async-constructor")',
  'the global object of a sloppy function':
    'new Function("return this")().fetch(OUTSIDE + "/sloppy")',
  'the runtime': 'manyhandsRuntime.runMap',
  'the caller of a sloppy function':
    '{ const c = new Function("return arguments.callee.caller")(); if (c === null) throw new Error("null"); c }',
};

/** What pictures and video could lead to, for programs of volunteer steps. */
const BY_PICTURES: Record<string, string> = {
  'worker from a Blob':
    'new Worker(URL.createObjectURL(new Blob(["fetch(\\"" + OUTSIDE + "/blob-worker\\")"])))',
  'import of a Blob':
    'new Function("u", "return import(u)")(URL.createObjectURL(new Blob(["1"], { type: "text/javascript" })))',
  'address of a Blob': 'URL.createObjectURL(new Blob(["x"]))',
  'file reader': 'new FileReader()',
  'listener by the constructor of a canvas’s parent':
    'Object.getPrototypeOf(OffscreenCanvas).prototype.addEventListener.call(globalThis, "message", () => undefined)',
  'font face': 'new FontFace("x", "url(" + OUTSIDE + "/font)").load()',
  'image of a drawing':
    'createImageBitmap(new Blob(["<svg xmlns=\\"http://www.w3.org/2000/svg\\" width=\\"9\\" height=\\"9\\"><image href=\\"" + OUTSIDE + "/svg\\" width=\\"9\\" height=\\"9\\"/></svg>"], { type: "image/svg+xml" }))',
  'canvas of the page': 'new HTMLCanvasElement()',
  ...Object.fromEntries(
    ['webgl', 'webgl2', 'webgpu', 'experimental-webgl'].map((kind) => [
      kind,
      `{ if (new OffscreenCanvas(1, 1).getContext('${kind}') === null) throw new Error('null'); }`,
    ]),
  ),
  'a context by a text that changes':
    '{ let asked = 0; const kind = { toString: () => (asked++ ? "webgl" : "2d") }; const { constructor } = new OffscreenCanvas(1, 1).getContext(kind); if (constructor === OffscreenCanvasRenderingContext2D) throw new Error("2d"); }',
  'the real getContext, put back': 'OffscreenCanvas.prototype.getContext = () => 1',
  'the real getContext, uncovered':
    '{ delete OffscreenCanvas.prototype.getContext; if (new OffscreenCanvas(1, 1).getContext("webgl") === null) throw new Error("null"); }',
  'decoder of an address':
    'new ImageDecoder({ type: "image/png", data: OUTSIDE + "/image" }).decode()',
};

const STEP: StepPlan = { run: 'run-1', step: 'draw', attempt: 1, timeoutMs: 20_000, browser: true };
/** Of a step: code, a line of its input, and what the plan says more. */
const runStep = (code: string, more: Partial<StepPlan> = {}) =>
  run(code, '{"item":null,"payloads":{}}\n', { format: 'ndjson', step: { ...STEP, ...more } });

const listOf = (attempts: Record<string, string>): string =>
  Object.entries(attempts)
    .map(([name, code]) => {
      const body = code.startsWith('{') ? code : `return (${code})`;
      return `[${JSON.stringify(name)}, async () => { ${body} }]`;
    })
    .join(',\n');

/** Tries everything; says by name what came of it. */
const tryAll = (attempts: Record<string, string>): string => `
  const OUTSIDE = ${JSON.stringify(served.outside)}, PAGE = ${JSON.stringify(served.origin)};
  const WS = OUTSIDE.replace('http', 'ws');
  const attempts = [${listOf(attempts)}];
  const outcomes = {};
  for (const [name, attempt] of attempts) {
    try {
      await attempt();
      outcomes[name] = 'reached';
    } catch (error) {
      outcomes[name] = 'kept in: ' + (error && error.name);
    }
  }`;

const keptIn = (outcomes: Record<string, string>): string[] =>
  Object.entries(outcomes).flatMap(([name, outcome]) =>
    outcome.startsWith('kept in') ? [] : [name],
  );

const run = (code: string, input?: string, plan?: object) =>
  page.evaluate(([code, input, plan]) => window.sandboxTest.run(code, input, plan), [
    code,
    input,
    plan,
  ] as const);

const ENDLESS = 'export function map() { for (;;) {} }';

/** With a page of its own, whose clock can be moved on. */
async function withClock<Value>(act: (page: Page) => Promise<Value>): Promise<Value> {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.clock.install();
    await page.goto(served.origin);
    return await act(page);
  } finally {
    await context.close();
  }
}

/** Lets time pass until it has come. */
async function passing<Value>(coming: Promise<Value>, pass: () => Promise<void>): Promise<Value> {
  let over = false;
  const end = () => (over = true);
  coming.then(end, end);
  while (!over) await pass();
  return coming;
}

/** A request that left the browser is recorded before one that the page itself sends afterwards. */
async function requestsThatGotOut(): Promise<string[]> {
  await page.evaluate((outside) => fetch(`${outside}/marker`).then(() => 0), served.outside);
  expect(served.requests.at(-1)).toContain('/marker');
  return served.requests.slice(0, -1);
}

describe('a program that attacks', () => {
  test('finds no way out: no request, no storage, no other thread, no page', async () => {
    const attempts = { ...ATTEMPTS, ...MOAT_ONLY };
    const ran = await run(`
      export async function map(line, emit, ctx) {
        ${tryAll(attempts)}
        const text = JSON.stringify(outcomes);
        for (let at = 0; at < text.length; at += 500) ctx.log(text.slice(at, at + 500));
        ctx.log(typeof globalThis.reached);
        emit('done', 1);
      }`);
    expect(ran.error).toBeNull();
    const outcomes = JSON.parse(ran.log.slice(0, -1).join('')) as Record<string, string>;
    expect(Object.keys(outcomes)).toHaveLength(Object.keys(attempts).length);
    expect(keptIn(outcomes)).toEqual([]);
    expect(ran.log.at(-1)).toBe('undefined');
    expect(await requestsThatGotOut()).toEqual([]);
  });

  test('finds no way out by pictures and video either, which steps of volunteers have', async () => {
    const attempts = { ...ATTEMPTS, ...MOAT_ONLY, ...BY_PICTURES };
    delete attempts['fetch by a constructor'];
    const ran = await runStep(`
      export default async (given, ctx) => {
        ${tryAll(attempts)}
        // A filter is looked up when something is drawn.
        const drawing = new OffscreenCanvas(9, 9).getContext('2d');
        drawing.filter = 'url(' + OUTSIDE + '/filter.svg#a)';
        drawing.font = '9px "x", url(' + OUTSIDE + '/font)';
        drawing.fillText('x', 1, 8);
        const blob = await drawing.canvas.convertToBlob();
        outcomes.drawn = blob.size > 0 ? 'kept in: drawn' : 'nothing drawn';
        const text = JSON.stringify(outcomes);
        for (let at = 0; at < text.length; at += 500) ctx.log(text.slice(at, at + 500));
        ctx.log(typeof globalThis.reached);
      }`);
    expect(ran.error).toBeNull();
    const outcomes = JSON.parse(ran.log.slice(0, -1).join('')) as Record<string, string>;
    expect(Object.keys(outcomes)).toHaveLength(Object.keys(attempts).length + 1);
    expect(keptIn(outcomes)).toEqual([]);
    expect(ran.log.at(-1)).toBe('undefined');
    expect(await requestsThatGotOut()).toEqual([]);
  });

  test('finds pictures only as a step that says so, and nothing else besides', async () => {
    const code = `export default (given, ctx) => {
      const found = [];
      for (let object = globalThis; object && object !== Object.prototype; object = Object.getPrototypeOf(object)) {
        for (const key of Reflect.ownKeys(object)) found.push(String(key));
      }
      ctx.log(found.join(' ').slice(0, 900));
      ctx.log(found.join(' ').slice(900, 1800));
      ctx.log(found.join(' ').slice(1800));
    }`;
    const namesOf = async (browser: boolean) =>
      (await runStep(code, { browser })).log.join('').split(' ').sort();
    const [without, withPictures] = [await namesOf(false), await namesOf(true)];
    const more = withPictures.filter((name) => !without.includes(name));
    expect(without.filter((name) => BROWSER_GLOBALS.includes(name))).toEqual([]);
    expect(more.filter((name) => !BROWSER_GLOBALS.includes(name))).toEqual([]);
    for (const name of ['OffscreenCanvas', 'createImageBitmap', 'Blob', 'ImageData']) {
      expect(more).toContain(name);
    }
  });

  test('finds no way out past the policy alone, were every global still there', async () => {
    const source = `onmessage = async ({ ports }) => {
      ${tryAll(ATTEMPTS)}
      ports[0].postMessage([outcomes, typeof fetch, typeof WebSocket]);
    }`;
    const answer = await page.evaluate(
      (source) => window.sandboxTest.runBehindTheWallOnly(source),
      source,
    );
    const [outcomes, ...types] = answer as [Record<string, string>, string, string];
    // It is the policy that is tested, not the moat.
    expect(types).toEqual(['function', 'function']);
    // The same thread's own blobs are no way out.
    expect(keptIn(outcomes).filter((name) => name !== 'dynamic import of a blob')).toEqual([]);
    expect(await requestsThatGotOut()).toEqual([]);
  });

  test('would get out of an ordinary worker: the attempts are real ones', async () => {
    const source = `onmessage = async ({ ports }) => {
      ${tryAll(ATTEMPTS)}
      ports[0].postMessage(outcomes);
    }`;
    await page.evaluate((source) => window.sandboxTest.runUnprotected(source), source);
    const paths = (await requestsThatGotOut()).map((request) => request.split(' ')[2]);
    for (const path of ['/fetch', '/xhr', '/ws', '/sse', '/import-scripts.js', '/eval-import.js']) {
      expect(paths).toContain(path);
    }
  });

  test('finds only listed names on the global object and its prototypes', async () => {
    const ran = await run(`
      export function map(line, emit, ctx) {
        let object = Object.getPrototypeOf(globalThis);
        const found = [];
        while (object && object !== Object.prototype) {
          for (const key of Reflect.ownKeys(object)) {
            const { value } = Reflect.getOwnPropertyDescriptor(object, key);
            if (typeof value !== 'number') found.push(String(key));
          }
          object = Object.getPrototypeOf(object);
        }
        ctx.log(JSON.stringify(found));
        ctx.log(Object.getOwnPropertyNames(globalThis).filter((name) => /^[a-z]/.test(name)).sort().join(' '));
        emit(line, 1);
      }`);
    const [inherited, own] = ran.log;
    const others = (JSON.parse(inherited ?? '') as string[]).filter(
      (name) => name !== 'Symbol(Symbol.toStringTag)' && !ALLOWED_GLOBALS.includes(name),
    );
    expect(others).toEqual([]);
    expect(own).toBe(
      'console crypto decodeURI decodeURIComponent encodeURI encodeURIComponent escape eval ' +
        'globalThis isFinite isNaN parseFloat parseInt performance undefined unescape',
    );
  });

  test('cannot speak to the host for another task: nothing that it can reach leads to the port', async () => {
    const ran = await run(
      `
      const seen = [];
      const { apply } = Reflect;
      const spy = (object, name) => {
        const original = object[name];
        Object.defineProperty(object, name, { configurable: true, value: function (...args) {
          for (let i = -1; i < args.length; i++) {
            const item = i < 0 ? this : args[i];
            try { if (typeof item.postMessage === 'function') seen[seen.length] = item; } catch {}
          }
          calls++;
          return apply(original, this, args);
        } });
      };
      let calls = 0;
      for (const [object, names] of [
        [Function.prototype, ['call', 'apply', 'bind']], [Reflect, ['apply', 'construct']],
        [Promise.prototype, ['then', 'catch', 'finally']], [Array.prototype, ['push', 'slice', 'map', Symbol.iterator]],
      ]) for (const name of names) spy(object, name);
      export async function map(line, emit, ctx) {
        await null;
        for (const port of seen) port.postMessage({ type: 'mapped', run: 1, ms: 0, result: { ok: true } });
        emit('ports seen', seen.length);
        ctx.log(seen.length, calls > 0);
      }`,
      'a\nb\nc\n',
    );
    expect(ran).toMatchObject({ ok: true, error: null, log: Array(3).fill('0 true') });
    expect(ran.trailer?.recordsIn).toBe(3);
  });

  test('that bends the language it runs in still cannot make the page send nonsense', async () => {
    const ran = await run(`
      export function map(line, emit) {
        Object.prototype.code = 'no such code';
        Array.prototype[Symbol.iterator] = function* () { yield 'forged'; };
        JSON.stringify = () => 'forged';
        Promise.prototype.then = function (resolve) { resolve({ ok: true, digest: 'forged', spill: 1 }); };
        throw new Error('bent');
      }`);
    expect(ran.ok).toBe(false);
    expect(['internal', 'program_threw', 'bad_value', 'deadline']).toContain(ran.error?.code);
  });
});

describe('an honest program', () => {
  const HONEST = `
    export function map(line, emit, ctx) {
      emit(line, [Math.random(), Date.now(), new Date().getHours(), ctx.random()]);
      ctx.log(new URL('http://a/b?c=' + line).searchParams.get('c'));
    }`;

  test('gives the same bytes each time, whatever the clock and the dice', async () => {
    const first = await run(HONEST, 'a\nb\nc\n');
    const second = await run(HONEST, 'a\nb\nc\n');
    expect(first).toMatchObject({ ok: true, log: ['a', 'b', 'c'] });
    expect(first.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(second.digest).toBe(first.digest);
    const other = await run(HONEST, 'a\nb\nd\n');
    expect(other.digest).not.toBe(first.digest);
  });

  test('starts anew with each task in the same worker', async () => {
    const code = `
      let count = 0;
      export function map(line, emit) { emit(line, [++count, Math.random()]); }`;
    const results = await page.evaluate(
      (code) => window.sandboxTest.runTogether([code, code, code]),
      code,
    );
    expect(new Set(results.map(({ digest }) => digest)).size).toBe(1);
  });

  test('gets its input and gives its spill without a copy', async () => {
    const ran = await run(
      'export function map(line, emit) { emit(line, 1) }',
      'x\n'.repeat(10_000),
    );
    expect(ran.inputBytesAfterSending).toBe(0);
    expect(ran.spillBytes).toBeGreaterThan(0);
    expect(ran.trailer).toMatchObject({ recordsIn: 10_000, emitted: 10_000 });
  });

  test('says how far it is', async () => {
    const ran = await run(
      `export function map(line, emit) {
        let x = 0;
        for (let i = 0; i < 1e6; i++) x = (x * 31 + i) | 0;
        emit(String(x), 1);
      }`,
      'x\n'.repeat(600),
    );
    expect(ran.ok).toBe(true);
    expect(ran.fractions.length).toBeGreaterThan(0);
    expect([...ran.fractions].sort((a, b) => a - b)).toEqual(ran.fractions);
  });

  test('reads csv, ndjson and bytes', async () => {
    const csv = await run(
      'export function map(row, emit, ctx) { ctx.log(row.b); emit(row.a, 1) }',
      'a,b\n1,"two, three"\n',
      { format: 'csv' },
    );
    expect(csv).toMatchObject({ ok: true, log: ['two, three'] });
    const ndjson = await run(
      'export function map({ n }, emit, ctx) { ctx.log(n); emit("n", n) }',
      '{"n":7}\n',
      { format: 'ndjson' },
    );
    expect(ndjson).toMatchObject({ ok: true, log: ['7'] });
    const bytes = await run(
      'export function map(bytes, emit, ctx) { ctx.log(bytes.length); emit("n", bytes.length) }',
      'abc',
      { format: 'bytes' },
    );
    expect(bytes).toMatchObject({ ok: true, log: ['3'] });
  });
});

describe('a program that fails', () => {
  test('by throwing is reported with its line and stack', async () => {
    const ran = await run(
      'function deeper(line) {\n  throw new Error("no " + line)\n}\nexport function map(line) {\n  deeper(line)\n}',
    );
    expect(ran.error).toMatchObject({ code: 'program_threw', line: 2, record: 0 });
    expect(ran.error?.message).toContain('no one line');
    expect(ran.error?.stack).toContain('at deeper (program.js:2:');
    expect(ran.error?.stack).toContain('at map (program.js:5:');
  });

  test('at its top level is a bad program', async () => {
    const ran = await run('null.x\nexport function map() {}');
    expect(ran.error).toMatchObject({ code: 'bad_program', line: 1 });
  });

  test('by an endless loop is ended, and the next program runs', async () => {
    const { ended, dead, next } = await page.evaluate(() =>
      window.sandboxTest.runAndTerminate('export function map() { for (;;) {} }', 300),
    );
    expect(ended.error).toMatchObject({ code: 'deadline' });
    expect(ended.ms).toBeLessThan(20_000);
    expect(dead).toBe(true);
    expect(next.ok).toBe(true);
  });

  test('by never answering is ended too', async () => {
    const { ended, next } = await page.evaluate(() =>
      window.sandboxTest.runAndTerminate(
        'export async function map() { await new Promise(() => undefined) }',
        300,
      ),
    );
    expect(ended.error).toMatchObject({ code: 'deadline' });
    expect(next.ok).toBe(true);
  });

  test('by standing still for 30 s is ended by the sandbox itself', async () => {
    const ended = await withClock(async (page) => {
      await page.evaluate(() => window.sandboxTest.run('export function map() {}'));
      const running = page.evaluate((code) => window.sandboxTest.run(code), ENDLESS);
      // In steps: a page that misses many seconds at once takes it that the machine slept.
      return passing(running, async () => {
        const ticked = page.evaluate(() => window.sandboxTest.ticked());
        await page.clock.runFor(4_000);
        await ticked;
      });
    });
    expect(ended.error).toMatchObject({ code: 'deadline' });
    expect(ended.error?.message).toContain('no progress for 30 s');
  });
});

describe('a dry run', () => {
  test('shows what is emitted and what comes out', async () => {
    const answer = await page.evaluate(() =>
      window.sandboxTest.dryRun({
        code: 'export function map(line, emit) { for (const w of line.split(" ")) emit(w, 1) }\nexport const reduce = "sum"',
        params: {},
        input: { kind: 'text', format: 'lines', text: 'a b a\nb a' },
      }),
    );
    expect(answer).toMatchObject({
      ok: true,
      result: {
        recordsIn: 2,
        emitted: 5,
        truncated: false,
        result: [
          { key: 'a', value: 3 },
          { key: 'b', value: 2 },
        ],
        error: null,
      },
    });
  });

  test('takes the first hundred records only', async () => {
    const answer = await page.evaluate(() =>
      window.sandboxTest.dryRun({
        code: 'export function map(n, emit) { emit(String(n), n) }',
        params: {},
        input: { kind: 'integers', from: 5, to: 1_000_000 },
      }),
    );
    expect(answer).toMatchObject({ ok: true, result: { recordsIn: 100, truncated: true } });
  });

  test('names the line of what does not parse, and of what throws', async () => {
    const [unparsed, thrown] = await page.evaluate(async () => {
      const input = { kind: 'text', format: 'lines', text: 'a' } as const;
      const dryRun = (code: string) => window.sandboxTest.dryRun({ code, params: {}, input });
      return [
        await dryRun('export function map( {'),
        await dryRun('export function map() {\n  nothing()\n}'),
      ];
    });
    expect(unparsed).toMatchObject({ ok: false, errors: [{ line: 1 }] });
    expect(thrown).toMatchObject({
      ok: true,
      result: { error: { code: 'program_threw', line: 2 } },
    });
  });

  test('of an endless loop ends after ten seconds and says so', async () => {
    const answer = await withClock(async (page) => {
      const dryRun = (code: string) =>
        page.evaluate((code) => {
          const input = { kind: 'text', format: 'lines', text: 'a' } as const;
          return window.sandboxTest.dryRun({ code, params: {}, input });
        }, code);
      await dryRun('export function map() {}');
      return passing(dryRun(ENDLESS), async () => {
        await pause(200);
        await page.clock.fastForward(10_000);
      });
    });
    expect(answer).toMatchObject({
      ok: true,
      result: { error: { code: 'deadline', message: 'ran longer than 10 s: an endless loop?' } },
    });
  });
});
