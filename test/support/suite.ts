// What an end-to-end file begins with: a local edge of its own, and the Chromium that all files share.
import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, inject } from 'vitest';
import type { EdgeOptions } from '../../worker/local/edge.ts';
import { startTestEdge } from './edge.ts';
import type { TestEdge } from './edge.ts';

/** An edge of the shared bundle; the caller stops it. */
export const startBundledEdge = (options: EdgeOptions = {}): Promise<TestEdge> =>
  startTestEdge({ bundle: inject('workerBundle'), ...options });

/** The edge of all tests of a file. To be called where they begin. */
export function edgeOfFile(): Pick<TestEdge, 'url' | 'client'> {
  let edge: TestEdge;
  beforeAll(async () => {
    edge = await startBundledEdge();
  });
  afterAll(() => edge?.stop());
  return {
    get url() {
      return edge.url;
    },
    get client() {
      return edge.client;
    },
  };
}

/** A connection to the shared browser; its contexts end with the file. */
export async function browserOfFile(): Promise<Browser> {
  const browser = await chromium.connect(inject('chromiumEndpoint'));
  afterAll(() => browser.close());
  return browser;
}
