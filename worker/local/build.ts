// `npm run build`: first the runtime (it is text inside the worker and inside the page), then the page.
// wrangler runs this before `dev` and `deploy`; the other local commands call `buildRuntime`/`buildAll`.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build as bundle } from 'esbuild';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const RUNTIME_ENTRY = `${ROOT}shared/mapreduce/runtime.ts`;
const RUNTIME_OUT = `${ROOT}shared/mapreduce/runtime.generated.ts`;

/** Bundles shared/mapreduce/runtime.ts to one script, an expression whose value is the runtime's exports. */
export async function buildRuntime(): Promise<void> {
  const result = await bundle({
    entryPoints: [RUNTIME_ENTRY],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    globalName: 'manyhandsRuntime',
    target: 'es2022',
    legalComments: 'none',
  });
  const text = result.outputFiles[0]?.text ?? '';
  const source =
    '// Made by worker/local/build.ts from runtime.ts. A classic script: defines `manyhandsRuntime`.\n' +
    `export const RUNTIME_SOURCE = ${JSON.stringify(text)};\n`;
  const before = await readFile(RUNTIME_OUT, 'utf8').catch(() => '');
  if (before !== source) await writeFile(RUNTIME_OUT, source);
}

export async function buildPage(): Promise<void> {
  const { build } = await import('vite');
  await mkdir(`${ROOT}web/dist`, { recursive: true });
  await build({ configFile: `${ROOT}web/vite.config.ts`, logLevel: 'warn' });
}

export async function buildAll(): Promise<void> {
  await buildRuntime();
  await buildPage();
}

if (import.meta.main) await buildAll();
