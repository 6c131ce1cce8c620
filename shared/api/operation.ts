// How an operation is described: once, for the edge that serves it, the document that tells of it and the client
// that calls it. The types carry the schemas, so that none of the three can say something else.
import * as z from 'zod';
import { IDEMPOTENCY_KEY_MAX_CHARS } from '../limits.ts';
import type { ProblemCode } from '../schemas/problem.ts';
import type { Route } from './routes.ts';

export type Schemas = Readonly<Record<string, z.ZodType>>;

/** A value that the edge writes as JSON. */
export interface JsonAnswer<Schema extends z.ZodType = z.ZodType> {
  kind: 'json';
  description: string;
  schema: Schema;
  headers?: z.ZodObject;
}
/** What the edge writes by itself: streamed, or in one of several types. */
export interface RawAnswer<Content extends Schemas = Schemas> {
  kind: 'raw';
  description: string;
  content: Content;
  headers?: z.ZodObject;
}
/** Server-sent events, whose `data` is JSON. */
export interface LiveAnswer<Data extends z.ZodType = z.ZodType> {
  kind: 'live';
  description: string;
  data: Data;
}
export interface NoAnswer {
  kind: 'nothing';
  description: string;
}
export type Answer = JsonAnswer | RawAnswer | LiveAnswer | NoAnswer;

export interface Body<Content extends Schemas = Schemas> {
  content: Content;
  description?: string;
  required?: boolean;
  /** JSON bodies: what no body at all stands for; without it, a body is needed. */
  absent?: unknown;
  /** JSON bodies: instead of JSON_BODY_MAX_BYTES. */
  maxBytes?: number;
}

type ParamNames<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamNames<Rest>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;

export interface Described<Of extends Route = Route> {
  summary: string;
  description?: string;
  /** Open to anybody: neither token nor loopback host is asked for. */
  open?: true;
  /** Where a name in the path is more than its resource says. */
  params?: { readonly [Name in ParamNames<Of['path']>]?: z.ZodType };
  query?: z.ZodObject;
  /** What reads a header checks it; but conditional headers that do not stand here are refused. */
  headers?: z.ZodObject;
  body?: Body;
  /** The route reads and checks query and body by itself. */
  readsItself?: true;
  answers: { readonly [Status in 101 | 200 | 201 | 202 | 204 | 206 | 304]?: Answer };
  /** Codes of problems that are this operation's own. */
  problems?: readonly ProblemCode[];
  /** Arguments of curl, with $API for the base address. */
  curl: string;
}

export interface Tag {
  name: string;
  description: string;
}
/** What the operations of a resource have in common. */
export interface Resource {
  tag: Tag;
  /** The names in their paths. A `title` says what problems call one. */
  params?: Schemas;
}

type Params<Of extends Route, As extends Described, In extends Resource> = {
  [Name in ParamNames<Of['path']>]: Name extends keyof As['params']
    ? As['params'][Name]
    : Name extends keyof In['params']
      ? In['params'][Name]
      : never;
};

export type Operation<
  Of extends Route = Route,
  As extends Described = Described,
  In extends Resource = Resource,
> = Of &
  Omit<As, 'params'> & {
    params: Params<Of, As, In>;
    /** `resource.name`: how the client calls it, and the anchor on the documentation page. */
    id: string;
    tag: Tag;
  };

type HasBody<Of extends Route> = Of extends { body: string } ? { body: Body } : { body?: never };

/** Describes the operations of a resource: every one of its routes, and no other. */
export function resource<
  const Of extends Readonly<Record<string, Route>>,
  const In extends Resource,
  const As extends { [Name in keyof Of]: Described<Of[Name]> & HasBody<Of[Name]> } & {
    [Name in Exclude<keyof As, keyof Of>]: never;
  },
>(group: string, routes: Of, { tag, params = {} }: In, described: As) {
  const operations = Object.entries(routes).map(([name, route]) => {
    const own = described[name] as Described;
    const names = [...route.path.matchAll(/:(\w+)/g)].map(([, param]) => param as string);
    const all: Partial<Schemas> = { ...params, ...own.params };
    const inPath = Object.fromEntries(names.map((param) => [param, all[param]]));
    return [name, { ...route, ...own, params: inPath, id: `${group}.${name}`, tag }] as const;
  });
  return Object.fromEntries(operations) as unknown as {
    [Name in keyof Of]: Operation<Of[Name], As[Name], In>;
  };
}

export const json = <Schema extends z.ZodType>(
  description: string,
  schema: Schema,
): JsonAnswer<Schema> => ({ kind: 'json', description, schema });

/** With the header that says where the new resource lies. */
export const created = <Schema extends z.ZodType>(
  description: string,
  schema: Schema,
  what: string,
): JsonAnswer<Schema> => ({
  ...json(description, schema),
  headers: z.object({ location: z.string().meta({ description: `The path of the ${what}.` }) }),
});

export const raw = <const Content extends Schemas>(
  description: string,
  content: Content,
): RawAnswer<Content> => ({ kind: 'raw', description, content });

export const live = <Data extends z.ZodType>(
  description: string,
  data: Data,
): LiveAnswer<Data> => ({ kind: 'live', description, data });

export const nothing = (description: string): NoAnswer => ({ kind: 'nothing', description });

const BINARY = {
  'application/octet-stream': z.string().meta({ override: { type: 'string', format: 'binary' } }),
};

/** Bytes of any type, as an answer. */
export const bytes = (description: string, headers?: z.ZodObject) => ({
  ...raw(description, BINARY),
  ...(headers && { headers }),
});

/** Bytes of any type, as a body. */
export const bytesBody = (description: string) => ({
  description,
  required: true,
  content: BINARY,
});

export const jsonBody = <Schema extends z.ZodType>(schema: Schema) => ({
  required: true,
  content: { 'application/json': schema },
});

/** A body that may be left out. */
export const optionalBody = <Schema extends z.ZodType>(
  schema: Schema,
  absent: z.input<Schema>,
  maxBytes?: number,
) => ({
  required: false,
  content: { 'application/json': schema },
  absent,
  ...(maxBytes !== undefined && { maxBytes }),
});

/** Of a resource whose answers have an ETag. */
export const EtagConditions = z.object({
  'if-match': z.string().optional(),
  'if-none-match': z.string().optional(),
});

export const IdempotencyKey = z.object({
  'idempotency-key': z.string().min(1).max(IDEMPOTENCY_KEY_MAX_CHARS).optional(),
});
