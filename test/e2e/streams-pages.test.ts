// The pages of streams and processors, in both colour schemes and at both ends of width, against a real edge
// with real events, dead letters and windows: no error in the console, nothing that axe finds, nothing wider
// than the window. Then what one does there: create, publish, follow, write a processor, mend it, redrive, replay.
import type { Page } from 'playwright-core';
import { beforeAll, expect, test, vi } from 'vitest';
import type { ProcessorSpecInput } from '../../shared/schemas/processor.ts';
import type { EventInput } from '../../shared/schemas/stream.ts';
import { browserOfFile, edgeOfFile } from '../support/suite.ts';
import { savedText, takePicture, Visitor } from '../support/visit.ts';

const WAIT = { timeout: 60_000, interval: 200 };

const MAILER = `export async function process(event, ctx) {
  const user = await ctx.call('users', event.payload.userId);
  if (!user) throw new Error('no user ' + event.payload.userId);
  ctx.log('writing to', user.email);
  return { type: 'Email', key: user.id, payload: { to: user.email } };
}
`;
const DIGEST = `export async function process(batch) {
  let events = 0;
  for await (const event of batch) events += event.offset >= 0 ? 1 : 0;
  return { type: 'Digest', payload: { events } };
}
`;

const edge = edgeOfFile();
const visitor = new Visitor(await browserOfFile(), edge);

const processor = (name: string) => edge.client.processors.get(name);
const publish = (stream: string, events: EventInput[]) =>
  edge.client.streams.append(stream, events);
const put = (name: string, spec: ProcessorSpecInput) => edge.client.processors.put(name, spec);

function mailEvents(count: number, from = 0): EventInput[] {
  return Array.from({ length: count }, (_, at) => ({
    type: 'MailEvent',
    key: `u${(from + at) % 7}`,
    payload: { userId: `u${(from + at) % 7}` },
  }));
}

beforeAll(async () => {
  const { client } = edge;
  for (const [name, partitions] of [
    ['mail-events', 3],
    ['emails', 2],
    ['digests', 1],
    ['wide', 24],
  ] as const) {
    await client.streams.put(name, { partitions });
  }
  for (let user = 0; user < 7; user++) {
    await client.users.put(`u${user}`, { email: `u${user}@example.org` });
  }
  await put('mailer', {
    kind: 'stateless',
    stream: 'mail-events',
    types: ['MailEvent'],
    output: 'emails',
    services: { users: { url: '/api/services/users/{key}' } },
    retry: { maxAttempts: 2, baseMs: 10, maxMs: 20 },
    code: MAILER,
  });
  await put('digest', {
    kind: 'batch',
    stream: 'mail-events',
    output: 'digests',
    batch: { maxEvents: 20, maxWaitMs: 60_000 },
    code: DIGEST,
  });
  await publish('mail-events', [
    ...mailEvents(40),
    { type: 'MailEvent', key: 'nobody', payload: { userId: 'nobody' } },
    { type: 'Note', key: 'u1', payload: { text: 'x'.repeat(120_000) } },
  ]);
  await publish('wide', mailEvents(200));
  await vi.waitFor(async () => {
    expect((await processor('mailer')).deadLetters).toBe(1);
    const { items } = await client.processors.batches('digest');
    expect(items.filter(({ state }) => state === 'done')).toHaveLength(2);
  }, WAIT);
});

const PAGES: [name: string, path: string, there: RegExp][] = [
  ['streams', '/streams', /mail-events/],
  ['streams, none found', '/streams?q=nothing', /no stream is called that/i],
  ['stream', '/streams/mail-events', /nobody/],
  ['stream with many partitions', '/streams/wide', /24, at most/],
  ['stream that is not there', '/streams/nope', /no stream nope|no such resource/i],
  ['processors', '/processors', /mailer/],
  ['processor with a dead letter', '/processors/mailer', /no user nobody/],
  ['processor of windows', '/processors/digest', /opens with the next event|first bound/],
  ['new processor', '/processors/new?stream=mail-events', /leaves the editor/],
];

visitor.looksRight(
  PAGES.map(([name, path, there]) => ({
    name,
    path: () => path,
    ready: (page) => page.getByText(there).first().waitFor(),
    // The browser itself reports what is asked for and not there.
    ...(path.endsWith('nope') && { expectedError: '404' }),
  })),
);

