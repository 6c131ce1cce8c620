// Headless volunteers: each is a browser context of its own (own storage, own process, so another
// volunteer to the lobby) that opens the volunteer page and presses "Start", as a person would.
import type { Browser, BrowserContext, Page } from 'playwright-core';

const OPEN_MAX_MS = 30_000;
const SMALL = { width: 480, height: 360 };

export interface LentBrowser {
  context: BrowserContext;
  page: Page;
}

export async function openVolunteer(browser: Browser, url: string): Promise<LentBrowser> {
  const lent = await openVolunteerPage(browser, url);
  await startLending(lent);
  return lent;
}

/** `machineCores`: what the page is told of this machine; by itself it lends all of them but one. */
export async function openVolunteerPage(
  browser: Browser,
  url: string,
  machineCores?: number,
): Promise<LentBrowser> {
  // A headless page is not looked at: what it does not animate or paint is left for computing.
  const context = await browser.newContext({ reducedMotion: 'reduce', viewport: SMALL });
  if (machineCores !== undefined) {
    await context.addInitScript((cores) => {
      Object.defineProperty(navigator, 'hardwareConcurrency', { get: () => cores });
    }, machineCores);
  }
  const page = await context.newPage();
  page.setDefaultTimeout(OPEN_MAX_MS);
  await page.goto(`${url}/volunteer`);
  return { context, page };
}

export async function startLending({ page }: LentBrowser): Promise<void> {
  await page.getByRole('button', { name: 'Start', exact: true }).click();
}
