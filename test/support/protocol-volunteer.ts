// A volunteer without a browser: speaks the protocol over a real WebSocket and maps with the real runtime, so
// that tests can do what an honest page never does: lie, hang, vanish, speak another version.
import vm from 'node:vm';
import { NEW_FUNCTION_ORIGIN } from '../../shared/sandbox/program-text.ts';
import { RUNTIME_SOURCE } from '../../shared/runtimes/mapreduce.generated.ts';
import type { MapRun } from '../../shared/mapreduce/map-run.ts';
import type { MapPlan, MapResult } from '../../shared/mapreduce/task.ts';
import {
  type ClientMessage,
  DIGEST_HEADER,
  type Grant,
  INPUT_START_HEADER,
  type LobbyMessage,
  PROTOCOL_VERSION,
  RANGE_HEADER,
} from '../../shared/protocol.ts';

interface Runtime {
  runMap(run: MapRun): Promise<MapResult>;
}

type Result = Extract<ClientMessage, { type: 'done' }>['results'][number];
const REPORT_MS = 30;

export interface Behaviour {
  id: string;
  slots?: number;
  protocol?: number;
  secret?: string;
  /** Sees each grant first; true: it is dealt with, do not map it. */
  onGrant?: (volunteer: ProtocolVolunteer, grant: Grant) => Promise<boolean> | boolean;
  /** Alters what is mapped: a lie. Gets the honest run and gives what is run instead. */
  distort?: (run: MapRun) => MapRun;
}

export class ProtocolVolunteer {
  readonly id: string;
  readonly messages: LobbyMessage[] = [];
  readonly mapped: Grant[] = [];
  readonly #url: string;
  readonly #behaviour: Behaviour;
  readonly #socket: WebSocket;
  readonly #plans = new Map<string, MapPlan>();
  readonly #programs = new Map<string, ReturnType<typeof evaluate>>();
  readonly #results: Result[] = [];
  readonly #revoked = new Set<string>();
  readonly #waiters = new Set<() => void>();
  closed: { code: number; reason: string } | null = null;

