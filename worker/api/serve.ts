// Serves the operations of the contract. What a request carries goes through the operation's schemas before its
// handler sees it, and a handler that answers something else than the operation says does not compile.
import { type Context, Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type * as z from 'zod';
import { API, type Api } from '../../shared/api/api.ts';
import type { Operation, JsonAnswer, NoAnswer, RawAnswer } from '../../shared/api/operation.ts';
import type { AppEnv, Env } from '../platform/env.ts';
import { conditionsOf } from '../platform/conditions.ts';
import { parse } from '../platform/parse.ts';
import { jsonBody, jsonBodyOr } from '../platform/validate.ts';

/** A value, with a status and headers of its own. */
export class Reply<Status extends number, Value> {
  readonly status: Status;
  readonly value: Value;
  readonly headers: Record<string, string>;
  constructor(status: Status, value: Value, headers: Record<string, string> = {}) {
    this.status = status;
    this.value = value;
    this.headers = headers;
  }
}

/** 201, and where the new resource lies. */
export const created = <Value>(value: Value, location: string): Reply<201, Value> =>
  new Reply(201, value, { location });

type Output<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;
type BodyOf<Of> = Of extends { body: { content: { 'application/json': infer Schema } } }
  ? Output<Schema>
  : undefined;

/** What a handler gets of a request: checked. */
export interface Asked<Of extends Operation> {
  c: Context<AppEnv>;
  env: Env;
  params: { [Name in keyof Of['params']]: Output<Of['params'][Name]> };
  query: Of extends { readsItself: true } ? undefined : Output<Of['query']>;
  body: Of extends { readsItself: true } ? undefined : BodyOf<Of>;
  /** A client that goes away ends its request; what was begun must still be finished, or undone. */
  outlive<Value>(work: Promise<Value>): Promise<Value>;
}

type ValueOf<One> =
  One extends JsonAnswer<infer Schema>
    ? z.output<Schema>
    : One extends NoAnswer
      ? undefined
      : One extends RawAnswer<infer Content>
        ? Response | (Content extends { 'application/json': infer Schema } ? Output<Schema> : never)
        : Response;

/** `true` for a union of several. */
type IsSeveral<Union, Copy = Union> = Union extends Copy
  ? [Copy] extends [Union]
    ? false
    : true
  : never;

type Replies<Answers> = {
  [Status in keyof Answers]: Reply<Status & number, ValueOf<Answers[Status]>>;
}[keyof Answers];

/** What a handler answers: the value, where there is one status; a reply that names it, where there are more. */
export type Answered<Of extends Operation> =
  Extract<Of['answers'][keyof Of['answers']], { kind: 'raw' | 'live' }> extends never
    ? IsSeveral<keyof Of['answers']> extends true
      ? Replies<Of['answers']>
      : ValueOf<Of['answers'][keyof Of['answers']]> | Replies<Of['answers']>
    : ValueOf<Exclude<Of['answers'][keyof Of['answers']], NoAnswer>>;

export type Handler<Of extends Operation> = (
  asked: Asked<Of>,
) => Answered<Of> | Promise<Answered<Of>>;

/** One handler for every operation of a resource. */
export type Handlers<Group extends keyof Api> = {
  [Name in keyof Api[Group]]: Api[Group][Name] extends Operation
    ? Handler<Api[Group][Name]>
    : never;
};

export function serve<Group extends keyof Api>(group: Group, handlers: Handlers<Group>) {
  const routes = new Hono<AppEnv>();
  const byName: Record<string, (asked: never) => unknown> = handlers;
  for (const [name, operation] of Object.entries<Operation>(API[group])) {
    const handler = byName[name] as (asked: Parsed) => unknown;
    const statusOfValue = Number(Object.keys(operation.answers)[0]) as ContentfulStatusCode;
    routes.on(operation.method, operation.path, async (c) => {
      const answer = await handler(await asked(c, operation));
      if (answer instanceof Response) return answer;
      if (answer === undefined) return c.body(null, 204);
      if (!(answer instanceof Reply)) return c.json(answer, statusOfValue);
      const reply: Reply<number, unknown> = answer;
      return c.json(reply.value, reply.status as ContentfulStatusCode, reply.headers);
    });
  }
  return routes;
}

/** What `Asked` promises, for any operation. */
interface Parsed extends Pick<Asked<Operation>, 'c' | 'env' | 'outlive'> {
  params: Record<string, unknown>;
  query: unknown;
  body: unknown;
}

async function asked(c: Context<AppEnv>, operation: Operation): Promise<Parsed> {
  const { params, query, readsItself, headers } = operation;
  conditionsOf(c.req.raw.headers, Object.keys(headers?.shape ?? {}));
  const inPath = Object.entries<z.ZodType>(params).map(([name, schema]) => {
    const value = c.req.param(name);
    return [name, parse(schema, value, schema.meta()?.title ?? name)] as const;
  });
  return {
    c,
    env: c.env,
    params: Object.fromEntries(inPath),
    query: readsItself ? undefined : query && parse(query, c.req.query(), 'query'),
    body: readsItself ? undefined : await bodyOf(c, operation),
    outlive(work) {
      c.executionCtx.waitUntil(work.catch(() => undefined));
      return work;
    },
  };
}

async function bodyOf({ req }: Context<AppEnv>, { body }: Operation): Promise<unknown> {
  const schema = body?.content['application/json'];
  if (!body || !schema) return undefined;
  const value = await (body.absent === undefined
    ? jsonBody(req.raw, body.maxBytes)
    : jsonBodyOr(body.absent, req.raw, body.maxBytes));
  return parse(schema, value, 'body');
}
