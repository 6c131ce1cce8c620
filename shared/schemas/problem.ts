// RFC 9457 problem details with a closed list of codes. The code is what clients switch on;
// title and status follow from it.
import * as z from 'zod';

/** code → [HTTP status, title]. The only list of error codes; documented in the API page from here. */
export const PROBLEMS = {
  invalid_request: [400, 'The request is not valid'],
  bad_program: [400, 'The program cannot be used'],
  unauthorized: [401, 'A bearer token is needed'],
  forbidden: [403, 'Not allowed'],
  cycle: [400, 'The definition would go round in a circle'],
  unknown_step: [400, 'A step needs one that is not there'],
  bad_lease: [403, 'The lease is not valid'],
  not_found: [404, 'No such resource'],
  method_not_allowed: [405, 'This resource has no such method'],
  conflict: [409, 'The resource is not in a state that allows this'],
  gone: [410, 'The resource no longer exists'],
  length_required: [411, 'Content-Length is needed'],
  precondition_failed: [412, 'The resource is not as the conditions of the request say'],
  too_large: [413, 'Past a documented bound'],
  unsupported_encoding: [415, 'The Content-Encoding of the body is not one that is undone'],
  range_not_satisfiable: [416, 'The range lies outside the resource'],
  bad_spill: [422, 'The spill is not what its digest says'],
  upgrade_required: [426, 'This resource speaks WebSocket'],
  rate_limited: [429, 'Too many requests'],
  stream_full: [507, 'The stream holds all that it may'],
  internal: [500, 'Something broke on our side'],
  unavailable: [503, 'Not available at the moment'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof PROBLEMS;
export const PROBLEM_CODES = Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]];

export const FieldError = z.object({
  path: z.string().meta({ description: 'Where in the request, as a dotted path' }),
  message: z.string(),
});

export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.enum(PROBLEM_CODES),
    errors: z.array(FieldError),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details' });
export type Problem = z.infer<typeof Problem>;
export type FieldError = z.infer<typeof FieldError>;
