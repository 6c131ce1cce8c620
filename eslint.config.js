// Lint rules. The import rules are the architecture: shared <- pure files <- objects <- routes <- index.
import { defineConfig } from 'eslint/config';
import importX from 'eslint-plugin-import-x';
import svelte from 'eslint-plugin-svelte';
import ts from 'typescript-eslint';

/** `target` may not import `from`. */
const zone = (target, from, message) => ({ target, from, message });
const oneWay = 'imports point one way: shared <- pure files <- objects <- routes <- app <- index';
const rooms = ['mapreduce', 'volunteers', 'catalog', 'platform'].map((room) => `./worker/${room}`);

export default defineConfig(
  { ignores: ['**/node_modules', 'web/dist', '.wrangler', '**/*.generated.ts', 'test-results'] },
  ts.configs.recommended,
  svelte.configs.recommended,
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser } },
    rules: { 'svelte/no-navigation-without-resolve': 'off', 'prefer-const': 'off' },
  },
  {
    plugins: { 'import-x': importX },
    settings: { 'import-x/resolver-next': [importX.createNodeResolver({ extensions: ['.ts'] })] },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/ban-ts-comment': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
      eqeqeq: 'error',
      'no-console': 'error',
      'import-x/no-cycle': 'error',
      'import-x/no-restricted-paths': [
        'error',
        {
          zones: [
            zone(
              './shared',
              ['./worker', './web', './test'],
              'shared/ imports nothing but shared/',
            ),
            zone('./web', ['./worker', './test'], 'the page imports shared/ only'),
            zone('./worker', ['./web', './test'], 'the worker imports shared/ only'),
            ...rooms.map((room) =>
              zone(room, ['./worker/routes', './worker/app.ts', './worker/index.ts'], oneWay),
            ),
            zone('./worker/routes', ['./worker/app.ts', './worker/index.ts'], oneWay),
          ],
        },
      ],
    },
  },
  {
    // Another room's object is called by RPC through a typed stub: its types, never its code.
    files: ['worker/**/*.ts'],
    ignores: ['worker/index.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: ['**/*.object.ts'], allowTypeImports: true, message: 'call objects by RPC' },
          ],
        },
      ],
    },
  },
  {
    // Pure files take time, randomness and ids as arguments and know no Cloudflare.
    files: ['worker/mapreduce/**/*.ts', 'worker/volunteers/**/*.ts', 'worker/catalog/**/*.ts'],
    ignores: ['**/*.object.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: ['cloudflare:*'] }] },
  },
  {
    files: ['worker/local/**', 'test/**'],
    rules: { 'no-console': 'off' },
  },
);
