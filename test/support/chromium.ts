// Chromium for the tests: the one of this machine, or installed where that is possible without asking
// (apt as root, else Playwright's own download), or an error that says how to get one.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Browser } from 'playwright-core';
import { findChromium, launchChromiumAt } from '../../worker/local/chromium.ts';

const INSTALL_MAX_MS = 10 * 60_000;

/** The path of a Chromium. Installs one if there is none; throws when that fails too. */
export function ensureChromium(): string {
  const found = findChromium();
  if (found !== undefined) return found;
  if (process.env['CHROME_PATH']) {
    throw new Error(`CHROME_PATH names ${process.env['CHROME_PATH']}, which is not there.`);
  }
  const installed = installByApt() ?? installByPlaywright();
  if (installed !== undefined) return installed;
  throw new Error(
    'The e2e tests need Chromium or Chrome, and none could be installed. Install one ' +
      '(Debian: apt-get install chromium; macOS: brew install --cask chromium; any system: ' +
      'npx playwright-core install --with-deps chromium), or set CHROME_PATH to one.',
  );
}

export async function launchChromium(): Promise<Browser> {
  return launchChromiumAt(ensureChromium());
}

function installByApt(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  console.log('No Chromium found; installing it with apt-get.');
  const run = (...args: string[]) =>
    spawnSync('apt-get', args, {
      // Standard output is kept for the count of the tests.
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      timeout: INSTALL_MAX_MS,
    }).status === 0;
  const done = run('update') && run('install', '-y', '--no-install-recommends', 'chromium');
  return done ? findChromium() : undefined;
}

function installByPlaywright(): string | undefined {
  console.log("No Chromium found; trying Playwright's own download.");
  const cli = join(
    dirname(createRequire(import.meta.url).resolve('playwright-core/package.json')),
    'cli.js',
  );
  const { status } = spawnSync(process.execPath, [cli, 'install', 'chromium'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: INSTALL_MAX_MS,
  });
  return status === 0 ? findChromium() : undefined;
}
