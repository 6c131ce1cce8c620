// The documentation itself.
import * as z from 'zod';
import { json, raw, resource } from './operation.ts';
import { ROUTES } from './routes.ts';

export const docs = resource(
  'docs',
  ROUTES.docs,
  { tag: { name: 'Documentation', description: 'This.' } },
  {
    openapi: {
      summary: 'This description, as OpenAPI 3.1',
      open: true,
      answers: { 200: json('The document.', z.looseObject({ openapi: z.string() })) },
      curl: '$API/openapi.json',
    },
    page: {
      summary: 'This description, as a page',
      open: true,
      answers: {
        200: raw('The page.', { 'text/html': z.string() }),
      },
      curl: '$API/docs',
    },
  },
);