test('pictures of a stream and of a processor', async () => {
  for (const [name, path, there] of [
    ['stream', '/streams/mail-events', /nobody/],
    ['processor', '/processors/mailer', /no user nobody/],
  ] as const) {
    await visitor.visit(`${path}`, async (page) => {
      await page.getByText(there).first().waitFor();
      await takePicture(page, name);
    });
  }
});

test('a list is filtered by what is in the address, and walked with the arrow keys', async () => {
  await visitor.visit('/streams', async (page) => {
    await page.getByRole('searchbox', { name: /filter/i }).fill('mail');
    await page.waitForURL(/q=mail/);
    const rows = page.getByRole('list', { name: 'Streams' }).getByRole('link');
    expect(await rows.count()).toBe(2); // "emails" too
    await rows.first().focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/streams\/mail-events$/);
  });
});

test('a stream is created, an event published, and it is there, live', async () => {
  await visitor.visit('/streams', async (page) => {
    await page.getByRole('button', { name: 'New stream' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Create stream' }).click();
    await dialog.getByText('give it a name').waitFor();
    await dialog.getByLabel('Name').fill('greetings');
    await dialog.getByLabel('Partitions').fill('2');
    await dialog.getByRole('button', { name: 'Create stream' }).click();
    await page.waitForURL(/\/streams\/greetings$/);
    await page.getByText('Nothing is published yet').waitFor();

    const payload = page.getByRole('textbox', { name: 'Payload' });
    await payload.fill('{\n  "hello" 1\n}');
    await page.getByText(/line 2, column/).waitFor();
    expect(await page.getByRole('button', { name: 'Publish' }).isDisabled()).toBe(true);
    await payload.fill('{"hello":"Ann"}');
    await page.getByLabel('Type', { exact: true }).fill('Greeting');
    await page.getByLabel('Id', { exact: true }).fill('once');
    await page.getByRole('button', { name: 'Publish' }).click();
    await page.getByText(/^1 event appended: partition \d at 0$/).waitFor();

    const row = page.getByRole('button', { name: /Greeting.*hello/ });
    await row.click();
    await page.getByRole('region', { name: 'Payload' }).getByText('"hello": "Ann"').waitFor();
    await page.getByText('pinned: the list holds still').waitFor();

    await page.getByRole('button', { name: 'Publish' }).click();
    await page.getByText('0 events appended · 1 was there already').waitFor();

    await page.getByText('Paste NDJSON').click();
    const lines = page.getByLabel('Events, one a line');
    await lines.fill('{"type":"A"}\n{"type":"B"}\nrubbish\n');
    await page.getByText(/^line 3: /).waitFor();
    await lines.fill('{"type":"A"}\n{"type":"B"}\n');
    await page.getByRole('button', { name: 'Publish' }).click();
    await page.getByText(/^2 events appended/).waitFor();
    await page.getByRole('button', { name: '2 new, follow' }).click();
    await page.getByText('following', { exact: true }).waitFor();
    const { partitions } = await edge.client.streams.get('greetings');
    expect(partitions.reduce((sum, { next }) => sum + next, 0)).toBe(3);
  });
});

test('a payload that lies in R2 is a ticket, and the ticket fetches it', async () => {
  await visitor.visit('/streams/mail-events', async (page) => {
    await page.getByRole('button', { name: /Note.*120 kB/ }).click();
    await page.getByText('Payload in R2').waitFor();
    const text = await savedText(page, () =>
      page.getByRole('button', { name: 'Fetch it' }).click(),
    );
    expect(JSON.parse(text)).toEqual({ text: 'x'.repeat(120_000) });
  });
});

test('scrolling up pins the end of a stream; what comes is counted; pausing misses nothing', async () => {
  await edge.client.streams.put('busy', { partitions: 1 });
  await publish('busy', mailEvents(120));
  await visitor.visit('/streams/busy', async (page) => {
    const rows = page.getByRole('region', { name: 'Newest events' });
    await rows.getByText('0:119').waitFor();
    await rows.hover();
    await page.mouse.wheel(0, -400);
    await page.getByText('pinned: the list holds still').waitFor();
    await publish('busy', mailEvents(30));
    await page.getByRole('button', { name: '30 new, follow' }).waitFor();
    expect(await rows.getByText('0:149').count()).toBe(0);
    await page.getByRole('button', { name: '30 new, follow' }).click();
    await rows.getByText('0:149').waitFor();

    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByText('paused: nothing is read').waitFor();
    await publish('busy', [{ type: 'Late', key: 'k', payload: 1 }]);
    await page.getByRole('button', { name: 'Go on' }).click();
    await rows.getByText('0:150').waitFor();

    await page.getByRole('searchbox', { name: /whose type/i }).fill('late');
    await page.waitForURL(/type=late/);
    await rows.getByText('0:149').waitFor({ state: 'detached' });
    expect(await rows.getByText('0:150').count()).toBe(1);
  });
});

/** Replaces all of the code in an editor. */
async function write(page: Page, label: string, code: string): Promise<void> {
  await page.getByRole('textbox', { name: label, exact: true }).fill(code);
}

test('a processor is written, fails, is mended in the page, and its dead letter goes well', async () => {
  await edge.client.streams.put('numbers', { partitions: 1 });
  await edge.client.streams.put('doubled', { partitions: 1 });
  await visitor.visit('/processors/new?stream=numbers', async (page) => {
    await page.getByLabel('Name', { exact: true }).fill('doubler');
    await page.getByLabel('Writes to').fill('doubled');
    await page.getByLabel('Attempts').fill('1');
    await page.getByRole('button', { name: /remove service/i }).click();
    await write(page, 'Code', 'export function process(event) {\n  return oops(\n}\n');
    await page.getByRole('button', { name: 'Create processor' }).click();
    // Refused at its line, before anything is sent.
    await page.locator('.cm-lint-marker-error').first().waitFor();
    await write(
      page,
      'Code',
      "export function process(event) {\n  if (event.payload === 13) throw new Error('unlucky');\n  return { type: 'Doubled', payload: event.payload * 2 };\n}\n",
    );
    await page.getByRole('button', { name: 'Create processor' }).click();
    await page.waitForURL(/\/processors\/doubler$/);
    await publish(
      'numbers',
      [1, 13, 2].map((payload) => ({ type: 'Number', key: 'n', payload })),
    );
    await page.getByText('Error: unlucky').waitFor();
    expect((await processor('doubler')).counters.emitted).toBe(2);

    // The place in the person's own code.
    await page.getByRole('button', { name: /^line 2/ }).click();
    await page.getByText("throw new Error('unlucky')").first().waitFor();

    await page.getByRole('button', { name: 'Edit' }).first().click();
    await page.getByText('Change the definition').waitFor();
    await write(
      page,
      'Code',
      "export function process(event) {\n  return { type: 'Doubled', payload: event.payload * 2 };\n}\n",
    );
    await page.getByRole('button', { name: 'Save version 2' }).click();
    await page.getByText('version 2', { exact: true }).waitFor();
    await page.getByRole('button', { name: /^Redrive all/ }).click();
    await page.getByText(/None\. An event that still fails/).waitFor();
    await expect.poll(async () => (await processor('doubler')).counters.redriven, WAIT).toBe(1);
  });
});

test('a processor is paused and resumed, and a replay takes over', async () => {
  await put('copier', {
    kind: 'stateless',
    stream: 'mail-events',
    startFrom: 'earliest',
    code: 'export function process() {}',
  });
  await visitor.visit('/processors/copier', async (page) => {
    await page
      .getByText(/caught up/)
      .first()
      .waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Resume' }).waitFor();
    expect((await processor('copier')).state).toBe('paused');
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('button', { name: 'Pause' }).waitFor();

    await page.getByRole('button', { name: 'Replay' }).click();
    await page.getByText(/Version 1 goes on serving until then/).waitFor();
    await page.getByRole('button', { name: 'Start the replay' }).click();
    await page.getByText('version 2', { exact: true }).waitFor();
    expect((await processor('copier')).replay).toBeNull();

    await page.getByRole('button', { name: 'Delete' }).first().click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.waitForURL(/\/processors$/);
  });
});

test('an open window is drained in the page, and its run is listed', async () => {
  await visitor.visit('/processors/digest', async (page) => {
    const windows = page.getByRole('region', { name: /windows, newest first/i });
    await windows.getByText('events').first().waitFor();
    await publish('mail-events', mailEvents(1));
    const drain = page.getByRole('button', { name: 'Drain' });
    await drain.and(page.locator(':enabled')).waitFor();
    await drain.click();
    await windows.getByText('drained').waitFor();
  });
});
