// The pages of the patterns that keep something by key, as somebody uses them, against a real edge.
import { describe, expect, test } from 'vitest';
import {
  books,
  button,
  eventsIn,
  PATIENCE,
  patternPages,
  watchBooks,
} from '../support/pattern-pages.ts';
import { browserOfFile, edgeOfFile } from '../support/suite.ts';
import { NARROW, takePicture, Visitor, WIDE } from '../support/visit.ts';

const edge = edgeOfFile();
const visitor = new Visitor(await browserOfFile(), edge);
const { looksRight, withExample, processor, stream, payloads } = patternPages(edge, visitor);

test('stateful: a change and a mail in the same moment, and mails while the service is gone', async () => {
  await withExample('stateful', async (page) => {
    const unbalanced = await watchBooks(page);
    const verdicts = (words: string) =>
      page.locator(
        words
          .split(' ')
          .map((word) => `td[data-verdict="${word}"]`)
          .join(', '),
      );
    await button(page, 'Change and send').click();
    // Which of the two mailboxes is a race; that both arrive, and that the page knows where to, is not.
    await expect.poll(() => verdicts('new old').count(), PATIENCE).toBe(2);
    const fromStore = await page.locator('td[data-verdict]').first().getAttribute('data-verdict');
    const [mail] = await payloads<{ to: string }>('sent-from-store');
    const [asked] = await payloads<{ to: string }>('sent-by-asking');
    const changed = await page.getByText(/^now .*@example\.com$/).textContent();
    expect(mail?.to === changed?.slice('now '.length)).toBe(fromStore === 'new');
    expect(await page.locator('td', { hasText: asked?.to ?? '?' }).count()).toBeGreaterThan(0);
    // Sooner or later the store knows, and says so.
    const { items } = await edge.client.processors.states('mail-from-store');
    expect(items).toHaveLength(8);

    await button(page, 'Gone').click();
    await page.getByText('gone: every call fails').waitFor();
    await button(page, 'Only send').click();
    await verdicts('sent').waitFor(PATIENCE);
    expect(await verdicts('underway').count()).toBe(1);
    expect(eventsIn(await stream('sent-by-asking'))).toBe(1);
    await button(page, 'Healthy').click();
    await expect.poll(() => verdicts('sent').count(), PATIENCE).toBe(2);
    expect(eventsIn(await stream('sent-by-asking'))).toBe(2);
    await page.getByText('Up to date: everything that was published is in it.').waitFor();
    expect(await unbalanced()).toEqual([]);
    await takePicture(page, 'stateful');
  });
});

test('join: an upload, its pictures and its clip become one product; what comes again is late', async () => {
  await withExample('join', async (page) => {
    await page.getByLabel('Publish each').selectOption('another id');
    await page.getByLabel('Hold the VideoEncoder back').check();
    await button(page, 'Upload a drawn one').click();
    await page.getByText('1 product waits: 1 for VideoEncoded').waitFor(PATIENCE);
    await button(page, 'Let the encoders go on').click();

    const card = page.getByRole('list', { name: 'Newest products' }).getByRole('listitem');
    const picture = card.getByRole('img');
    await picture.waitFor(PATIENCE);
    await expect
      .poll(() => picture.evaluate((img: HTMLImageElement) => img.complete && img.naturalWidth))
      .toBe(960);
    const clip = card.locator('video');
    await expect
      .poll(() =>
        clip.evaluate((video: HTMLVideoElement) => video.readyState > 1 && video.videoWidth),
      )
      .toBe(640);
    const [product, ...others] = await payloads<{ images: { width: number; bytes: number }[] }>(
      'catalogue',
    );
    expect(others).toEqual([]);
    expect(product?.images.map(({ width }) => width)).toEqual([960, 480, 160]);

    const late = page.getByRole('list', { name: /^Late events of product-creator/ });
    await expect.poll(() => late.getByRole('listitem').count(), PATIENCE).toBe(3);
    expect(eventsIn(await stream('products-late'))).toBe(3);
    expect((await processor('product-creator')).counters).toMatchObject({ fired: 1, late: 3 });
    await takePicture(page, 'join');
  });
});

test('windows: clicks are counted where they happened, and one from the future is late', async () => {
  await withExample('windows', async (page) => {
    await button(page, 'Send 20').click();
    await page.getByRole('img', { name: /^Views by page: 20 clicks/ }).waitFor(PATIENCE);
    await page.getByRole('img', { name: /^Visits: 20 clicks, .*[1-9] open/ }).waitFor(PATIENCE);
    await button(page, 'Send one from the future').click();
    await page.getByText('from the future', { exact: true }).waitFor(PATIENCE);
    await page.getByRole('img', { name: /^Views by page: 21 clicks, .* 1 late/ }).waitFor(PATIENCE);

    await edge.client.processors.drain('views-by-page');
    await page
      .getByRole('img', { name: /windows closed and 0 open, 1 late/ })
      .first()
      .waitFor(PATIENCE);
    const counted = await payloads<{ views: number }>('page-views');
    expect(counted.reduce((sum, { views }) => sum + views, 0)).toBe(20);
    await books(page, '21 came in: 21 done, 0 dead letters, 0 waiting');
  });
});

describe('when everything is set up', () => {
  // One look each: what they share with the other patterns is seen there in both.
  looksRight([['stateful', '/patterns/stateful']], [NARROW]);
  looksRight([['join', '/patterns/join']], [WIDE]);
  looksRight([['windows', '/patterns/windows']], [NARROW]);
});
