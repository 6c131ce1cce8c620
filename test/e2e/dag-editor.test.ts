// Writing DAG jobs in the page, and the product upload on its pattern's page: pictures and clips are really uploaded,
// this tab lends itself, and what the encoders made is looked at as a person would: by the browser that shows it.
import type { Locator, Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { compileStep } from '../../shared/dag/program.ts';
import type { Claim } from '../../shared/schemas/claim.ts';
import type { DagJob } from '../../shared/schemas/dag.ts';
import type { CreatedProduct } from '../../web/lib/dag/programs/product-upload.ts';
import { VIDEO_ENCODER } from '../../web/lib/dag/programs/video-encoder.ts';
import { browserOfFile, edgeOfFile } from '../support/suite.ts';
import { writeGif } from '../support/gif.ts';
import { expectFit, settled, takePicture, Visitor } from '../support/visit.ts';

/** A run in a browser that has one core for everything. */
const PATIENCE = { timeout: 60_000 };

const edge = edgeOfFile();
const browser = await browserOfFile();
const visitor = new Visitor(browser, edge);

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
const editor = (page: Page, name: string) => page.getByRole('textbox', { name, exact: true });
const runShown = (page: Page) => new URL(page.url()).searchParams.get('run') ?? '';

const withPage = (path: string, work: (page: Page) => Promise<void>) =>
  visitor.visit(path, async (page) => {
    await settled(page);
    await work(page);
  });

/** Types over what is there. */
async function write(field: Locator, text: string): Promise<void> {
  await field.click();
  await field.press('ControlOrMeta+a');
  await field.page().keyboard.insertText(text);
}

const creatorDrawn = (page: Page) =>
  page.getByRole('button', { name: /^ProductCreator/ }).waitFor();
visitor.looksRight([
  {
    name: 'the editor',
    path: () => '/jobs/new?kind=dag',
    ready: async (page) => {
      await creatorDrawn(page);
      await write(editor(page, 'Definition'), '{"kind":"dag","steps":{"a":{"run":"edge"}}}');
      await page.getByRole('list', { name: 'Mistakes' }).waitFor();
    },
  },
  { name: 'the pattern', path: () => '/patterns/dag', ready: creatorDrawn },
]);

test('a definition is drawn as it is typed, its mistakes lead to their place, and it runs', async () => {
  await withPage('/jobs/new', async (page) => {
    await page.getByRole('navigation', { name: 'Kind of job' }).getByText('DAG').click();
    await button(page, 'Diamond two steps at once, and one that needs both').click();
    await page.getByText('4 steps on 3 levels, nothing wrong with it').waitFor();
    await takePicture(page, 'new-dag');

    // A circle, in the definition.
    const definition = {
      kind: 'dag',
      name: 'greeting',
      input: { name: 'Ada' },
      steps: {
        greet: { run: 'edge', needs: ['shout'], code: 'export default ({ input }) => input.name' },
        shout: { run: 'edge', needs: ['greet'], code: 'export default () => 1' },
      },
    };
    await write(editor(page, 'Definition'), JSON.stringify(definition));
    await page.getByText('1 mistake', { exact: true }).waitFor();
    const mistake = page.getByRole('list', { name: 'Mistakes' }).getByRole('button');
    const circle = 'these steps need each other in a circle: greet → shout → greet';
    await mistake.filter({ hasText: circle }).waitFor();
    definition.steps.greet.needs = [];
    await write(editor(page, 'Definition'), JSON.stringify(definition));
    await page.getByText('2 steps on 2 levels, nothing wrong with it').waitFor();

    // The code of a step, as code; a mistake in it leads back to it.
    await page.getByRole('button', { name: /^shout/ }).click();
    await write(editor(page, 'Code of shout'), 'export default ({ steps }) =>\n  steps.greet +;\n');
    await mistake.filter({ hasText: 'shout, line 2 of its code' }).waitFor();
    await page.getByRole('button', { name: /^greet/ }).click();
    await editor(page, 'Code of greet').waitFor();
    await mistake.click();
    await editor(page, 'Code of shout').waitFor();
    await write(
      editor(page, 'Code of shout'),
      'export default ({ steps }) =>\n  `${steps.greet}!`;\n',
    );
    await page.getByText('2 steps on 2 levels, nothing wrong with it').waitFor();

    // Kept over a reload.
    await page.reload();
    await page.getByText('2 steps on 2 levels, nothing wrong with it').waitFor();
    await button(page, 'Submit job').click();
    await page.waitForURL(/\/jobs\/run_/);
    const id = new URL(page.url()).pathname.split('/').at(-1) ?? '';
    await expect.poll(async () => (await run(id)).state, PATIENCE).toBe('done');
    expect((await run(id)).steps).toMatchObject({
      greet: { output: 'Ada' },
      shout: { output: 'Ada!' },
    });

    // A copy of it is where the next one begins.
    await page.goto(`${edge.url}/jobs/new?kind=dag&from=${id}`);
    await page.getByText('2 steps on 2 levels, nothing wrong with it').waitFor();
    await expect.poll(() => editor(page, 'Definition').textContent()).toContain('greeting');
  });
});

const run = (id: string) => edge.client.jobs.dag(id);

test('the product upload: encoded by this tab once it lends itself, and shown from the shelf', async () => {
  let third = '';
  await withPage('/patterns/dag', async (page) => {
    await button(page, 'Upload a drawn one').click();
    await page.waitForURL(/run=run_/);
    const id = runShown(page);
    // Nobody has to encode anything before a person said so.
    await expect.poll(async () => (await run(id)).steps['Uploaded']?.state).toBe('done');
    expect((await run(id)).steps['ImageEncoder']?.state).not.toBe('done');
    await button(page, 'Lend this tab to the encoders').click();

    const parts = page.getByRole('list', { name: 'Parts of the product' });
    await parts.waitFor(PATIENCE);
    expect(await widths(parts.getByRole('img'), 4)).toEqual([1_200, 960, 480, 160]);
    const clip = await seen(parts.locator('video'));
    expect(clip).toMatchObject({ width: 400, height: 300 });
    expect(clip.seconds).toBeCloseTo(20 * 0.09, 1);
    const made = product(await run(id));
    expect(made.images.map(({ contentType }) => contentType)).toEqual(Array(3).fill('image/webp'));
    expect(made.clip.contentType).toBe('video/webm');
    await takePicture(page, 'dag');

    // A picture and a clip of one's own. First a GIF, then what a camera would have made.
    await upload(page, { name: 'clip.gif', mimeType: 'image/gif', buffer: Buffer.from(stripes()) });
    await page.waitForURL((url) => url.searchParams.get('run') !== id);
    const second = runShown(page);
    await page.getByRole('heading', { name: /^dot-/ }).waitFor(PATIENCE);
    expect(await seen(parts.locator('video'))).toMatchObject({
      width: 80,
      height: 48,
      seconds: 0.6,
    });

    const response = await fetch(`${edge.url}/api/claims/${made.clip.token}`);
    const buffer = Buffer.from(await response.arrayBuffer());
    await upload(page, { name: 'clip.webm', mimeType: 'video/webm', buffer });
    await page.waitForURL((url) => ![id, second].includes(url.searchParams.get('run') ?? ''));
    third = runShown(page);
    await expect.poll(async () => (await run(third)).state, PATIENCE).toBe('done');
    await expect.poll(async () => (await seen(parts.locator('video'))).width, PATIENCE).toBe(400);
    expect((await run(third)).spec.input).toMatchObject({ clip: { contentType: 'image/webp' } });
  });

  // Whoever is given the address sees the same.
  await withPage(`/patterns/dag?run=${third}`, async (page) => {
    const parts = page.getByRole('list', { name: 'Parts of the product' });
    await parts.waitFor();
    expect(await widths(parts.getByRole('img'), 4)).toEqual([64, 64, 64, 64]);
    await expectFit(page);
  });
});

const product = ({ steps }: DagJob) =>
  steps['ProductCreator']?.output as unknown as CreatedProduct & { clip: Claim };

/** Of pictures, once they are there. */
async function widths(pictures: Locator, count: number): Promise<number[]> {
  const read = () =>
    pictures.evaluateAll((all) => all.map((one) => (one as HTMLImageElement).naturalWidth));
  await expect
    .poll(async () => (await read()).filter((width) => width > 0).length, PATIENCE)
    .toBe(count);
  return read();
}

async function seen(video: Locator): Promise<{ width: number; height: number; seconds: number }> {
  await expect
    .poll(() => video.evaluate((one: HTMLVideoElement) => one.readyState), PATIENCE)
    .toBeGreaterThan(1);
  return video.evaluate(({ videoWidth, videoHeight, duration }: HTMLVideoElement) => ({
    width: videoWidth,
    height: videoHeight,
    seconds: duration,
  }));
}

/** A red dot as PNG, and a clip. */
async function upload(
  page: Page,
  clip: { name: string; mimeType: string; buffer: Buffer },
): Promise<void> {
  const png = await page.evaluate(() => {
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width: 64, height: 64 });
    const context = canvas.getContext('2d');
    if (context) context.fillStyle = 'red';
    context?.fillRect(16, 16, 32, 32);
    return canvas.toDataURL('image/png').split(',')[1] ?? '';
  });
  const picture = { name: 'dot.png', mimeType: 'image/png', buffer: Buffer.from(png, 'base64') };
  await page.getByLabel('Or a picture of your own').setInputFiles(picture);
  await page.getByLabel('With a clip, if you like').setInputFiles(clip);
  await button(page, 'Upload').click();
}

