// `ctx.call` and `ctx.payload`: the two ways out of the isolate. Calls of one batch share the gate; equal calls
// that are open at the same time are asked once, and each caller gets its own copy of the answer.
import {
  PAYLOADS_HELD_MAX_BYTES,
  SERVICE_CALLS_MAX,
  SERVICE_CALLS_WAITING_MAX,
} from '../limits.ts';
import { keyText } from './strict-json.ts';
import type { Json } from '../schemas/common.ts';
import { Gate } from './gate.ts';
import {
  dictionary,
  indexIn,
  parse,
  RealError,
  RealPromise,
  RealTextDecoder,
  realNow,
  sliceOf,
  stringify,
  whenSettled,
} from './intrinsics.ts';
import type { HostAnswer, ProcessHost } from './host.ts';

/** The caller: one event, or one window. */
export interface Caller {
  readonly order: number;
  /** Its outcome is settled, or no longer wanted: it may ask for nothing more. */
  ended: boolean;
  heldBytes: number;
  /** By the claim's token. */
  payloads: Record<string, Promise<unknown>>;
}

const ENDED = 'process had ended before this call';

interface SharedCall {
  callers: Caller[];
  /** In an object, lest a value with a `then` be taken for a promise. */
  answer: Promise<{ value: Json }>;
}

export class HostCalls {
  readonly gate: Gate;
  /** When the host last answered. */
  answeredMs = realNow();
  readonly #host: ProcessHost;
  readonly #shared = dictionary<SharedCall>();
  readonly #keepPayloads: boolean;

  /** `keepPayloads`: until their event is done, for `ctx.payload` to give the same object again. */
  constructor(host: ProcessHost, first: () => number, keepPayloads: boolean) {
    this.#host = host;
    this.gate = new Gate(SERVICE_CALLS_MAX, PAYLOADS_HELD_MAX_BYTES, first);
    this.#keepPayloads = keepPayloads;
  }

  /** Resolves with the service's answer; rejects with an Error that says what the service did. */
  call(caller: Caller, service: unknown, key: unknown): Promise<unknown> {
    // Made here, where the program's own frames are on the stack: they tell the line of the call.
    const failure = new RealError('');
    return new RealPromise((resolve, reject) => {
      if (caller.ended) throw new RealError(ENDED);
      const name = String(service);
      const text = keyText(key);
      const id = `${name}\u0000${text}`;
      const shared = this.#shared[id] ?? this.#ask(id, caller, name, text);
      const { callers } = shared;
      const first = callers.length === 0;
      callers[callers.length] = caller;
      whenSettled(
        shared.answer,
        (result) => {
          const { value } = result as { value: Json };
          resolve(first && callers.length === 1 ? value : parse(stringify(value)));
        },
        (reason) => {
          failure.message = messageOf(reason);
          reject(failure);
        },
      );
    });
  }

