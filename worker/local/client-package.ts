// The client as others import it, in dist/: one script that needs no other, and its types. npm runs this before it packs.
import { spawnSync } from 'node:child_process';
import { build as bundle } from 'esbuild';
import { ROOT } from './build.ts';

/** The files that the script is made of. */
export async function buildClient(): Promise<string[]> {
  const { metafile } = await bundle({
    entryPoints: [`${ROOT}shared/client.ts`],
    outfile: `${ROOT}dist/client.js`,
    absWorkingDir: ROOT,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    metafile: true,
  });
  return Object.keys(metafile.inputs);
}

function buildTypes(): void {
  const { status } = spawnSync(
    'tsc',
    ['--project', 'shared/client', '--noEmit', 'false', '--outDir', 'dist'],
    { cwd: ROOT, stdio: 'inherit' },
  );
  if (status !== 0) throw new Error('the types of the client were not made');
}

if (import.meta.main) {
  await buildClient();
  buildTypes();
}
