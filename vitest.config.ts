// Three layers of tests: pure files in Node; objects, routes and queues inside workerd; the whole system, with a local
// edge and real Chromium, from Node. Files share their process and its modules: a test file leaves nothing behind that
// another one could meet. The first two layers run side by side, the last one alone. Much of its time is waiting (for
// back-off, windows, a restart), so more of its files run at once than there are cores on a small machine.
import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    isolate: false,
    maxWorkers: 3,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/{unit,property,structure}/**/*.test.ts'],
          environment: 'node',
          setupFiles: ['test/support/property-seed.ts'],
          testTimeout: 60_000, // Ends what hangs; on a busy machine a law takes four times its time.
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        plugins: [cloudflareTest({ wrangler: { configPath: './wrangler.toml' } })],
        test: {
          name: 'worker',
          include: ['test/worker/**/*.test.ts'],
          setupFiles: ['test/worker/fresh-objects.ts'],
          testTimeout: 30_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          environment: 'node',
          globalSetup: ['test/support/e2e-setup.ts'],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
