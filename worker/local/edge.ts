// The local edge: the worker bundled by esbuild, run by Miniflare directly. `wrangler dev` puts a second
// workerd in front of the first and answers ten times fewer requests. The bindings come from
// wrangler.toml through wrangler's own reader, so there is one source of truth.
import { createServer } from 'node:net';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build as bundle } from 'esbuild';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import type { V4WorkerOptionsShape } from 'miniflare';
import {
  unstable_getMiniflareWorkerOptions as workerOptionsOf,
  unstable_readConfig,
} from 'wrangler';
import { buildRuntime, ROOT } from './build.ts';
import { objectKeys } from './object-keys.ts';
import { mapStack } from './stack-map.ts';

// wrangler's config reader announces at level "info" that it read .dev.vars.
process.env.WRANGLER_LOG ??= 'warn';

export const DEFAULT_PORT = 8787;
const LOOPBACK = '127.0.0.1';
const PORTS_TRIED_MAX = 20;

export interface EdgeOptions {
  /** 0 or absent: any free port. */
  port?: number;
  /** Where objects, rows and datasets stay. Absent: a temporary directory, removed by `stop`. */
  persistDir?: string;
  /** The secret API_TOKENS. Absent: what .dev.vars says, by default loopback hosts only. */
  apiTokens?: string;
  /** Says only errors. */
  quiet?: boolean;
  /** Absent: bundled anew. */
  bundle?: WorkerBundle;
}

/** The whole worker as one module. */
export interface WorkerBundle {
  code: string;
  sourceMap: string;
}

export interface Edge {
  /** Without a slash at its end. */
  url: string;
  stop(): Promise<void>;
}

export class PortBusyError extends Error {
  readonly port: number;
  constructor(port: number) {
    super(`Port ${port} is in use. Free it, or choose another with --port.`);
    this.name = 'PortBusyError';
    this.port = port;
  }
}

/** Builds the worker (not the page) and serves it. Throws PortBusyError, or esbuild's BuildFailure. */
export async function startEdge(options: EdgeOptions = {}): Promise<Edge> {
  const port = options.port ?? 0;
  if (port !== 0 && !(await isFree(port))) throw new PortBusyError(port);

  const config = readConfig();
  // The published type is an Omit over an index signature, which forgets every property.
  const workerOptions = workerOptionsOf(config).workerOptions as V4WorkerOptionsShape;
  // The assets binding refuses a directory that is not there; without a page the API still serves.
  const directory = workerOptions.assets?.directory;
  if (directory !== undefined) await mkdir(directory, { recursive: true });

  const { code, sourceMap } = options.bundle ?? (await bundleWorker());
  const persistDir = options.persistDir ?? (await mkdtemp(join(tmpdir(), 'manyhands-edge-')));
  await mkdir(persistDir, { recursive: true });

  const quiet = options.quiet ?? false;
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      ...workerOptions,
      rootPath: ROOT,
      modules: [{ type: 'ESModule', path: 'worker.js', contents: code }],
      modulesRoot: ROOT,
      durableObjects: withKeys(workerOptions.durableObjects ?? {}, objectKeys(config.migrations)),
      bindings: {
        ...workerOptions.bindings,
        ...(options.apiTokens === undefined ? {} : { API_TOKENS: options.apiTokens }),
      },
      host: LOOPBACK,
      port,
      cf: false, // The default asks Cloudflare for a sample of `request.cf`.
      resourcePersistencePath: persistDir,
      log: new Log(quiet ? LogLevel.ERROR : LogLevel.WARN),
      logRequests: false,
      handleStructuredLogs: ({ level, message }) => {
        // The runtime's own remarks, about alarms of a server that was stopped: nothing for anybody here.
        if (message.startsWith('NOSENTRY')) return;
        const isError = level === 'error';
        if (isError || !quiet)
          (isError ? console.error : console.log)(mapStack(message, sourceMap));
      },
    }),
  );

  let stopped: Promise<void> | undefined;
  const stop = () =>
    (stopped ??= (async () => {
      await miniflare.dispose();
      if (options.persistDir === undefined) {
        await rm(persistDir, { recursive: true, force: true, maxRetries: 3 });
      }
    })());

  try {
    const { port: boundPort } = await miniflare.ready;
    return { url: `http://${LOOPBACK}:${boundPort}`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** For a person's terminal: a busy port is no reason to stop, the next one will do. */
export async function startEdgeOnFreePort(options: EdgeOptions & { port: number }): Promise<Edge> {
  for (let port = options.port; port < options.port + PORTS_TRIED_MAX; port += 1) {
    try {
      const edge = await startEdge({ ...options, port });
      if (port !== options.port) console.log(`Port ${options.port} is in use; took ${port}.`);
      return edge;
    } catch (error) {
      if (!(error instanceof PortBusyError)) throw error;
    }
  }
  throw new PortBusyError(options.port);
}

const readConfig = () => unstable_readConfig({ config: join(ROOT, 'wrangler.toml') });

/** Each class with the key that its objects are kept under, whatever the class was called before. */
function withKeys(
  objects: NonNullable<V4WorkerOptionsShape['durableObjects']>,
  keys: Map<string, string>,
): typeof objects {
  return Object.fromEntries(
    Object.entries(objects).map(([binding, given]) => {
      const object = typeof given === 'string' ? { className: given } : given;
      const unsafeUniqueKey = keys.get(object.className);
      if (unsafeUniqueKey === undefined) {
        throw new Error(`no migration in wrangler.toml makes ${object.className}`);
      }
      return [binding, { ...object, unsafeUniqueKey }];
    }),
  );
}

/** Bundles the runtimes and the worker around them. Throws esbuild's BuildFailure. */
export async function bundleWorker(): Promise<WorkerBundle> {
  const { main } = workerOptionsOf(readConfig());
  if (main === undefined) throw new Error('wrangler.toml names no main');
  await buildRuntime();
  const result = await bundle({
    entryPoints: [main],
    outfile: 'worker.js',
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    mainFields: ['module', 'main'],
    external: ['cloudflare:*', 'node:*'],
    sourcemap: 'external',
    sourceRoot: ROOT,
    absWorkingDir: ROOT,
    logLevel: 'silent', // BuildFailure carries the messages.
  });
  const textOf = (ending: string) =>
    result.outputFiles.find((file) => file.path.endsWith(ending))?.text ?? '';
  return { code: textOf('worker.js'), sourceMap: textOf('worker.js.map') };
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
      else reject(error);
    });
    probe.listen({ port, host: LOOPBACK, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
