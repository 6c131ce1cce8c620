// The pages of patterns and schedules, as somebody uses them: each example is set up, worked and broken through the
// page against a real edge, and what the page says is compared with what the edge says. Every page in both colour
// schemes and at both ends of width, empty and full.
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import type { Stream } from '../../shared/schemas/stream.ts';
import { browserOfFile, edgeOfFile } from '../support/suite.ts';
import { NARROW, takePicture, Visitor, WIDE } from '../support/visit.ts';
import type { Look } from '../support/visit.ts';

/** Some things are meant to take a while: back-off, windows, jobs at the edge. */
const PATIENCE = { timeout: 60_000 };

const edge = edgeOfFile();
const visitor = new Visitor(await browserOfFile(), edge);

const looksRight = (screens: [name: string, path: string][], looks?: readonly Look[]) =>
  visitor.looksRight(
    screens.map(([name, path]) => ({ name, path: () => path, ...(looks && { looks }) })),
  );

/** Opens a pattern's page and sets its example up. Errors in the console fail the test, also late ones. */
async function withExample(pattern: string, work: (page: Page) => Promise<void>): Promise<void> {
  await visitor.visit(`/patterns/${pattern}`, async (page) => {
    await button(page, 'Set up this example').click();
    await page.getByText('The example is set up').waitFor();
    await work(page);
  });
}

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
/** The equation, as it is read out. */
const books = (page: Page, words: string) =>
  page.getByRole('img', { name: words, exact: true }).waitFor(PATIENCE);
const processor = (name: string) => edge.client.processors.get(name);
const stream = (name: string) => edge.client.streams.get(name);
const eventsIn = ({ partitions }: Stream) => partitions.reduce((sum, { next }) => sum + next, 0);

