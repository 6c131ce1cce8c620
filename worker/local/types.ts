// `npm run types`: every part is checked by its own tsconfig, so that shared/ is proven to need neither
// DOM nor Cloudflare, and the worker no DOM.
import { buildRuntime } from './build.ts';
import { runSteps } from './steps.ts';
import type { Step } from './steps.ts';

const svelteCheck = ['--workspace', 'web', '--tsconfig', './tsconfig.json', '--fail-on-warnings'];
const typesOf = (project: string): Step => ({
  name: `types of ${project}`,
  command: 'tsc',
  args: ['--project', `${project}/tsconfig.json`],
});

/** They need the built runtime. */
export const TYPE_STEPS: readonly Step[] = [
  { name: 'types of web', command: 'svelte-check', args: svelteCheck },
  ...[
    'test',
    'test/worker',
    'test/property',
    'worker',
    'worker/local',
    'shared',
    'shared/client',
  ].map(typesOf),
];

if (import.meta.main) {
  await buildRuntime();
  process.exitCode = (await runSteps(TYPE_STEPS)) ? 0 : 1;
}
