// The API's description, OpenAPI 3.1, made from the very operations that the edge serves.
import { createDocument, type ZodOpenApiOverrideContext } from 'zod-openapi';
import { operations } from '../../../shared/api/api.ts';
import { ClientMessage } from '../../../shared/protocol.ts';
import { JsonValue } from '../../../shared/schemas/common.ts';
import { apiPaths } from './paths.ts';
import type { ApiDocument } from './shape.ts';

const DESCRIPTION = `Distributed jobs that any browser can help with. JSON in and out unless said otherwise.

Every refusal is an RFC 9457 problem (application/problem+json) whose \`code\` is one of a closed list.
Lists are \`{"items": […], "next": cursor or null}\` and take \`limit\` and \`cursor\`.
Bodies of JSON and NDJSON may come with \`Content-Encoding: gzip\`, within the same bounds; another encoding is refused.
A condition (If-Match and the like) that an operation does not list is refused, never ignored.
Where a deployment has API_TOKENS set, send one of them as a bearer token; without that secret only loopback hosts are served.`;

export function apiDocument(version: string): ApiDocument {
  const document: Parameters<typeof createDocument>[0] = {
    openapi: '3.1.0',
    info: { title: 'Manyhands', version, description: DESCRIPTION },
    servers: [{ url: '/' }],
    tags: [...new Map(operations().map(({ tag }) => [tag.name, tag])).values()],
    security: [{ bearer: [] }],
    paths: apiPaths(),
    components: {
      schemas: { VolunteerMessage: ClientMessage },
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'One of the tokens in the deployment’s secret API_TOKENS.',
        },
      },
    },
  };
  return withPlainJson(JSON.stringify(createDocument(document, { override: allowMoreFields })));
}

/** Answers may gain fields: a client that refuses those it does not know would break with the next version. */
function allowMoreFields({ jsonSchema, zodSchema, io }: ZodOpenApiOverrideContext): void {
  const { def } = zodSchema._zod;
  if (io === 'output' && def.type === 'object' && !def.catchall) {
    delete jsonSchema.additionalProperties;
  }
}

/** Any JSON is the empty schema. Generated, it is a recursive union, twice, that tells a reader nothing. */
function withPlainJson(text: string): ApiDocument {
  const prefix = '"#/components/schemas/';
  const document = JSON.parse(
    text.replaceAll(`${prefix}JsonOutput"`, `${prefix}Json"`),
  ) as ApiDocument;
  const { schemas } = document.components;
  for (const name of Object.keys(schemas)) {
    if (name.startsWith('__') || name === 'JsonOutput') delete schemas[name];
  }
  schemas['Json'] = { description: JsonValue.description ?? '' };
  return document;
}
