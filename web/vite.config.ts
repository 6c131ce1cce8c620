// Builds the page to web/dist. Browsers of 2024 on: light-dark(), ES2024 and module workers stay as written.
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

const web = fileURLToPath(new URL('.', import.meta.url));

export default defineConfig({
  root: web,
  plugins: [svelte({ configFile: false })],
  build: {
    outDir: `${web}dist`,
    emptyOutDir: true,
    target: ['chrome123', 'edge123', 'firefox125', 'safari17.5'],
    // Assets are files, never data: URLs: simple to cache, and the page needs no data: in a policy.
    assetsInlineLimit: 0,
    // The editor is half a megabyte; it is loaded with the new-job screen only.
    chunkSizeWarningLimit: 600,
  },
  server: {
    host: '127.0.0.1',
    fs: { allow: [fileURLToPath(new URL('..', import.meta.url))] },
    // `npm start` in another terminal is the edge; this serves the page with hot reload.
    proxy: { '/api': { target: 'http://127.0.0.1:8787', ws: true } },
  },
});
