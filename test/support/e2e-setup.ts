// Made once for all files of the end-to-end layer: the bundled worker, which every edge runs, and one Chromium, to
// which every file connects.
import type { TestProject } from 'vitest/node';
import { serveChromiumAt } from '../../worker/local/chromium.ts';
import { bundleWorker } from '../../worker/local/edge.ts';
import type { WorkerBundle } from '../../worker/local/edge.ts';
import { ensureChromium } from './chromium.ts';

declare module 'vitest' {
  interface ProvidedContext {
    workerBundle: WorkerBundle;
    /** Where Chromium is connected to. */
    chromiumEndpoint: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [bundle, chromium] = await Promise.all([bundleWorker(), serveChromiumAt(ensureChromium())]);
  project.provide('workerBundle', bundle);
  project.provide('chromiumEndpoint', chromium.wsEndpoint());
  return () => chromium.close();
}
