// Headless volunteers: each is a browser context of its own (own storage, own process, so another
// volunteer to the lobby) that opens the volunteer page and presses "Start", as a person would.
import type { Browser, BrowserContext, Page } from 'playwright-core';

const OPEN_MAX_MS = 30_000;

export interface LentBrowser {
  context: BrowserContext;
  page: Page;
}

export async function openVolunteer(browser: Browser, url: string): Promise<LentBrowser> {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(OPEN_MAX_MS);
  await page.goto(`${url}/volunteer`);
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  return { context, page };
}
