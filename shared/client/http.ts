// Requests with a token, and answers as values or as problems.
import type { Problem } from '../schemas/problem.ts';
import { ApiProblem, problemOf, UNREACHED } from './problem.ts';
import { type Bytes, type OnProgress, sendBytes } from './upload.ts';

export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

export interface ClientOptions {
  /** The bearer token, where the edge wants one. */
  token?: string | (() => string | undefined) | undefined;
  fetch?: Fetch | undefined;
  /** Told of every problem before it is thrown. */
  onProblem?: ((problem: Problem) => void) | undefined;
}

export interface Request {
  method?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export class Http {
  /** Without a slash at its end; empty: where the page itself comes from. */
  readonly url: string;
  readonly #token: () => string | undefined;
  readonly #fetch: Fetch;
  readonly #onProblem: (problem: Problem) => void;

  constructor(url: string, { token, fetch: fetcher, onProblem }: ClientOptions) {
    this.url = url.replace(/\/+$/, '');
    this.#token = typeof token === 'function' ? token : () => token;
    this.#fetch = fetcher ?? ((to, init) => fetch(to, init));
    this.#onProblem = onProblem ?? (() => undefined);
  }

  /** What stands behind the client's own address. */
  pathOf(url: string): string {
    return url.slice(this.url.length);
  }

  /** Resolves with an answer that is no refusal; throws ApiProblem otherwise. */
  async request(path: string, init: Request & { body?: string } = {}): Promise<Response> {
    const headers = this.#headers(init.headers);
    return this.#checked(init.signal, () => this.#fetch(this.url + path, { ...init, headers }));
  }

  /** The answer's JSON; undefined where there is none. */
  async json(path: string, init: Request, body: unknown): Promise<unknown> {
    const headers = { 'content-type': 'application/json', ...init.headers };
    const sent = body === undefined ? init : { ...init, headers, body: JSON.stringify(body) };
    const text = await (await this.request(path, sent)).text();
    return text === '' ? undefined : JSON.parse(text);
  }

  async send(
    path: string,
    init: Request & {
      method: string;
      body: Bytes;
      contentType?: string | undefined;
      onProgress?: OnProgress | undefined;
    },
  ): Promise<unknown> {
    const { body, contentType, signal } = init;
    const own = body instanceof Blob ? body.type : '';
    const type = contentType ?? (own || 'application/octet-stream');
    const headers = this.#headers({ 'content-type': type, ...init.headers });
    const sending = { ...init, headers };
    const sent = await this.#checked(signal, () =>
      sendBytes(this.url + path, sending, this.#fetch),
    );
    return sent.json();
  }

  #headers(own: Record<string, string> = {}): Record<string, string> {
    const token = this.#token();
    return { ...(token && { authorization: `Bearer ${token}` }), ...own };
  }

  async #checked<Answer extends { status: number; json(): Promise<unknown> }>(
    signal: AbortSignal | undefined,
    send: () => Promise<Answer>,
  ): Promise<Answer> {
    let answer: Answer;
    try {
      answer = await send();
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#problem(UNREACHED, error);
    }
    if (answer.status < 400) return answer;
    const body: unknown = await answer.json().catch(() => null);
    throw this.#problem(problemOf(answer.status, body));
  }

  #problem(problem: Problem, cause?: unknown): ApiProblem {
    this.#onProblem(problem);
    return new ApiProblem(problem, { cause });
  }
}