const [BLUE, YELLOW] = [
  [20, 20, 200],
  [250, 220, 0],
] as const;

/** Six frames: yellow comes in from the left, over blue. */
function stripes(): Uint8Array<ArrayBuffer> {
  const size = { width: 80, height: 48 };
  const frames = Array.from({ length: 6 }, (_, i) => ({
    pixels: Uint8Array.from({ length: 80 * 48 }, (_, at) => (at % 80 < (80 * i) / 5 ? 1 : 0)),
    ...{ x: 0, y: 0, ...size, delayMs: 100 },
  }));
  return writeGif(size, [BLUE, YELLOW], frames);
}

test.each([true, false])(
  'the VideoEncoder gives the same film with WebCodecs: %s',
  async (webCodecs) => {
    // A page of ours is a secure context, as a sandboxed worker is not: there both ways can be tried.
    const context = await browser.newContext({ bypassCSP: true });
    try {
      const page = await context.newPage();
      await page.goto(edge.url);
      const compiled = compileStep(VIDEO_ENCODER);
      if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
      const { log, middles } = await page.evaluate(filmed, {
        ...{ code: compiled.text, bytes: [...stripes()], webCodecs },
        at: [0.05, 0.55],
      });
      expect(log[0]).toBe('6 frames of 80 × 48, out of an animated GIF');
      expect(log[1]).toContain(webCodecs ? 'by WebCodecs' : 'every frame a key frame');
      const [first = [], last = []] = middles;
      expect(first[2]).toBeGreaterThan(120); // blue
      expect(last[0]).toBeGreaterThan(180); // yellow
      expect(last[2]).toBeLessThan(80);
    } finally {
      await context.close();
    }
  },
);

