// `npm run check`: format, lint, types of every part, then the tests. Green before every commit.
import { spawnSync } from 'node:child_process';
import { ROOT } from './build.ts';

const STEPS: [string, string, string[]][] = [
  ['format', 'prettier', ['--check', '.']],
  ['types', 'node', ['worker/local/types.ts']],
  ['lint', 'eslint', ['.', '--max-warnings', '0']],
  ['test', 'node', ['test/run.ts']],
];

for (const [name, command, args] of STEPS) {
  const { status } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) {
    console.error(`check: ${name} failed`);
    process.exit(1);
  }
}
