// What the files of the pages of patterns share: an example is set up through the page, and worked.
import type { Page } from 'playwright-core';
import type { Stream } from '../../shared/schemas/stream.ts';
import type { TestEdge } from './edge.ts';
import type { Look, Visitor } from './visit.ts';

/** Some things are meant to take a while: back-off, windows, jobs at the edge. */
export const PATIENCE = { timeout: 60_000 };

export const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
/** The equation, as it is read out. */
export const books = (page: Page, words: string) =>
  page.getByRole('img', { name: words, exact: true }).waitFor(PATIENCE);
export const eventsIn = ({ partitions }: Stream) =>
  partitions.reduce((sum, { next }) => sum + next, 0);

/** Notes whenever the page shows books that do not balance. Returns how to ask for it. */
export async function watchBooks(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(() => {
    const seen: string[] = [];
    Object.assign(window, { unbalanced: seen });
    new MutationObserver(() => {
      const books = document.querySelector<HTMLElement>('[data-difference]');
      if (books && books.dataset['difference'] !== '0') seen.push(books.ariaLabel ?? '');
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
  });
  return () => page.evaluate(() => (window as unknown as { unbalanced: string[] }).unbalanced);
}

/** The edge is asked for when it is needed: it starts with the file's first test. */
export const patternPages = (edge: Pick<TestEdge, 'client'>, visitor: Visitor) => ({
  processor: (name: string) => edge.client.processors.get(name),
  stream: (name: string) => edge.client.streams.get(name),
  async payloads<Payload>(name: string): Promise<Payload[]> {
    const { events } = await edge.client.streams.events(name, { limit: 1000 });
    return events.map(({ payload }) => payload as Payload);
  },

  looksRight: (screens: [name: string, path: string][], looks?: readonly Look[]) =>
    visitor.looksRight(
      screens.map(([name, path]) => ({ name, path: () => path, ...(looks && { looks }) })),
    ),

  /** Opens a pattern's page and sets its example up. Errors in the console fail the test, also late ones. */
  withExample: (pattern: string, work: (page: Page) => Promise<void>) =>
    visitor.visit(`/patterns/${pattern}`, async (page) => {
      await button(page, 'Set up this example').click();
      await page.getByText('The example is set up').waitFor();
      await work(page);
    }),
});
