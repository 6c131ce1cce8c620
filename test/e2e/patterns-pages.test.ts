// The pages of the patterns of streams, as somebody uses them: each example is set up, worked and broken through the
// page against a real edge, and what the page says is compared with what the edge says. Every page in both colour
// schemes and at both ends of width, empty and full.
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
import { takePicture, Visitor } from '../support/visit.ts';

const edge = edgeOfFile();
const visitor = new Visitor(await browserOfFile(), edge);
const { looksRight, withExample, processor, stream, payloads } = patternPages(edge, visitor);

describe('before anything is set up', () => {
  looksRight([
    ['patterns', '/patterns'],
    ['stateless', '/patterns/stateless'],
    ['mapreduce', '/patterns/mapreduce'],
    ['no such pattern', '/patterns/nothing'],
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
    const summed = await payloads<{ firedBy: string; count: number }>('summaries');
    const counted = summed.filter(({ firedBy }) => firedBy !== 'time');
    expect(counted.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThanOrEqual(60);
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

describe('when everything is set up', () => {
  looksRight([
    ['stateless', '/patterns/stateless'],
    ['event-buffering', '/patterns/event-buffering'],
    ['claim-check', '/patterns/claim-check'],
    ['batching', '/patterns/batching'],
  ]);
});
