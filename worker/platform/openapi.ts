// The API's description, OpenAPI 3.1, made from the very schemas that validate requests. Every route is in it:
// a test compares it with the app.
import { createDocument, type ZodOpenApiOverrideContext } from 'zod-openapi';
import { ClientMessage } from '../../shared/protocol.ts';
import { JsonValue } from '../../shared/schemas/common.ts';
import { claimPaths } from './openapi-claims.ts';
import { datasetPaths } from './openapi-datasets.ts';
import { jobPaths } from './openapi-jobs.ts';
import { leasePaths } from './openapi-leases.ts';
import { processorPaths } from './openapi-processors.ts';
import { runPaths } from './openapi-runs.ts';
import { schedulePaths } from './openapi-schedules.ts';
import { servicePaths } from './openapi-services.ts';
import type { ApiDocument } from './openapi-shape.ts';
import { streamPaths } from './openapi-streams.ts';
import { swarmPaths } from './openapi-swarm.ts';

const DESCRIPTION = `Distributed jobs that any browser can help with. JSON in and out unless said otherwise.

Every refusal is an RFC 9457 problem (application/problem+json) whose \`code\` is one of a closed list.
Lists are \`{"items": […], "next": cursor or null}\` and take \`limit\` and \`cursor\`.
Where a deployment has API_TOKENS set, send one of them as a bearer token; without that secret only loopback hosts are served.`;

export function apiDocument(version: string): ApiDocument {
  const document: Parameters<typeof createDocument>[0] = {
    openapi: '3.1.0',
    info: { title: 'Manyhands', version, description: DESCRIPTION },
    servers: [{ url: '/' }],
    tags: [
      { name: 'Datasets', description: 'Bytes that jobs read.' },
      { name: 'Jobs', description: 'Short-lived work, and what comes of it.' },
      { name: 'Streams', description: 'Logs of events, in order by key, that can be read again.' },
      { name: 'Claims', description: 'Payloads that are too large for an event.' },
      { name: 'Processors', description: 'Code that reads streams as events come.' },
      {
        name: 'Services',
        description: 'What processors may ask: the playground’s own User Service.',
      },
      { name: 'Schedules', description: 'Jobs that read streams again, by cron.' },
      { name: 'Swarm', description: 'Who lends cores, and how many.' },
      { name: 'Leases', description: 'The data routes of the volunteers.' },
      { name: 'Documentation', description: 'This.' },
    ],
    security: [{ bearer: [] }],
    paths: {
      ...datasetPaths,
      ...jobPaths,
      ...runPaths,
      ...streamPaths,
      ...claimPaths,
      ...processorPaths,
      ...servicePaths,
      ...schedulePaths,
      ...swarmPaths,
      ...leasePaths,
    },
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

/** Any JSON is the empty schema. Generated, it is a recursive union, twice, that tells nobody anything. */
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
