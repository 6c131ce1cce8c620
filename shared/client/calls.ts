// The calls of a client: one for every route, made from the table, typed by the operations' own schemas.
import type * as z from 'zod';
import type { Api } from '../api/api.ts';
import { type Route, ROUTES, type Routes } from '../api/routes.ts';
import type { Http } from './http.ts';
import { follow, type LiveMessage, type LiveOptions, wait } from './live.ts';
import type { Bytes, OnProgress } from './upload.ts';

type PathArgs<Path extends string> = Path extends `${string}:${string}/${infer Rest}`
  ? [name: string, ...PathArgs<Rest>]
  : Path extends `${string}:${string}`
    ? [name: string]
    : [];

/** What stands as text in a query may be written as the value that it says. */
type Written<Value> = Value extends 'true' | 'false' ? Value | boolean : Value;
type QueryShape<Input, Output> = {
  [Name in keyof Input]: Written<Output[Name & keyof Output]> | undefined;
};
type QueryOf<Of> = Of extends { query: infer Query extends z.ZodType }
  ? QueryShape<z.input<Query>, z.output<Query>>
  : unknown;

/** Of what comes in several forms a call takes JSON; the others are read by their address. */
type CalledWith<Of, At> = At extends { answer: string }
  ? QueryOf<Of>
  : Of extends { answers: { 200: { kind: 'raw' } } }
    ? Omit<QueryOf<Of>, 'format'>
    : QueryOf<Of>;

type HeadersOf<Of> = Of extends { headers: infer Headers extends z.ZodType }
  ? Partial<z.output<Headers>> & Record<string, string | undefined>
  : Record<string, string | undefined>;

type OptionsOf<Of, At> = CalledWith<Of, At> & { signal?: AbortSignal | undefined } & (Of extends {
    answer: 'live';
  }
    ? LiveOptions
    : { headers?: HeadersOf<Of> }) &
  (Of extends { body: { content: { 'application/octet-stream': z.ZodType } } }
    ? { contentType?: string; onProgress?: OnProgress | undefined }
    : unknown);

type BodyArgs<Of> = Of extends { body: { content: { 'application/json': infer Schema } } }
  ? Of extends { body: { absent: unknown } }
    ? [body?: z.input<Schema>]
    : [body: z.input<Schema>]
  : Of extends { body: object }
    ? [body: Bytes]
    : [];

type LastArg<Options> = object extends Options ? [options?: Options] : [options: Options];

type ValueOf<Answer> = Answer extends { kind: 'json'; schema: infer Schema }
  ? z.output<Schema>
  : Answer extends { content: { 'application/json': infer Schema } }
    ? z.output<Schema>
    : void;
type ResultOf<Of, At> = At extends { answer: 'raw' }
  ? Promise<Response>
  : At extends { answer: 'live' }
    ? Of extends { answers: { 200: { data: infer Data } } }
      ? AsyncGenerator<LiveMessage<z.output<Data>>, void, undefined>
      : never
    : Of extends { answers: infer Answers }
      ? Promise<ValueOf<Answers[keyof Answers]>>
      : never;

/** A call: names of the path in their order, then the body, then query and options. */
export interface Call<Of, At extends Route> {
  (
    ...args: [...PathArgs<At['path']>, ...BodyArgs<Of>, ...LastArg<OptionsOf<Of, At>>]
  ): ResultOf<Of, At>;
  /** The address of the call, for links. */
  url(...args: [...PathArgs<At['path']>, ...LastArg<QueryOf<Of>>]): string;
}

/** A WebSocket is opened by its address. */
type Socket<At extends Route> = { url(...args: PathArgs<At['path']>): string };

export type Calls = {
  [Group in keyof Api]: {
    [Name in keyof Api[Group]]: Name extends keyof Routes[Group]
      ? Routes[Group][Name] extends infer At extends Route
        ? At extends { answer: 'socket' }
          ? Socket<At>
          : Call<Api[Group][Name], At>
        : never
      : never;
  };
};

type Query = Record<string, unknown>;
interface Options extends Query {
  signal?: AbortSignal;
  headers?: Record<string, string>;
  contentType?: string;
  onProgress?: OnProgress;
}

function address(route: Route, args: unknown[], query: Query): string {
  let next = 0;
  const path = route.path.replace(/:\w+/g, () => encodeURIComponent(String(args[next++])));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) search.set(name, String(value));
  }
  return search.size > 0 ? `${path}?${search}` : path;
}

function callOf(http: Http, route: Route) {
  const names = route.path.split(':').length - 1;
  const url = (...args: unknown[]) => http.url + address(route, args, (args[names] ?? {}) as Query);
  const call = (...args: unknown[]) => {
    const [body, last] = route.body ? args.slice(names) : [undefined, args[names]];
    const { signal, headers, contentType, onProgress, ...query } = (last ?? {}) as Options;
    const { method } = route;
    const common = { method, ...(signal && { signal }), headers: headers ?? {} };
    if (route.answer === 'live') return live(http, route, args, { ...query, signal });
    const path = address(route, args, query);
    if (route.answer === 'raw') return http.request(path, common);
    if (route.body === 'bytes') {
      return http.send(path, { ...common, contentType, onProgress, body: body as Bytes });
    }
    return http.json(path, common, body);
  };
  return Object.assign(call, { url });
}

function live(http: Http, route: Route, args: unknown[], options: Query & LiveOptions) {
  const { signal, lastEventId, onState, ...query } = options;
  const path = address(route, args, query);
  const open = (lastId: string) =>
    http.request(path, {
      headers: { accept: 'text/event-stream', ...(lastId !== '' && { 'last-event-id': lastId }) },
      ...(signal && { signal }),
    });
  return follow({ open, wait, random: Math.random }, { signal, lastEventId, onState });
}

export function callsOf(http: Http): Calls {
  const groups = Object.entries<Record<string, Route>>(ROUTES).map(([group, routes]) => {
    const calls = Object.entries(routes).map(([name, route]) => [name, callOf(http, route)]);
    return [group, Object.fromEntries(calls)] as const;
  });
  return Object.fromEntries(groups) as Calls;
}
