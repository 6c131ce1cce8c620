// How an operation is described: briefly, by what is its own. What all have in common (problems by status,
// access, the curl example) is filled in here.
import * as z from 'zod';
import type { ZodOpenApiOperationObject, ZodOpenApiResponsesObject } from 'zod-openapi';
import { type ProblemCode, Problem, PROBLEMS } from '../../shared/schemas/problem.ts';

export const CURL_BASE = 'http://localhost:8787';

export interface Description {
  /** Unique; the anchor on the documentation page. */
  id: string;
  tag: string;
  summary: string;
  description?: string;
  /** Open to anybody: neither token nor loopback host is asked for. */
  open?: boolean;
  params?: NonNullable<ZodOpenApiOperationObject['requestParams']>;
  body?: NonNullable<ZodOpenApiOperationObject['requestBody']>;
  answers: ZodOpenApiResponsesObject;
  /** Codes of problems that are this operation's own. */
  problems?: ProblemCode[];
  /** Arguments of curl, with $API for the base address. */
  curl: string;
}

export function operation(described: Description): ZodOpenApiOperationObject {
  const { id, tag, summary, description, open, params, body, answers, problems, curl } = described;
  const codes: ProblemCode[] = [
    ...(problems ?? []),
    ...(open ? [] : (['unauthorized', 'forbidden'] as const)),
    'internal',
  ];
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(open ? { security: [] } : {}),
    ...(params ? { requestParams: params } : {}),
    ...(body ? { requestBody: body } : {}),
    responses: { ...answers, ...problemAnswers(codes) },
    'x-codeSamples': [
      {
        lang: 'Shell',
        label: 'curl',
        source: `curl ${curl.replaceAll('$API', `${CURL_BASE}/api`)}`,
      },
    ],
  };
}

function problemAnswers(codes: ProblemCode[]): ZodOpenApiResponsesObject {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of new Set(codes)) {
    const [status] = PROBLEMS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const answers: ZodOpenApiResponsesObject = {};
  for (const [status, same] of byStatus) {
    answers[`${status}` as '400'] = {
      description: same.map((code) => `\`${code}\`: ${PROBLEMS[code][1]}`).join('; '),
      content: { 'application/problem+json': { schema: Problem } },
    };
  }
  return answers;
}

export const json = (description: string, schema: z.ZodType) => ({
  description,
  content: { 'application/json': { schema } },
});

const BINARY = z.string().meta({ override: { type: 'string', format: 'binary' } });

/** Bytes of any type, as a body or an answer. */
export const bytes = (description: string) => ({
  description,
  content: { 'application/octet-stream': { schema: BINARY } },
});

/** The header that says where a new resource lies. */
export const location = (what: string) =>
  z.object({ location: z.string().meta({ description: `The path of the ${what}.` }) });

export const nothing = (description: string) => ({ description });
