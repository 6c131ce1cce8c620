// Finding a browser on systems that this test does not run on.
import { expect, test } from 'vitest';
import { findChromium } from '../../../worker/local/chromium.ts';

const only = (path: string) => (candidate: string) => candidate === path;

test('CHROME_PATH wins', () => {
  expect(findChromium({ CHROME_PATH: '/opt/c', PATH: '/usr/bin' }, () => true, 'linux')).toBe(
    '/opt/c',
  );
});

test('a CHROME_PATH that is not there is not replaced by another browser', () => {
  const exists = only('/usr/bin/chromium');
  expect(findChromium({ CHROME_PATH: '/opt/c', PATH: '/usr/bin' }, exists, 'linux')).toBe(
    undefined,
  );
});

test.each([
  ['linux', '/usr/local/bin/google-chrome-stable'],
  ['darwin', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'],
  ['darwin', '/Users/me/Applications/Chromium.app/Contents/MacOS/Chromium'],
  ['win32', 'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe'],
] as const)('on %s it finds %s', (platform, path) => {
  const env = {
    PATH: '/usr/bin:/usr/local/bin',
    HOME: '/Users/me',
    ProgramFiles: 'C:\\Program Files',
  };
  expect(findChromium(env, only(path), platform)).toBe(path);
});

test('nothing found is undefined, not a guess', () => {
  expect(findChromium({ PATH: '/usr/bin' }, () => false, 'linux')).toBe(undefined);
});
