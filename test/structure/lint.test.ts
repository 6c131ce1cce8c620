// That lint guards a room which was made a minute ago: nothing in its configuration names rooms.
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import { expect, test } from 'vitest';

const eslint = new ESLint({ cwd: fileURLToPath(new URL('../..', import.meta.url)) });

async function rulesBrokenBy(filePath: string, text: string): Promise<(string | null)[]> {
  const [result] = await eslint.lintText(`${text}\n`, { filePath });
  return (result?.messages ?? []).map(({ ruleId }) => ruleId);
}

test(
  'lint knows floors, pure files, contracts and objects in every room',
  { timeout: 60_000 },
  async () => {
    const cases: [path: string, text: string, rules: string[]][] = [
      ['worker/loft/a.ts', "export * from '../log/events.ts';", ['house/floors']],
      ['worker/log/a.ts', "export * from '../schedules/cron.ts';", ['house/floors']],
      ['worker/log/a.ts', "export type { A } from '../schedules/cron.ts';", ['house/floors']],
      ['worker/schedules/a.ts', "export * from '../log/events.ts';", []],
      [
        'web/features/home/A.svelte',
        '<script>import "../../../worker/app.ts";</script>',
        ['house/floors'],
      ],
      ['worker/log/a.edge.ts', "export * from '../catalog/catalog.object.ts';", ['house/floors']],
      ['worker/log/a.edge.ts', "export type * from '../catalog/catalog.object.ts';", []],
      ['worker/log/a.ts', 'export const nowMs = Date.now();', ['no-restricted-syntax']],
      ['worker/log/a.ts', 'export const f = (env: Env) => env;', ['no-restricted-syntax']],
      ['worker/log/a.ts', "export * from 'cloudflare:workers';", ['no-restricted-imports']],
      ['worker/log/a.edge.ts', "export * from 'cloudflare:workers';", []],
      ['shared/sandbox/a.ts', 'export const chance = Math.random();', ['no-restricted-syntax']],
      ['worker/contracts/a.rpc.ts', "export type * from 'zod';", ['no-restricted-imports']],
      ['worker/contracts/a.rpc.ts', "export type * from '../platform/page.ts';", ['house/floors']],
    ];
    for (const [path, text, rules] of cases) {
      expect(await rulesBrokenBy(path, text), `${path}: ${text}`).toEqual(rules);
    }
  },
);