/** Runs in the page: the colours in the middle of the film at these moments. */
async function filmed({
  code,
  bytes,
  webCodecs,
  at,
}: {
  code: string;
  bytes: number[];
  webCodecs: boolean;
  at: number[];
}): Promise<{ log: string[]; middles: number[][] }> {
  if (!webCodecs) Reflect.deleteProperty(globalThis, 'VideoEncoder');
  type Step = (given: unknown, ctx: unknown) => Promise<{ bytes: BlobPart; contentType: string }>;
  // As a sandbox evaluates it.
  const factory = new Function(`return ${code}`)() as () => { default: Step };
  const { default: encode } = factory();
  const log: string[] = [];
  const ctx = {
    log: (line: string) => log.push(line),
    payload: () => Promise.resolve(Uint8Array.from(bytes)),
  };
  const steps = { Uploaded: { contentType: 'image/gif' } };
  const film = await encode({ input: {}, steps }, ctx);
  const video = document.createElement('video');
  const happened = (event: 'loadeddata' | 'seeked') =>
    new Promise<void>((resolve, reject) => {
      video.addEventListener(event, () => resolve(), { once: true });
      video.onerror = () => reject(new Error(video.error?.message));
    });
  const loaded = happened('loadeddata');
  video.src = URL.createObjectURL(new Blob([film.bytes], { type: film.contentType }));
  await loaded;
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const middles: number[][] = [];
  for (const seconds of at) {
    const seeked = happened('seeked');
    video.currentTime = seconds;
    await seeked;
    context?.drawImage(video, 0, 0);
    const middle = context?.getImageData(video.videoWidth / 2, video.videoHeight / 2, 1, 1);
    middles.push([...(middle?.data ?? [])]);
  }
  return { log, middles };
}
