// `npm run types`: every part is checked by its own tsconfig, so that shared/ is proven to need neither
// DOM nor Cloudflare, and the worker no DOM.
import { spawnSync } from 'node:child_process';
import { buildRuntime, ROOT } from './build.ts';

const PROJECTS = [
  'shared',
  'shared/client',
  'worker',
  'worker/local',
  'test',
  'test/property/log',
  'test/property/platform',
  'test/property/keyed',
  'test/property/dag',
  'test/worker',
];

await buildRuntime();
let failed = false;
const run = (command: string, args: string[]) => {
  console.log(`types: ${command} ${args.join(' ')}`);
  failed = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit' }).status !== 0 || failed;
};
for (const project of PROJECTS) run('tsc', ['--project', `${project}/tsconfig.json`]);
run('svelte-check', ['--workspace', 'web', '--tsconfig', './tsconfig.json', '--fail-on-warnings']);
process.exitCode = failed ? 1 : 0;
