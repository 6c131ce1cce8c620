// A Chromium or Chrome on this machine, for the demo, the e2e tests and the benchmark: found, never
// downloaded here. These browsers open the local edge only, hence no sandbox (root has none anyway).
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';
import type { Browser, BrowserServer } from 'playwright-core';

const COMMANDS = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  'chrome',
  'microsoft-edge',
  'brave-browser',
];

const MAC_APPS = [
  'Google Chrome.app/Contents/MacOS/Google Chrome',
  'Chromium.app/Contents/MacOS/Chromium',
  'Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
  'Brave Browser.app/Contents/MacOS/Brave Browser',
];

const WINDOWS_PROGRAMS = [
  'Google\\Chrome\\Application\\chrome.exe',
  'Chromium\\Application\\chrome.exe',
  'Microsoft\\Edge\\Application\\msedge.exe',
];

/** Headless, in a container, as root, offline: nothing of it may call home or wait for a GPU. */
const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  // /dev/shm is 64 MB in most containers.
  '--disable-dev-shm-usage',
];

/** CHROME_PATH, the usual places of this system, then Playwright's own download. */
export function findChromium(
  env: NodeJS.ProcessEnv = process.env,
  exists: (path: string) => boolean = existsSync,
  platform: NodeJS.Platform = process.platform,
): string | undefined {
  const chosen = env['CHROME_PATH'];
  if (chosen) return exists(chosen) ? chosen : undefined;
  return candidates(env, platform).find(exists);
}

function candidates(env: NodeJS.ProcessEnv, platform: NodeJS.Platform): string[] {
  const own = chromium.executablePath();
  if (platform === 'darwin') {
    const folders = ['/Applications', join(env['HOME'] ?? '', 'Applications')];
    return [...folders.flatMap((folder) => MAC_APPS.map((app) => join(folder, app))), own];
  }
  if (platform === 'win32') {
    const folders = [env['ProgramFiles'], env['ProgramFiles(x86)'], env['LOCALAPPDATA']];
    return [
      ...folders.flatMap((folder) =>
        folder === undefined ? [] : WINDOWS_PROGRAMS.map((program) => `${folder}\\${program}`),
      ),
      own,
    ];
  }
  const folders = (env['PATH'] ?? '').split(delimiter).filter(Boolean);
  return [
    ...COMMANDS.flatMap((command) => folders.map((folder) => join(folder, command))),
    '/snap/bin/chromium',
    own,
  ];
}

export function launchChromiumAt(executablePath: string): Promise<Browser> {
  return chromium.launch(launchOptions(executablePath));
}

/** For several processes: each connects to `wsEndpoint()`, and its contexts end with its connection. */
export function serveChromiumAt(executablePath: string): Promise<BrowserServer> {
  return chromium.launchServer(launchOptions(executablePath));
}

// Signals are the command's own affair (shutdown.ts): Playwright would end the process before the edge.
const launchOptions = (executablePath: string) => ({
  executablePath,
  args: FLAGS,
  headless: true,
  handleSIGINT: false,
  handleSIGTERM: false,
  handleSIGHUP: false,
});
