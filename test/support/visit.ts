// Visiting a page as a reviewer would: in a colour scheme and a width, listening for errors, with axe.
import { mkdir } from 'node:fs/promises';
import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { ROOT } from '../../worker/local/build.ts';

const PICTURES = `${ROOT}docs/pictures`;
const LOAD_MAX_MS = 20_000;

export interface Look {
  scheme: 'light' | 'dark';
  width: number;
}

export const LOOKS: Look[] = [
  { scheme: 'light', width: 1280 },
  { scheme: 'dark', width: 1280 },
  { scheme: 'light', width: 360 },
  { scheme: 'dark', width: 360 },
];

/** Each scheme and each width once: for the many screens where all four would take the tests too long. */
export const DIAGONAL_LOOKS: Look[] = [
  { scheme: 'light', width: 1280 },
  { scheme: 'dark', width: 360 },
];

export interface Visit {
  context: BrowserContext;
  page: Page;
  /** Console errors, uncaught exceptions and failed requests, as they come. */
  errors: string[];
}

export async function visit(browser: Browser, address: string, look: Look): Promise<Visit> {
  const context = await browser.newContext({
    colorScheme: look.scheme,
    viewport: { width: look.width, height: look.width > 600 ? 900 : 740 },
    reducedMotion: 'reduce', // A colour in the middle of a transition has no contrast to check.
  });
  const page = await context.newPage();
  page.setDefaultTimeout(LOAD_MAX_MS);
  const errors: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(`${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => errors.push(error.stack ?? error.message));
  page.on('requestfailed', (request) => {
    // Leaving a page ends its requests; that is no error.
    const reason = request.failure()?.errorText ?? '';
    if (reason !== 'net::ERR_ABORTED') errors.push(`${request.url()}: ${reason}`);
  });
  await page.goto(address);
  await page.getByRole('heading', { level: 1 }).first().waitFor();
  return { context, page, errors };
}

/** What axe finds, one line a violation. */
export async function violations(page: Page): Promise<string[]> {
  const { violations: found } = await new AxeBuilder({ page }).analyze();
  return found.flatMap(({ id, help, nodes }) =>
    nodes.map((node) => `${id}: ${help}: ${node.target.join(' ')}: ${node.failureSummary ?? ''}`),
  );
}

/** How far the page is wider than the window, in pixels. */
export function overflowPx(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
}

/** Pictures for the README, only when asked: `UPDATE_PICTURES=1 npm test -- e2e pages`. */
export async function takePicture(page: Page, name: string): Promise<void> {
  if (process.env['UPDATE_PICTURES'] !== '1') return;
  await mkdir(PICTURES, { recursive: true });
  await page.screenshot({ path: `${PICTURES}/${name}.png` });
}
