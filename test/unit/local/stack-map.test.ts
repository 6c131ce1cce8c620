// An error of the local edge names the source's own file and line.
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { ROOT } from '../../../worker/local/build.ts';
import { mapStack } from '../../../worker/local/stack-map.ts';

async function bundleOf(contents: string) {
  const { outputFiles } = await build({
    stdin: { contents, sourcefile: 'worker/example.ts', loader: 'ts', resolveDir: ROOT },
    outfile: 'worker.js',
    bundle: true,
    write: false,
    format: 'esm',
    sourcemap: 'external',
    sourceRoot: ROOT,
    absWorkingDir: ROOT,
  });
  const ending = (text: string) => outputFiles.find(({ path }) => path.endsWith(text))?.text ?? '';
  return { code: ending('worker.js'), sourceMap: ending('worker.js.map') };
}

test('a position in the bundle becomes the position in the source', async () => {
  const { code, sourceMap } = await bundleOf(
    'interface Gone { a: 1 }\n\nexport function fail(): never {\n  throw new Error("no");\n}\n',
  );
  const line = code.split('\n').findIndex((text) => text.includes('throw new Error'));
  const column = (code.split('\n')[line] ?? '').indexOf('new Error');
  const stack = `Error: no\n    at fail (file:///worker.js:${line + 1}:${column + 1})`;
  expect(mapStack(stack, sourceMap)).toBe('Error: no\n    at fail (worker/example.ts:4:9)');
});

test('text without a position of the bundle stays as it is', async () => {
  const { sourceMap } = await bundleOf('export {}');
  expect(mapStack('12 tasks in worker.js', sourceMap)).toBe('12 tasks in worker.js');
  expect(mapStack('at worker.js:999999:1', sourceMap)).toBe('at worker.js:999999:1');
});
