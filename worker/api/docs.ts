// /api/openapi.json and /api/docs: what the API is, for tools and for people.
import { base64url } from '../platform/token.ts';
import { VERSION } from '../platform/version.ts';
import { apiDocument } from './openapi/document.ts';
import { documentPage } from './openapi/page.ts';
import type { ApiDocument } from './openapi/shape.ts';
import type { Handlers } from './serve.ts';

/** Made at the first call: a plain value, so that requests may share it. */
let made: ApiDocument | null = null;
const currentDocument = () => (made ??= apiDocument(VERSION));

const NONCE_BYTES = 16;

export const docsHandlers: Handlers<'docs'> = {
  openapi: ({ c }) => {
    c.header('cache-control', 'no-cache');
    return { ...currentDocument() };
  },
  page: ({ c }) => {
    const nonce = base64url(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
    return c.html(documentPage(currentDocument(), nonce), 200, {
      'content-security-policy': `default-src 'none'; style-src 'nonce-${nonce}'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    });
  },
};
