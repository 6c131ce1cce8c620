// What the code of a processor, or of a step, may ask of the world, and nothing else: the services it declares, and the payloads of
// claims. The isolate has no network of its own; every call comes through here and is bounded here, whatever
// the code in the isolate has done to the runner there.
//
// Services are fetched plainly: no credentials, no redirects followed. A person who may define a processor may name
// any address that the deployment can reach; an event's key never chooses the host.
import {
  EVENT_KEY_MAX_BYTES,
  SERVICE_ANSWER_MAX_BYTES,
  SERVICE_CALLS_MAX,
  SERVICE_CALLS_WAITING_MAX,
  SERVICE_TIMEOUT_MS,
} from '../../shared/limits.ts';
import { messageOf } from '../../shared/message-of.ts';
import type { Json } from '../../shared/schemas/common.ts';
import { Gate } from '../../shared/sandbox/gate.ts';
import type { HostAnswer, ProcessHost } from '../../shared/sandbox/host.ts';
import { readPayload } from '../claim-check/claims.edge.ts';
import type { Env } from '../platform/env.ts';
import { answerService } from '../demo-services/answer.edge.ts';
import type { ConsumerConfig } from '../contracts/consumer.rpc.ts';

type Services = ConsumerConfig['services'];

/** A host for one run; `who` declared the services. Plain functions: they cross to the isolate as stubs that end with the call. */
export function processHost(env: Env, services: Services, who = 'processor'): ProcessHost {
  const gate = new Gate(SERVICE_CALLS_MAX, 0, () => 0);
  const inTurn = async <Value>(work: () => Promise<Value>): Promise<HostAnswer<Value>> => {
    if (gate.waiting >= SERVICE_CALLS_WAITING_MAX) {
      return { ok: false, message: 'too many calls wait at once' };
    }
    await new Promise<void>((resolve) => gate.enter(0, 0, resolve));
    try {
      return { ok: true, value: await work() };
    } catch (error) {
      return { ok: false, message: messageOf(error) };
    } finally {
      gate.leave();
    }
  };
  return {
    call: (service, key) => inTurn(() => callService(env, services, service, key, who)),
    payload: (token) => inTurn(() => readPayload(env, token)),
  };
}

async function callService(
  env: Env,
  services: Services,
  service: string,
  key: string,
  who: string,
): Promise<Json> {
  // In the local runtime, where little of this leaves the process, timers fire only when nothing else is to be done:
  // code that calls without end would never be stopped.
  await scheduler.wait(0);
  const declared = Object.hasOwn(services, service) ? services[service] : undefined;
  if (!declared) {
    const names = Object.keys(services).join(', ') || 'none';
    throw new Error(`service ${service} is not declared by this ${who} (declared: ${names})`);
  }
  const url = addressOf(declared.url, key);
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | null = null;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`service ${service} did not answer within ${SERVICE_TIMEOUT_MS} ms`));
      abort.abort();
    }, SERVICE_TIMEOUT_MS);
  });
  try {
    return await Promise.race([answerOf(env, service, url, abort.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function answerOf(
  env: Env,
  service: string,
  url: string,
  signal: AbortSignal,
): Promise<Json> {
  const response = await ask(env, service, url, signal);
  if (response.status === 404) {
    await response.body?.cancel();
    return null;
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`service ${service} answered ${response.status}`);
  }
  const text = await boundedText(response, service);
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new Error(`service ${service} did not answer with JSON`);
  }
}

async function ask(env: Env, service: string, url: string, signal: AbortSignal): Promise<Response> {
  // Never over the network: a Worker cannot fetch itself.
  if (url.startsWith('/')) return answerService(env, url);
  const headers = { accept: 'application/json' };
  try {
    return await fetch(url, { headers, redirect: 'manual', signal });
  } catch (error) {
    const reason = messageOf(error);
    throw new Error(`service ${service} cannot be reached: ${reason}`);
  }
}

/** The address with the key in it, encoded: it stays within one segment of the path, or one value of the query. */
function addressOf(template: string, key: string): string {
  if (key === '' || key === '.' || key === '..') {
    throw new Error(`a service cannot be asked for the key ${JSON.stringify(key)}`);
  }
  if (key.length > EVENT_KEY_MAX_BYTES) {
    throw new Error(`a service is asked for keys of at most ${EVENT_KEY_MAX_BYTES} bytes`);
  }
  const url = template.replaceAll('{key}', () => encodeURIComponent(key.toWellFormed()));
  if (template.startsWith('/')) return url;
  const host = (text: string) => new URL(text).host;
  if (host(url) !== host(template.replaceAll('{key}', 'key'))) {
    throw new Error('a key cannot stand in the host of a service’s address');
  }
  return url;
}

async function boundedText(response: Response, service: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  if (response.body) {
    for await (const chunk of response.body as ReadableStream<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > SERVICE_ANSWER_MAX_BYTES) {
        throw new Error(`service ${service} answered more than ${SERVICE_ANSWER_MAX_BYTES} bytes`);
      }
      text += decoder.decode(chunk, { stream: true });
    }
  }
  return text + decoder.decode();
}
