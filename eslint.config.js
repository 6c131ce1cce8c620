// Lint rules. The import rules are the architecture: shared <- pure files <- objects <- api <- index.
import { defineConfig } from 'eslint/config';
import svelte from 'eslint-plugin-svelte';
import ts from 'typescript-eslint';

const oneWay = 'imports point one way: shared <- pure files <- objects <- api <- app <- index';

/** Files under `files` may not import what lies under any of `from` (patterns over import paths). */
const zone = (files, from, message) => ({
  files,
  rules: { 'no-restricted-imports': ['error', { patterns: [{ group: from, message }] }] },
});

export default defineConfig(
  {
    ignores: [
      '**/node_modules',
      'web/dist',
      'dist',
      '.wrangler',
      '**/*.generated.ts',
      'test-results',
    ],
  },
  ts.configs.recommended,
  svelte.configs.recommended,
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser } },
    rules: { 'svelte/no-navigation-without-resolve': 'off', 'prefer-const': 'off' },
  },
  {
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/ban-ts-comment': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
      eqeqeq: 'error',
      'no-console': ['error', { allow: ['error'] }],
      '@typescript-eslint/no-empty-object-type': [
        'error',
        { allowInterfaces: 'with-single-extends' },
      ],
    },
  },
  zone(
    ['shared/**'],
    ['**/worker/**', '**/web/**', '**/test/**'],
    'shared/ imports nothing but shared/',
  ),
  zone(
    ['shared/sandbox/**'],
    ['**/mapreduce/**', '**/streaming/**', '**/dag/**', '**/runtimes/**'],
    'shared/: sandbox <- mapreduce, streaming <- dag <- runtimes',
  ),
  zone(
    ['shared/{mapreduce,streaming}/**'],
    ['../{mapreduce,streaming}/**', '**/dag/**', '**/runtimes/**'],
    'shared/: sandbox <- mapreduce, streaming <- dag <- runtimes',
  ),
  zone(['web/**'], ['**/worker/**', '**/test/**'], 'the page imports shared/ only'),
  zone(
    [
      'worker/{platform,catalog,datasets,mapreduce,volunteers,streaming,keyed,stateful,join,windowing,batching,kappa,dag,claim-check,services}/**/*.{object,entrypoint}.ts',
      'worker/platform/**',
    ],
    ['**/web/**', '**/test/**', '**/api/**', '**/app.ts', '**/index.ts'],
    oneWay,
  ),
  zone(['worker/api/**'], ['**/web/**', '**/test/**', '**/app.ts', '**/index.ts'], oneWay),
  {
    // Another room's object is called by RPC through a typed stub: its types, never its code.
    files: ['worker/**/*.ts'],
    ignores: ['worker/index.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              // The abstract class of the keyed shards is extended, not called.
              group: ['**/*.object.ts', '**/*.entrypoint.ts', '!**/keyed/shard.object.ts'],
              allowTypeImports: true,
              message: 'call objects by RPC',
            },
          ],
        },
      ],
    },
  },
  {
    // Pure files take time, randomness and ids as arguments and know no Cloudflare.
    ...zone(
      [
        'worker/{mapreduce,volunteers,catalog,datasets,streaming,keyed,stateful,join,windowing,batching,kappa,dag,claim-check,services}/**/*.ts',
      ],
      ['cloudflare:*', '**/web/**', '**/test/**', '**/api/**', '**/app.ts', '**/index.ts'],
      `${oneWay}; only *.object.ts and *.entrypoint.ts files know the runtime`,
    ),
    ignores: ['**/*.object.ts', '**/*.entrypoint.ts'],
  },
  {
    files: ['worker/local/**', 'test/**'],
    rules: { 'no-console': 'off' },
  },
);