  constructor(url: string, behaviour: Behaviour) {
    this.id = behaviour.id;
    this.#url = url;
    this.#behaviour = behaviour;
    this.#socket = new WebSocket(`${url.replace(/^http/, 'ws')}/api/volunteer?id=${this.id}`);
    this.#socket.onopen = () =>
      this.send({
        type: 'hello',
        protocol: behaviour.protocol ?? PROTOCOL_VERSION,
        volunteer: this.id,
        secret: behaviour.secret ?? `secret-of-${this.id}`,
        name: this.id,
        cores: 4,
        slots: behaviour.slots ?? 2,
      });
    this.#socket.onmessage = ({ data }) => this.#take(JSON.parse(String(data)) as LobbyMessage);
    this.#socket.onclose = ({ code, reason }) => {
      this.closed = { code, reason };
      this.#wake();
    };
  }

  send(message: ClientMessage | object): void {
    this.#socket.send(JSON.stringify(message));
  }

  sendRaw(frame: string): void {
    this.#socket.send(frame);
  }

  close(): void {
    this.#socket.close();
  }

  /** Resolves with the first value that `look` finds; looks again after every message. */
  async until<Value>(
    look: (volunteer: this) => Value | undefined | false | null,
    ms = 20_000,
  ): Promise<Value> {
    const deadline = Date.now() + ms;
    for (;;) {
      const value = look(this);
      if (value) return value;
      const leftMs = deadline - Date.now();
      if (leftMs <= 0)
        throw new Error(
          `${this.id}: not within ${ms} ms; got ${JSON.stringify(this.messages).slice(-2000)}`,
        );
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#waiters.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  leaseUrl(lease: string, what: 'input' | 'program' | 'output'): string {
    return `${this.#url}/api/leases/${encodeURIComponent(lease)}/${what}`;
  }

  /** Maps a grant as an honest page would, up to the answer of the upload. */
  async map(
    grant: Grant,
  ): Promise<{ response: Response; result: MapResult & { ok: true } } | MapResult> {
    const plan = this.#plans.get(grant.job);
    if (!plan) throw new Error(`no plan of ${grant.job} came before its grant`);
    const text = await (await fetch(this.leaseUrl(grant.lease, 'program'))).text();
    const { runtime, ...evaluated } = this.#evaluated(text);
    const { range, ...given } = await this.#inputOf(grant);
    const run: MapRun = { plan, ...given, ...evaluated };
    const result = await runtime.runMap(this.#behaviour.distort?.(run) ?? run);
    if (!result.ok) return result;
    const response = await fetch(this.leaseUrl(grant.lease, 'output'), {
      method: 'PUT',
      headers: {
        'content-type': 'application/octet-stream',
        [DIGEST_HEADER]: result.digest,
        [RANGE_HEADER]: range,
      },
      body: result.spill,
    });
    return { response, result };
  }

  /** One realm a program, as in a page. */
  #evaluated(text: string): ReturnType<typeof evaluate> {
    let evaluated = this.#programs.get(text);
    if (!evaluated) this.#programs.set(text, (evaluated = evaluate(text)));
    return evaluated;
  }

  async #inputOf({
    lease,
    task,
  }: Grant): Promise<Pick<MapRun, 'task' | 'input'> & { range: string }> {
    if (task.split.kind === 'integers') return { task, input: null, range: '' };
    const response = await fetch(this.leaseUrl(lease, 'input'));
    if (!response.ok) throw new Error(`${response.status} for the input of task ${task.task}`);
    const input = new Uint8Array(await response.arrayBuffer());
    const start = Number(response.headers.get(INPUT_START_HEADER));
    const range = response.headers.get(RANGE_HEADER) ?? '';
    const split = { kind: 'bytes', start, end: start + input.length } as const;
    return { task: { ...task, split }, input, range };
  }

  #take(message: LobbyMessage): void {
    this.messages.push(message);
    if (message.type === 'grant') {
      for (const plan of message.plans) this.#plans.set(plan.job, plan);
      void this.#work(message.grants);
    } else if (message.type === 'revoke') {
      for (const lease of message.leases) this.#revoked.add(lease);
    }
    this.#wake();
  }

  async #work(grants: Grant[]): Promise<void> {
    for (const grant of grants) {
      if (this.closed || this.#revoked.has(grant.lease)) continue;
      if (await this.#behaviour.onGrant?.(this, grant)) continue;
      await this.finish(grant);
    }
  }

  /** Maps, uploads and reports. */
  async finish(grant: Grant): Promise<void> {
    const beganMs = performance.now();
    const mapped = await this.map(grant);
    const { lease } = grant;
    if (!('response' in mapped)) {
      if (!mapped.ok)
        this.send({ type: 'failed', failures: [{ lease, error: mapped.error, ms: 1 }] });
      return;
    }
    if (!mapped.response.ok) return this.send({ type: 'returned', leases: [lease] });
    const { receipt } = (await mapped.response.json()) as { receipt: string };
    // The lobby grants as many as fit the time that they take here, one after the other.
    this.#report({ lease, receipt, ms: performance.now() - beganMs });
    this.mapped.push(grant);
    this.#wake();
  }

  /** In batches, as a page does: the lobby takes some 50 frames a second. */
  #report(result: Result): void {
    if (this.#results.push(result) > 1) return;
    setTimeout(() => {
      if (!this.closed) this.send({ type: 'done', results: this.#results.splice(0) });
    }, REPORT_MS);
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }
}

/** A realm of its own: the runtime patches Date and Math.random in it. */
function evaluate(text: string) {
  const realm = vm.createContext({ TextEncoder, TextDecoder, setTimeout, clearTimeout });
  const runtime = vm.runInContext(`${RUNTIME_SOURCE}; manyhandsRuntime`, realm) as Runtime;
  const factory = vm.runInContext(
    `new Function(${JSON.stringify(`return ${text}\n//# sourceURL=program.js`)})()`,
    realm,
  ) as MapRun['factory'];
  return {
    runtime,
    factory,
    origin: NEW_FUNCTION_ORIGIN,
    realm: vm.runInContext('globalThis', realm) as object,
  };
}
