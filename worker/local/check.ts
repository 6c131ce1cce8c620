// `npm run check`: lint, types of every part, format and a deployment that is not sent, then the tests. Green before
// every commit. `npm run check -- static` leaves the tests out.
import { spawnSync } from 'node:child_process';
import { buildRuntime, ROOT } from './build.ts';
import { runSteps } from './steps.ts';
import { TYPE_STEPS } from './types.ts';

await buildRuntime();
const fine = await runSteps([
  { name: 'lint', command: 'eslint', args: ['.', '--max-warnings', '0'] },
  ...TYPE_STEPS,
  { name: 'format', command: 'prettier', args: ['--check', '.'] },
  { name: 'deployment, not sent', command: 'wrangler', args: ['deploy', '--dry-run'] },
]);
process.exitCode = fine ? 0 : 1;
if (fine && !process.argv.includes('static')) {
  const { status } = spawnSync('node', ['test/run.ts'], { cwd: ROOT, stdio: 'inherit' });
  process.exitCode = status ?? 1;
}
