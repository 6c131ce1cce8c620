// The operations of the contract as paths of an OpenAPI document. What all have in common (problems by status,
// access, the curl example) is filled in here.
import * as z from 'zod';
import type {
  ZodOpenApiOperationObject,
  ZodOpenApiPathsObject,
  ZodOpenApiResponseObject,
  ZodOpenApiResponsesObject,
} from 'zod-openapi';
import { operations } from '../../../shared/api/api.ts';
import type { Answer, Operation, Schemas } from '../../../shared/api/operation.ts';
import { type ProblemCode, Problem, PROBLEMS } from '../../../shared/schemas/problem.ts';

export const CURL_BASE = 'http://localhost:8787';

export function apiPaths(): ZodOpenApiPathsObject {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const operation of operations()) {
    const path = operation.path.replace(/:(\w+)/g, '{$1}');
    (paths[path] ??= {})[operation.method.toLowerCase()] = described(operation);
  }
  return paths;
}

function described(operation: Operation): ZodOpenApiOperationObject {
  const { id, tag, summary, description, open, params, query, headers, body, answers, curl } =
    operation;
  const codes: ProblemCode[] = [
    ...(operation.problems ?? []),
    ...(open ? [] : (['unauthorized', 'forbidden'] as const)),
    'internal',
  ];
  const requestParams = {
    ...(Object.keys(params).length > 0 && { path: z.object(params) }),
    ...(query && { query }),
    ...(headers && { header: headers }),
  };
  return {
    operationId: id,
    tags: [tag.name],
    summary,
    ...(description !== undefined && { description }),
    ...(open && { security: [] }),
    ...(Object.keys(requestParams).length > 0 && { requestParams }),
    ...(body && {
      requestBody: {
        ...(body.description !== undefined && { description: body.description }),
        ...(body.required !== undefined && { required: body.required }),
        content: contentOf(body.content),
      },
    }),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, one]) => [status, shown(one)])),
      ...problemAnswers(codes),
    },
    'x-codeSamples': [
      {
        lang: 'Shell',
        label: 'curl',
        source: `curl ${curl.replaceAll('$API', `${CURL_BASE}/api`)}`,
      },
    ],
  };
}

function shown(answer: Answer): ZodOpenApiResponseObject {
  const { description } = answer;
  if (answer.kind === 'nothing') return { description };
  if (answer.kind === 'live') {
    return { description, content: contentOf({ 'text/event-stream': z.string() }) };
  }
  const content = answer.kind === 'raw' ? answer.content : { 'application/json': answer.schema };
  const { headers } = answer;
  return {
    description,
    ...(Object.keys(content).length > 0 && { content: contentOf(content) }),
    ...(headers && { headers }),
  };
}

const contentOf = (content: Schemas) =>
  Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }]));

function problemAnswers(codes: ProblemCode[]): ZodOpenApiResponsesObject {
  const byStatus = Map.groupBy(new Set(codes), (code) => PROBLEMS[code][0]);
  const answers: ZodOpenApiResponsesObject = {};
  for (const [status, same] of byStatus) {
    answers[`${status}` as '400'] = {
      description: same.map((code) => `\`${code}\`: ${PROBLEMS[code][1]}`).join('; '),
      content: { 'application/problem+json': { schema: Problem } },
    };
  }
  return answers;
}
