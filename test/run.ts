// `npm test`: builds what the tests run against, then all layers (unit, worker, e2e). The last line is
// always the count. `npm test -- unit` runs one layer; other arguments go to vitest.
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPageIfStale, buildRuntime, ROOT } from '../worker/local/build.ts';
import { ensureChromium } from './support/chromium.ts';
import { countTests } from './support/count.ts';
import type { Count, VitestReport } from './support/count.ts';

const LAYERS = ['unit', 'worker', 'e2e'];

const given = process.argv.slice(2);
const layers = given.filter((argument) => LAYERS.includes(argument));
const passedThrough = given.filter((argument) => !LAYERS.includes(argument));

let count: Count;
try {
  count = await runTests();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  count = { passed: 0, failed: 1, skipped: 0 };
}
process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0;
const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
console.log(`${count.passed} passed, ${count.failed} failed${skipped}`);

async function runTests(): Promise<Count> {
  const environment = { ...process.env, WRANGLER_SEND_METRICS: 'false' };
  await buildRuntime();
  await mkdir(`${ROOT}web/dist`, { recursive: true });
  if (layers.length === 0 || layers.includes('e2e')) {
    await buildPageIfStale();
    ensureChromium();
  }

  const folder = await mkdtemp(join(tmpdir(), 'manyhands-test-'));
  try {
    const reportFile = join(folder, 'report.json');
    const { status, signal } = spawnSync(
      process.execPath,
      [
        join(ROOT, 'node_modules/vitest/vitest.mjs'),
        'run',
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${reportFile}`,
        '--allowOnly=false',
        ...layers.flatMap((layer) => ['--project', layer]),
        ...passedThrough,
      ],
      { cwd: ROOT, stdio: 'inherit', env: environment },
    );
    const report = await readFile(reportFile, 'utf8').catch(() => {
      throw new Error(`vitest ended with ${signal ?? `status ${status}`} before it had a report`);
    });
    return countTests(JSON.parse(report) as VitestReport, status === 0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