/** Notes whenever the page shows books that do not balance. Returns how to ask for it. */
async function watchBooks(page: Page): Promise<() => Promise<string[]>> {
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

describe('before anything is set up', () => {
  looksRight([
    ['patterns', '/patterns'],
    ['stateless', '/patterns/stateless'],
    ['mapreduce', '/patterns/mapreduce'],
    ['no such pattern', '/patterns/nothing'],
    ['schedules', '/schedules'],
    ['new schedule', '/schedules/new'],
  ]);
});

test('stateless: with the service gone nothing is lost, and a redrive brings it back', async () => {
  await withExample('stateless', async (page) => {
    const unbalanced = await watchBooks(page);
    await button(page, 'Send 100').click();
    await books(page, '100 came in: 100 done, 0 dead letters, 0 waiting');
    expect(eventsIn(await stream('emails'))).toBe(100);

    await button(page, 'Gone').click();
    await page.getByText('gone: every call fails').waitFor();
    await button(page, 'Send 1 MailEvent').click();
    await books(page, '101 came in: 100 done, 1 dead letters, 0 waiting');
    await page.getByText(/service users answered 503/).waitFor();
    await takePicture(page, 'stateless');
    expect((await processor('mailer')).counters.retried).toBeGreaterThan(0);

    await button(page, 'Healthy').click();
    await page.getByText('healthy', { exact: true }).waitFor();
    await button(page, 'Redrive all').click();
    await books(page, '101 came in: 101 done, 0 dead letters, 0 waiting');
    expect(eventsIn(await stream('emails'))).toBe(101);
    expect(await unbalanced()).toEqual([]);
  });
});

test('setting an example up again changes nothing of what is there', async () => {
  await visitor.visit('/patterns/stateless', async (page) => {
    const before = await processor('mailer');
    await page.getByText('The example is set up').click();
    await button(page, 'Set up again').click();
    await page.getByText('What this page asked of the edge').waitFor();
    await page.locator('button:not([disabled])', { hasText: 'Set up again' }).waitFor();
    const after = await processor('mailer');
    expect(after.version).toBe(before.version);
    expect(after.counters).toEqual(before.counters);
  });
});

test('batching: windows fire by events and when they are closed; a job runs over a window', async () => {
  await withExample('batching', async (page) => {
    const fired = page.getByRole('list', { name: /^Windows of summary/ });
    await button(page, 'Send 50: enough events').click();
    await fired.getByText('events', { exact: true }).waitFor(PATIENCE);
    await button(page, 'Send 10 readings').click();
    await page.getByText('10 of 50', { exact: true }).waitFor();
    await button(page, 'Close it now').click();
    await fired.getByText('drained').waitFor(PATIENCE);

    for (let sent = 60; sent < 200; sent += 50) {
      await button(page, 'Send 50: enough events').click();
      await page
        .getByText(`${eventsIn(await stream('readings'))} events`)
        .first()
        .waitFor();
    }
    await page.getByRole('link', { name: 'job done' }).waitFor(PATIENCE);

    const { items } = await edge.client.processors.batches('histogram');
    const first = items.at(-1);
    expect(first).toMatchObject({ reason: 'events', events: 200, state: 'done' });
    expect((await edge.client.jobs.mapReduce(first?.job ?? '')).counters.recordsIn).toBe(200);
    const { items: windows } = await edge.client.processors.batches('summary');
    expect(windows.map(({ reason }) => reason).slice(-2)).toEqual(['drain', 'events']);
    const summed = await allEvents('summaries');
    const counted = summed.filter(({ payload }) => payload.firedBy !== 'time');
    expect(counted.reduce((sum, { payload }) => sum + payload.count, 0)).toBeGreaterThanOrEqual(60);
  });
});

async function allEvents(name: string): Promise<{ payload: { firedBy: string; count: number } }[]> {
  const { events } = await edge.client.streams.events(name, { limit: 1000 });
  return events as unknown as { payload: { firedBy: string; count: number } }[];
}

test('kappa: the day is replayed as a job, and better code takes over by a replay', async () => {
  await withExample('kappa', async (page) => {
    await button(page, 'Place 200').click();
    await books(page, '200 came in: 200 done, 0 dead letters, 0 waiting');
    await button(page, 'Run the replay now').click();
    await page.getByLabel('Revenue by category').getByText('kitchen').waitFor(PATIENCE);
    const { runs } = await edge.client.schedules.get('dashboard');
    expect(runs).toMatchObject([{ state: 'done', manual: true }]);
    expect((await edge.client.jobs.mapReduce(runs[0]?.job ?? '')).counters.recordsIn).toBe(200);

    await button(page, 'Put in better code').click();
    await button(page, 'The better code is in').waitFor();
    const { version } = await processor('recommendation');
    await button(page, 'Replay from the beginning').click();
    await page
      .getByText(`Version ${version + 1} serves: it was rebuilt from 200 events`)
      .waitFor(PATIENCE);
    await books(page, '200 came in: 200 done, 0 dead letters, 0 waiting');
    await page
      .getByText(`v${version + 1}`, { exact: true })
      .first()
      .waitFor();
    await takePicture(page, 'kappa');
  });
});

test('claim-check: a large payload and a file travel as tickets, and come back whole', async () => {
  await withExample('claim-check', async (page) => {
    await button(page, 'Publish 2 kB').click();
    await page.getByText('Small enough to travel in the event').waitFor();
    await button(page, 'Publish 200 kB').click();
    await page.getByText('200 kB wait on the shelf').waitFor();
    await button(page, 'Fetch it back').click();
    await page.getByText(/SHA-256 is the ticket’s/).waitFor();

    const buffer = Buffer.from('many hands make light work\n'.repeat(500));
    await page
      .getByLabel('File to upload')
      .setInputFiles({ name: 'saying.txt', mimeType: 'text/plain', buffer });
    await page.getByText('"contentType": "text/plain"').waitFor();
    await button(page, 'Fetch it back').click();
    await page.getByText(/13,500 bytes, SHA-256 is the ticket’s/).waitFor();
    await page.getByText(/2 on the shelf/).waitFor();
    const documents = await stream('documents');
    expect(documents.claims.bytes).toBeGreaterThan(200_000);
    expect(documents.partitions[0]?.bytes).toBeLessThan(10_000);
  });
});

test('event buffering: a poisoned event stands alone, and goes through once the code is mended', async () => {
  await withExample('event-buffering', async (page) => {
    const unbalanced = await watchBooks(page);
    await button(page, 'Upload 20 and a poisoned one').click();
    await books(page, '21 came in: 20 done, 1 dead letters, 0 waiting');
    await button(page, 'Mend the code').click();
    await button(page, 'Put the first code back').waitFor();
    await button(page, 'Redrive all').click();
    await books(page, '21 came in: 21 done, 0 dead letters, 0 waiting');

    await button(page, 'Upload 400 photos').click();
    await page.getByRole('img', { name: /^421 came in: .* [1-9]\d* waiting$/ }).waitFor(PATIENCE);
    await books(page, '421 came in: 421 done, 0 dead letters, 0 waiting');
    expect(await unbalanced()).toEqual([]);
  });
});

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

async function payloads<Payload>(name: string): Promise<Payload[]> {
  const { events } = await edge.client.streams.events(name, { limit: 1000 });
  return events.map(({ payload }) => payload as Payload);
}

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

test('a schedule is written with a live preview, run, paused and deleted', async () => {
  await visitor.visit('/schedules/new', async (page, errors) => {
    const cron = page.getByLabel('Cron pattern');
    await cron.fill('often');
    await page.getByText(/five, six, or seven space separated parts/).waitFor();
    await cron.fill('30 4 * * MON');
    await page.getByText('At 04:30, only on Monday').waitFor();
    await button(page, 'Create schedule').click();
    await page.getByText('give it a name').waitFor();
    await page.getByLabel('Name').fill('weekly');
    await page.getByLabel('Stream').fill('nowhere');
    await button(page, 'Create schedule').click();
    await page
      .getByText(/there is no stream nowhere/)
      .first()
      .waitFor();
    // The browser itself logs the answer that was meant to come.
    expect(errors.splice(0)).toMatchObject([expect.stringContaining('404')]);
    await page.getByLabel('Stream').fill('orders');
    await button(page, 'Create schedule').click();
    await page.waitForURL(/\/schedules\/weekly$/);

    await button(page, 'Run now').click();
    await page
      .getByRole('region', { name: 'Table of runs' })
      .getByText('done', { exact: true })
      .waitFor(PATIENCE);
    await page.getByRole('img', { name: 'The last 1 run: 1 done' }).waitFor();
    await button(page, 'Pause').click();
    await page.getByText(/^Paused: nothing runs/).waitFor();
    await button(page, 'Resume').click();
    await page
      .getByText(/^Monday 04:30/)
      .or(page.getByText(/^(today|tomorrow) 04:30/))
      .first()
      .waitFor();
    await button(page, 'Delete').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
    await page.waitForURL(/\/schedules$/);
    const { items } = await edge.client.schedules.list();
    expect(items.map(({ name }) => name)).toEqual(['dashboard']);
  });
});

describe('when everything is set up', () => {
  looksRight([
    ['stateless', '/patterns/stateless'],
    ['event-buffering', '/patterns/event-buffering'],
    ['claim-check', '/patterns/claim-check'],
    ['batching', '/patterns/batching'],
    ['kappa', '/patterns/kappa'],
    ['schedules', '/schedules'],
    ['schedule', '/schedules/dashboard'],
  ]);
  // One look each: what they share with the others is seen above in both.
  looksRight([['stateful', '/patterns/stateful']], [NARROW]);
  looksRight([['join', '/patterns/join']], [WIDE]);
  looksRight([['windows', '/patterns/windows']], [NARROW]);
});

test('taking an example down leaves nothing of it', async () => {
  await visitor.visit('/patterns/kappa', async (page) => {
    await page.getByText('The example is set up').click();
    await button(page, 'Take it down').click();
    await page.getByRole('heading', { name: 'Set up this example' }).waitFor();
    const { schedules, processors, streams } = edge.client;
    const namesThere = async () => {
      const lists = await Promise.all([schedules.list(), processors.list(), streams.list()]);
      return lists.flatMap(({ items }) => items.map(({ name }) => name));
    };
    // The page shows the beginning again when the first of them is gone.
    const taken = ['dashboard', 'recommendation', 'orders', 'recommendations'];
    await expect
      .poll(async () => (await namesThere()).filter((name) => taken.includes(name)), PATIENCE)
      .toEqual([]);
  });
});
