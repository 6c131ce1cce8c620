// The page of the sandbox test: the volunteer's own sandbox, driven from outside through `window.sandboxTest`.
// Bundled for the browser by sandbox-page.ts.
import { compileStep } from '../../shared/dag/program.ts';
import { compileProgram } from '../../shared/mapreduce/program.ts';
import { withMember } from '../../shared/sandbox/program-text.ts';
import type { MapPlan, MapTask } from '../../shared/mapreduce/task.ts';
import { dryRun } from '../../web/volunteer/dry-run.ts';
import type { FromFrame } from '../../web/volunteer/sandbox-messages.ts';
import { frameDocument } from '../../web/volunteer/sandbox-source.ts';
import type { SandboxWorker } from '../../web/volunteer/framed-worker.ts';
import { openSandbox, type Sandbox } from '../../web/volunteer/sandbox.ts';

const PLAN: MapPlan = {
  job: 'job-1',
  name: 'test',
  programHash: 'a'.repeat(64),
  format: 'lines',
  gzip: false,
  partitions: 2,
  params: {},
  skipBadRecords: 0,
  csvHeader: null,
  nowMs: Date.UTC(2026, 10, 24),
};

let sandbox: Promise<Sandbox> | null = null;
const open = () => (sandbox ??= openSandbox({ onTick: () => onTick() }));

let onTick = (): void => undefined;
/** Resolves when the sandbox next says that it is alive. */
const ticked = () => new Promise<void>((resolve) => (onTick = resolve));

function mapText(code: string): string {
  const compiled = compileProgram(code);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
  return compiled.program.text;
}

/** With `plan.step` the code is a step's. */
function stepText(code: string): string {
  const compiled = compileStep(code);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
  return withMember(compiled.text, `given: ${JSON.stringify('{"input":null,"steps":{}}')}`);
}

function runOf(code: string, input: string, plan: Partial<MapPlan>) {
  const programText = plan.step ? stepText(code) : mapText(code);
  const bytes = new TextEncoder().encode(input);
  const task: MapTask = { task: 0, split: { kind: 'bytes', start: 0, end: bytes.length } };
  return {
    plan: { ...PLAN, ...plan },
    programText,
    task,
    input: bytes,
  };
}

async function ranOf(worker: SandboxWorker, code: string, input: string, plan: Partial<MapPlan>) {
  const run = runOf(code, input, plan);
  const fractions: number[] = [];
  const running = worker.run(run, { onProgress: (fraction) => void fractions.push(fraction) });
  const inputBytesAfterSending = run.input.byteLength;
  const ran = await running;
  return {
    ok: ran.ok,
    ms: ran.ms,
    log: ran.log,
    fractions,
    inputBytesAfterSending,
    digest: ran.ok ? ran.digest : null,
    spillBytes: ran.ok ? ran.spill.byteLength : null,
    trailer: ran.ok ? ran.trailer : null,
    error: ran.ok ? null : ran.error,
  };
}

/** Runs `code` over `input` in a fresh worker. */
async function run(code: string, input = 'one line\n', plan: Partial<MapPlan> = {}) {
  const worker = await (await open()).worker();
  try {
    return await ranOf(worker, code, input, plan);
  } finally {
    worker.terminate();
  }
}

/** Runs the programs one after the other in one worker. */
async function runTogether(codes: string[]) {
  const worker = await (await open()).worker();
  try {
    const results = [];
    for (const code of codes) results.push(await ranOf(worker, code, 'one line\n', {}));
    return results;
  } finally {
    worker.terminate();
  }
}

/** Starts `code`, ends it `afterMs` later, and shows that the sandbox still works. */
async function runAndTerminate(code: string, afterMs: number) {
  const worker = await (await open()).worker();
  const running = ranOf(worker, code, 'one line\n', {});
  setTimeout(() => worker.terminate({ code: 'deadline', message: 'ended by the test' }), afterMs);
  const ended = await running;
  return {
    ended,
    dead: worker.dead,
    next: await run('export function map(l, emit) { emit(l, 1) }'),
  };
}

/**
 * The frame without the glue's precautions: `source` runs in a worker of its own, with every global that the
 * browser gives, and answers on its port. Shows what the policy alone keeps in.
 */
async function runBehindTheWallOnly(source: string): Promise<unknown> {
  const frame = document.createElement('iframe');
  frame.setAttribute('sandbox', 'allow-scripts');
  frame.srcdoc = frameDocument('0123456789abcdef');
  const control = new MessageChannel();
  const worker = new MessageChannel();
  frame.addEventListener('load', () =>
    frame.contentWindow?.postMessage(source, '*', [control.port2]),
  );
  try {
    return await new Promise((resolve, reject) => {
      control.port1.onmessage = ({ data }: MessageEvent<FromFrame>) => {
        if (data.type === 'open') {
          control.port1.postMessage({ type: 'spawn', worker: 0 }, [worker.port2]);
        } else if (data.type === 'broke') reject(new Error(data.message));
      };
      worker.port1.onmessage = ({ data }) => resolve(data);
      document.body.append(frame);
    });
  } finally {
    frame.remove();
  }
}

/** The same in a worker of the page itself, without any sandbox. */
async function runUnprotected(source: string): Promise<unknown> {
  const worker = new Worker(URL.createObjectURL(new Blob([source])));
  const { port1, port2 } = new MessageChannel();
  try {
    return await new Promise((resolve, reject) => {
      port1.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(null, [port2]);
    });
  } finally {
    worker.terminate();
  }
}

const sandboxTest = {
  run,
  runTogether,
  runAndTerminate,
  runBehindTheWallOnly,
  runUnprotected,
  dryRun,
  ticked,
};
export type SandboxTest = typeof sandboxTest;

declare global {
  interface Window {
    sandboxTest: SandboxTest;
  }
}
window.sandboxTest = sandboxTest;
