// `npm run build`: first the runtime (it is text inside the worker and inside the page), then the page.
// wrangler runs this before `dev` and `deploy`. A page that is as new as its sources is not built again: while vite
// empties the folder, a local edge that serves from it would have no page.
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build as bundle } from 'esbuild';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Scripts that are carried as text, and the names that they define. */
const RUNTIMES = [
  { entry: 'shared/runtimes/mapreduce', globalName: 'manyhandsRuntime' },
  { entry: 'shared/runtimes/streaming', globalName: 'manyhandsProcessing' },
];

/** Bundles each entry to one script beside it, which defines one name: the entry's exports. */
export async function buildRuntime(): Promise<void> {
  await Promise.all(RUNTIMES.map(({ entry, globalName }) => buildOne(entry, globalName)));
}

async function buildOne(entry: string, globalName: string): Promise<void> {
  const result = await bundle({
    entryPoints: [`${ROOT}${entry}.ts`],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    globalName,
    target: 'es2022',
    legalComments: 'none',
  });
  const text = result.outputFiles[0]?.text ?? '';
  const source =
    `// Made by worker/local/build.ts from ${entry}.ts. A classic script: defines \`${globalName}\`.\n` +
    `export const RUNTIME_SOURCE = ${JSON.stringify(text)};\n`;
  const out = `${ROOT}${entry}.generated.ts`;
  const before = await readFile(out, 'utf8').catch(() => '');
  if (before !== source) await writeFile(out, source);
}

async function buildPage(): Promise<void> {
  const { build } = await import('vite');
  await mkdir(`${ROOT}web/dist`, { recursive: true });
  await build({ configFile: `${ROOT}web/vite.config.ts`, logLevel: 'error' });
}

/** Builds the page when it is missing or older than anything that it is made of. */
export async function buildPageIfStale(): Promise<void> {
  await buildRuntime();
  const built = await modifiedMs(`${ROOT}web/dist/index.html`);
  const sources = await Promise.all([
    newestMs(`${ROOT}web`, new Set(['dist', 'node_modules'])),
    newestMs(`${ROOT}shared`, new Set()),
    modifiedMs(`${ROOT}package-lock.json`),
  ]);
  if (Math.max(...sources) > built) await buildPage();
}

async function newestMs(directory: string, skip: Set<string>): Promise<number> {
  const entries = await readdir(directory, { withFileTypes: true });
  const times = await Promise.all(
    entries
      .filter((entry) => !skip.has(entry.name))
      .map((entry) => {
        const path = `${directory}/${entry.name}`;
        return entry.isDirectory()
          ? Promise.all([newestMs(path, skip), modifiedMs(path)]) // Its own time tells of deleted files.
          : modifiedMs(path);
      }),
  );
  return Math.max(0, ...times.flat());
}

/** 0 for a file that is not there: older than everything. */
const modifiedMs = (path: string) =>
  stat(path).then(
    (file) => file.mtimeMs,
    () => 0,
  );

if (import.meta.main) await buildPageIfStale();
