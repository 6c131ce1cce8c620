// Visiting a page as a reviewer would: in a colour scheme and a width, listening for errors, with axe. A screen is
// loaded once and then looked at in every scheme and width.
import { mkdir } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import axe from 'axe-core';
import type { RunOptions } from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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

export const WIDE = { scheme: 'light', width: 1280 } as const satisfies Look;
export const NARROW = { scheme: 'dark', width: 360 } as const satisfies Look;

/** Each scheme and each width once: for the many screens where all four would take the tests too long. */
export const DIAGONAL_LOOKS: Look[] = [WIDE, NARROW];

interface Visit {
  context: BrowserContext;
  page: Page;
  /** Console errors, uncaught exceptions and failed requests, as they come. */
  errors: string[];
}

/** A screen to look at. */
export interface Screen {
  name: string;
  path: () => string;
  /** Waits until what is to be looked at is there. Absent: until nothing is loading. */
  ready?: (page: Page) => Promise<void>;
  looks?: readonly Look[];
  /** An error that belongs to the screen. */
  expectedError?: string;
}

/** Visits to the pages of an edge. */
export class Visitor {
  readonly #browser: Browser;
  readonly #edge: { readonly url: string };

  constructor(browser: Browser, edge: { readonly url: string }) {
    this.#browser = browser;
    this.#edge = edge;
  }

  /** A visit during which the page must not complain; `act` may take out the errors that it provokes. */
  async visit(
    path: string,
    act: (page: Page, errors: string[]) => Promise<void>,
    look: Look = WIDE,
  ): Promise<void> {
    const { context, page, errors } = await this.#open(path, look);
    try {
      await act(page, errors);
      expect(errors).toEqual([]);
    } finally {
      await context.close();
    }
  }

  /** Defines tests, one for each look at each screen: no error, nothing that axe finds, nothing wider than the window. */
  looksRight(screens: readonly Screen[]): void {
    describe.each(screens)(
      '$name',
      ({ path, ready = settled, looks = DIAGONAL_LOOKS, expectedError }) => {
        const seen: Look[] = [];
        let visit: Visit;
        beforeAll(async () => {
          visit = await this.#open(path(), looks[0] ?? WIDE);
          await ready(visit.page);
        });
        afterAll(() => visit?.context.close());
        test.each(looks)('$scheme at $width px', async (look) => {
          const { page, errors } = visit;
          await show(page, look);
          // Only colours differ between the schemes.
          const layoutSeen = seen.some(({ width }) => width === look.width);
          seen.push(look);
          expect(await violations(page, layoutSeen ? ['color-contrast'] : undefined)).toEqual([]);
          await expectNoOverflow(page);
          expect(
            errors.filter((error) => !expectedError || !error.includes(expectedError)),
          ).toEqual([]);
        });
      },
    );
  }

  async #open(path: string, look: Look): Promise<Visit> {
    const context = await this.#browser.newContext({
      reducedMotion: 'reduce', // A colour in the middle of a transition has no contrast to check.
    });
    const page = await context.newPage();
    page.setDefaultTimeout(LOAD_MAX_MS);
    await show(page, look);
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
    await page.goto(this.#edge.url + path);
    await page.getByRole('heading', { level: 1 }).first().waitFor();
    return { context, page, errors };
  }
}

async function show(page: Page, { scheme, width }: Look): Promise<void> {
  await page.evaluate(() => {
    // A colour on its way to another one has no contrast to check.
    const still = new CSSStyleSheet();
    still.replaceSync('*, *::before, *::after { transition: none !important; }');
    document.adoptedStyleSheets = [still];
  });
  await page.emulateMedia({ colorScheme: scheme });
  await page.setViewportSize({ width, height: width > 600 ? 900 : 740 });
}

/** Nothing on the page says that it is still loading. */
export async function settled(page: Page): Promise<void> {
  await page.locator('.spinner').first().waitFor({ state: 'detached' });
}

/** Axe finds nothing, and nothing is wider than the window. */
export async function expectFit(page: Page): Promise<void> {
  expect(await violations(page)).toEqual([]);
  await expectNoOverflow(page);
}

/** Charts follow the window's width a moment later. */
const expectNoOverflow = (page: Page) => expect.poll(() => overflowPx(page)).toBeLessThanOrEqual(0);

/** What axe finds, one line for each violation. Without rules: all of axe's. */
async function violations(page: Page, rules?: string[]): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source);
  const options: RunOptions = { resultTypes: ['violations'], ...(rules && { runOnly: rules }) };
  const found = await page.evaluate(async (options) => {
    const { violations } = await (window as unknown as { axe: typeof axe }).axe.run(options);
    return violations.map(({ id, help, nodes }) => ({
      rule: `${id}: ${help}`,
      nodes: nodes.map(({ target, failureSummary }) => `${target.join(' ')}: ${failureSummary}`),
    }));
  }, options);
  return found.flatMap(({ rule, nodes }) => nodes.map((node) => `${rule}: ${node}`));
}

/** How far the page is wider than the window, in pixels. */
function overflowPx(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
}

/** Pictures for the README, only when asked: `UPDATE_PICTURES=1 npm test -- e2e pages`. */
export async function takePicture(page: Page, name: string): Promise<void> {
  if (process.env['UPDATE_PICTURES'] !== '1') return;
  await mkdir(PICTURES, { recursive: true });
  await page.screenshot({ path: `${PICTURES}/${name}.png` });
}

/** The text of the file that the page saves when `act` is done to it. */
export async function savedText(page: Page, act: () => Promise<void>): Promise<string> {
  const [saved] = await Promise.all([page.waitForEvent('download'), act()]);
  return text(await saved.createReadStream());
}