  #ask(id: string, { order }: Caller, service: string, key: string): SharedCall {
    const callers: Caller[] = [];
    const answer = new RealPromise<{ value: Json }>((resolve, reject) => {
      const over = () => void delete this.#shared[id];
      const failed = (reason: unknown) => {
        over();
        reject(reason as Error);
      };
      this.#enter(order, 0, callers, failed, () => {
        whenSettled(
          attempt(() => this.#host.call(service, key)),
          (answer) => {
            const { ok, value, message } = fields<Json>(answer);
            this.#left();
            if (!ok) return failed(new RealError(message));
            over();
            resolve({ value });
          },
          (reason) => {
            this.#left();
            failed(reason);
          },
        );
      });
    });
    return (this.#shared[id] = { callers, answer });
  }

  /** The event's payload: what it carries, or what its claim stands for. */
  payload(caller: Caller, event: unknown): Promise<unknown> {
    const failure = new RealError('');
    return new RealPromise((resolve, reject) => {
      if (typeof event !== 'object' || event === null) {
        throw new RealError('ctx.payload takes an event');
      }
      if (caller.ended) throw new RealError(ENDED);
      const { claim, payload } = event as {
        claim?: { token?: unknown; bytes?: unknown } | null;
        payload?: unknown;
      };
      if (claim === undefined || claim === null) return resolve(payload);
      const { token, bytes } = claim;
      if (typeof token !== 'string') throw new RealError('the event’s claim has no token');
      const size = typeof bytes === 'number' && bytes > 0 ? bytes : 0;
      const opened = (caller.payloads[token] ??= this.#open(caller, token, size));
      if (!this.#keepPayloads) {
        const forget = () => void delete caller.payloads[token];
        whenSettled(opened, forget, forget);
      }
      whenSettled(opened, resolve, (reason) => {
        failure.message = messageOf(reason);
        reject(failure);
      });
    });
  }

  #open(caller: Caller, token: string, size: number): Promise<unknown> {
    return new RealPromise((resolve, reject) => {
      this.#enter(caller.order, size, [caller], reject, () => {
        // Held until the event is done; a window holds a payload while it is fetched only.
        if (this.#keepPayloads) caller.heldBytes += size;
        const over = () => {
          if (!this.#keepPayloads) this.gate.free(size);
          this.#left();
        };
        whenSettled(
          attempt(() => this.#host.payload(token)),
          (answer) => {
            over();
            try {
              const { ok, value, message } = fields<Payload>(answer);
              if (ok) resolve(valueOf(value));
              else reject(new RealError(message));
            } catch (error) {
              reject(error as Error);
            }
          },
          (reason) => {
            over();
            reject(reason as Error);
          },
        );
      });
    });
  }

  /** Whatever else the host does for a caller, in its turn; `bytes` are held meanwhile. */
  within<Value>(
    caller: Caller,
    bytes: number,
    begin: () => Promise<HostAnswer<Value>>,
  ): Promise<Value> {
    return new RealPromise((resolve, reject) => {
      this.#enter(caller.order, bytes, [caller], reject, () => {
        const over = () => {
          this.gate.free(bytes);
          this.#left();
        };
        whenSettled(
          attempt(begin),
          (answer) => {
            over();
            const { ok, value, message } = fields<Value>(answer);
            if (ok) resolve(value);
            else reject(new RealError(message));
          },
          (reason) => {
            over();
            reject(reason as Error);
          },
        );
      });
    });
  }

  /** The caller is done: what it holds is free, and what it waits for is not wanted. */
  end(caller: Caller): void {
    caller.ended = true;
    caller.payloads = dictionary();
    const { heldBytes } = caller;
    caller.heldBytes = 0;
    this.gate.free(heldBytes);
  }

  /** `go` begins the call, in its turn, unless none of the callers wants it any more. */
  #enter(
    order: number,
    bytes: number,
    callers: Caller[],
    refuse: (reason: Error) => void,
    go: () => void,
  ): void {
    if (this.gate.waiting >= SERVICE_CALLS_WAITING_MAX) {
      return refuse(new RealError(`more than ${SERVICE_CALLS_WAITING_MAX} calls wait at once`));
    }
    this.gate.enter(order, bytes, () => {
      for (let i = 0; i < callers.length; i++) if (!callers[i]?.ended) return go();
      // No caller yet: the call begins at once, before its first caller is noted.
      if (callers.length === 0) return go();
      refuse(new RealError(ENDED));
      this.gate.free(bytes);
      this.gate.leave();
    });
  }

  #left(): void {
    this.answeredMs = realNow();
    this.gate.leave();
  }
}

/** What a call throws at once becomes a rejection. */
function attempt(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return RealPromise.reject(error as Error);
  }
}

interface Payload {
  bytes: Uint8Array;
  contentType: string;
}

/** A host's answer, whichever it is. */
const fields = <Value>(answer: unknown) => answer as { ok: boolean; value: Value; message: string };

const JSON_TYPES = ['application/json', '+json'];

function valueOf({ bytes, contentType }: Payload): unknown {
  const end = indexIn(contentType, ';');
  const type = end < 0 ? contentType : sliceOf(contentType, 0, end);
  for (let i = 0; i < JSON_TYPES.length; i++) {
    if (indexIn(type, JSON_TYPES[i] as string) < 0) continue;
    return parse(new RealTextDecoder().decode(bytes)) as unknown;
  }
  return bytes;
}

function messageOf(reason: unknown): string {
  try {
    return reason instanceof RealError ? reason.message : String(reason);
  } catch {
    return 'the call failed';
  }
}
