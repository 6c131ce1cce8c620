// A shard of the lobby: holds volunteers' sockets, leases for them from JobObjects in bulk and reports in
// bulk, so that a job's request rate does not grow with the number of volunteers. One exchange with a
// job is in flight at a time; what comes meanwhile travels with the next.
import { DurableObject } from 'cloudflare:workers';
import {
  CONNECTIONS_PER_SECOND_MAX,
  FRAME_MAX_BYTES,
  NETWORKS_REMEMBERED_MAX,
  PROGRESS_MS,
  VOLUNTEERS_PER_LOBBY_MAX,
} from '../../shared/limits.ts';
import type { MapPlan } from '../../shared/mapreduce/task.ts';
import {
  ClientMessage,
  Hello,
  type LobbyMessage,
  PING,
  PONG,
  PROTOCOL_VERSION,
  type RefusalCode,
  REFUSALS,
} from '../../shared/protocol.ts';
import type { Credit, Exchanged, Report, Want } from '../contracts/job.rpc.ts';
import { openLease } from '../jobs/mapreduce/lease.ts';
import { Alarm } from '../platform/alarm.store.ts';
import { guardBindings } from '../platform/bindings.edge.ts';
import type { Env } from '../platform/env.ts';
import { catalog, jobObject } from '../stubs.ts';
import { leaseSecret } from '../catalog/lease-secret.edge.ts';
import { FrameBudget, shouldAsk } from './grants.ts';
import { NETWORK_HEADER } from './lobby-headers.ts';
import type { LobbyRpc } from '../contracts/lobby.rpc.ts';
import { TaskRate } from './task-rate.ts';
import { Connected, type Identity, type Visitor } from './volunteers.ts';

interface KnownJob {
  reports: Report[];
  gone: { by: string; reason: string }[];
  inFlight: boolean;
  reason: string;
}

const NORMAL_CLOSURE = 1000;
/** Idle volunteers ask again after this long; after a failed exchange sooner. */
const ASK_AGAIN_MS = 5_000;
const RETRY_MS = 2_000;

export class LobbyObject extends DurableObject<Env> implements LobbyRpc {
  readonly #jobs = new Map<string, KnownJob>();
  readonly #connected = new Map<WebSocket, Connected>();
  readonly #rate = new TaskRate();
  /** When the alarm asks the jobs again; null: no need to. In memory: a lobby that restarts asks anyway. */
  #askingAtMs: number | null = null;
  readonly #alarm = new Alarm(this.ctx.storage, () => this.#askingAtMs);
  readonly #networks = new Map<string, FrameBudget>();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    const nowMs = Date.now();
    for (const socket of ctx.getWebSockets()) {
      const identity = socket.deserializeAttachment() as Identity | Visitor;
      if (identity.id !== null) this.#connected.set(socket, new Connected(identity, nowMs));
    }
    // A lobby that slept has forgotten which jobs run; the catalog has not.
    void ctx.blockConcurrencyWhile(() => this.#refreshJobs());
  }

  get #name(): string {
    return this.ctx.id.name ?? this.ctx.id.toString();
  }

  async #refreshJobs(): Promise<void> {
    for (const job of await catalog(this.env).activeJobs()) this.#known(job);
  }

  override async fetch(request: Request): Promise<Response> {
    const network = request.headers.get(NETWORK_HEADER) ?? '';
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    server.serializeAttachment({ id: null, network } satisfies Visitor);
    if (this.ctx.getWebSockets().length > VOLUNTEERS_PER_LOBBY_MAX) {
      this.#refuse(server, 'lobby_full');
    } else if (!this.#mayConnect(network)) {
      this.#refuse(server, 'rate_limited');
    }
    return new Response(null, { status: 101, webSocket: client });
  }

  #mayConnect(network: string): boolean {
    const nowMs = Date.now();
    // Forgetting all is the crude but bounded way: a flood of networks costs the others one fresh budget.
    if (this.#networks.size >= NETWORKS_REMEMBERED_MAX) this.#networks.clear();
    const budget =
      this.#networks.get(network) ?? new FrameBudget(CONNECTIONS_PER_SECOND_MAX, nowMs);
    this.#networks.set(network, budget);
    return budget.spend(nowMs);
  }

  // --- RPC ------------------------------------------------------------------------------------------

  async jobAvailable(job: string): Promise<void> {
    this.#known(job);
    for (const volunteer of this.#connected.values()) volunteer.exhausted.delete(job);
    this.#serveAll();
  }

  async jobEnded(job: string, reason: string): Promise<void> {
    this.#jobs.delete(job);
    for (const [socket, volunteer] of this.#connected) {
      const leases = volunteer.forget(job);
      if (leases.length > 0) this.#send(socket, { type: 'revoke', leases, reason });
    }
    this.#serveAll();
  }

  async credit(credits: Credit[]): Promise<void> {
    for (const credit of credits) this.#credit(credit);
  }

  async presence() {
    const volunteers = [...this.#connected.values()].map((volunteer) => volunteer.shown());
    return { volunteers, tasksPerSecond: this.#rate.perSecond(Date.now()) };
  }

  // --- Sockets --------------------------------------------------------------------------------------

  override async webSocketMessage(socket: WebSocket, frame: string | ArrayBuffer): Promise<void> {
    if (typeof frame !== 'string' || frame.length > FRAME_MAX_BYTES) {
      return this.#refuse(socket, 'bad_message');
    }
    const volunteer = this.#connected.get(socket);
    if (volunteer && !volunteer.budget.spend(Date.now()))
      return this.#refuse(socket, 'rate_limited');
    let json: unknown;
    try {
      json = JSON.parse(frame);
    } catch {
      return this.#refuse(socket, 'bad_message');
    }
    if (!volunteer) return this.#hello(socket, json);
    const message = ClientMessage.safeParse(json);
    if (!message.success || message.data.type === 'hello')
      return this.#refuse(socket, 'bad_message');
    await this.#handle(socket, volunteer, message.data);
  }

  override async webSocketClose(socket: WebSocket): Promise<void> {
    this.#leave(socket, 'the tab closed');
    try {
      // The other side waits for the answer to its close frame.
      socket.close(NORMAL_CLOSURE);
    } catch {
      // It is gone already.
    }
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    this.#leave(socket, 'the connection broke');
  }

  #hello(socket: WebSocket, json: unknown): void {
    // The version comes first: a newer page's hello may look otherwise in every other field.
    if (typeof json === 'object' && json !== null && 'protocol' in json) {
      if (json.protocol !== PROTOCOL_VERSION) return this.#refuse(socket, 'protocol_mismatch');
    }
    const hello = Hello.safeParse(json);
    if (!hello.success) return this.#refuse(socket, 'bad_message');
    const { volunteer: id, secret, name, cores, slots } = hello.data;
    for (const [other, { identity }] of this.#connected) {
      if (identity.id !== id) continue;
      if (identity.secret !== secret) return this.#refuse(socket, 'bad_message');
      this.#refuse(other, 'replaced');
    }
    const { network } = socket.deserializeAttachment() as Visitor;
    const counts = { tasks: 0, bytes: 0, streak: 0, valid: 0, invalid: 0 };
    const identity: Identity = {
      id,
      secret,
      name,
      cores,
      slots,
      state: 'lending',
      network,
      ...counts,
    };
    socket.serializeAttachment(identity);
    const volunteer = new Connected(identity, Date.now());
    this.#connected.set(socket, volunteer);
    this.#send(socket, {
      type: 'welcome',
      protocol: PROTOCOL_VERSION,
      volunteer: id,
      name,
      progressMs: PROGRESS_MS,
    });
    // A page that connects anew has dropped all it had, also where this lobby never saw it leave.
    this.#giveBack(id, 'connected again');
    this.#serve(socket, volunteer);
  }

  async #handle(socket: WebSocket, volunteer: Connected, message: ClientMessage): Promise<void> {
    switch (message.type) {
      case 'hello':
        return;
      case 'capacity': {
        volunteer.identity.slots = message.slots;
        volunteer.identity.state = message.state;
        // Tasks may have come while this one took none.
        volunteer.exhausted.clear();
        socket.serializeAttachment(volunteer.identity);
        break;
      }
      case 'progress':
        await this.#report(volunteer, message.leases, ({ fraction }) => ({
          kind: 'alive',
          fraction,
        }));
        break;
      case 'done': {
        this.#rate.add(Date.now(), message.results.length);
        await this.#report(volunteer, message.results, ({ receipt }) => ({
          kind: 'done',
          receipt,
        }));
        break;
      }
      case 'failed':
        await this.#report(volunteer, message.failures, ({ error }) => ({ kind: 'failed', error }));
        break;
      case 'returned':
        await this.#report(
          volunteer,
          message.leases.map((lease) => ({ lease })),
          () => ({ kind: 'returned', reason: 'given back by the volunteer' }),
        );
    }
    this.#serve(socket, volunteer);
  }

  /** Queues reports for the jobs that the leases belong to; forged or foreign leases are dropped. */
  async #report<Item extends { lease: string; ms?: number }>(
    volunteer: Connected,
    items: Item[],
    outcomeOf: (item: Item) => Report['outcome'],
  ): Promise<void> {
    const secret = await leaseSecret(this.env);
    const nowMs = Date.now();
    const claims = await Promise.all(items.map(({ lease }) => openLease(secret, lease, nowMs)));
    const touched = new Set<string>();
    let alive = false;
    items.forEach((item, i) => {
      const claim = claims[i];
      if (claim?.by !== volunteer.identity.id) return;
      const { job, task, attempt, by } = claim;
      const known = this.#jobs.get(job);
      if (!known) return;
      const outcome = outcomeOf(item);
      if (outcome.kind === 'alive') alive = true;
      else {
        volunteer.leases.get(job)?.delete(item.lease);
        // It may have been given nothing because it held its share: it holds less now.
        volunteer.exhausted.delete(job);
        if (outcome.kind !== 'returned') volunteer.took(job, item.ms ?? 0);
      }
      known.reports.push({ task, attempt, by, ms: item.ms ?? 0, outcome });
      touched.add(job);
    });
    // A volunteer that works on one lease keeps those waiting behind it: it has not forgotten them.
    if (alive) await this.#keepWaiting(volunteer, secret, touched);
    for (const job of touched) this.#flush(job);
  }

  async #keepWaiting(volunteer: Connected, secret: string, touched: Set<string>): Promise<void> {
    for (const [job, leases] of volunteer.leases) {
      const known = this.#jobs.get(job);
      if (!known) continue;
      const opened = await Promise.all(
        [...leases].map((lease) => openLease(secret, lease, Date.now())),
      );
      for (const claim of opened) {
        if (!claim) continue;
        const { task, attempt, by } = claim;
        known.reports.push({ task, attempt, by, ms: 0, outcome: { kind: 'alive', fraction: 0 } });
      }
      touched.add(job);
    }
  }

  #leave(socket: WebSocket, reason: string): void {
    const volunteer = this.#connected.get(socket);
    if (!volunteer) return;
    this.#connected.delete(socket);
    this.#giveBack(volunteer.identity.id, reason);
  }

  #giveBack(by: string, reason: string): void {
    for (const [job, known] of this.#jobs) {
      known.gone.push({ by, reason });
      this.#flush(job);
    }
  }

  // --- Leasing --------------------------------------------------------------------------------------

  #known(job: string): KnownJob {
    let known = this.#jobs.get(job);
    if (!known)
      this.#jobs.set(job, (known = { reports: [], gone: [], inFlight: false, reason: '' }));
    return known;
  }

  #serveAll(): void {
    for (const [socket, volunteer] of this.#connected) this.#serve(socket, volunteer);
  }

  /** Asks the next job in turn for leases if this volunteer runs low; says why when there is none. */
  #serve(socket: WebSocket, volunteer: Connected): void {
    if (!volunteer.lending || volunteer.asking !== null) return;
    const jobs = [...this.#jobs.keys()].filter((job) => !volunteer.exhausted.has(job));
    const job = jobs[volunteer.turn % Math.max(1, jobs.length)];
    if (job === undefined) {
      if (volunteer.held > 0) return;
      const reasons = [...this.#jobs.values()].map((known) => known.reason).filter(Boolean);
      const reason = reasons[0] ?? (this.#jobs.size > 0 ? 'every task is taken' : 'no job runs');
      if (volunteer.idleReason !== reason) this.#send(socket, { type: 'idle', reason });
      volunteer.idleReason = reason;
      // A call that got lost, or a task that may be taken again later: ask again while jobs map.
      if (this.#jobs.size > 0) this.#askLater(ASK_AGAIN_MS);
      return;
    }
    if (!shouldAsk(volunteer.held, volunteer.target(job))) return;
    volunteer.asking = job;
    this.#flush(job);
  }

  #flush(job: string): void {
    const known = this.#jobs.get(job);
    if (!known || known.inFlight) return;
    known.inFlight = true;
    this.ctx.waitUntil(this.#exchange(job, known));
  }

  async #exchange(job: string, known: KnownJob): Promise<void> {
    try {
      for (;;) {
        const asking = [...this.#connected].filter(([, volunteer]) => volunteer.asking === job);
        if (known.reports.length + known.gone.length + asking.length === 0) return;
        const reports = known.reports.splice(0);
        const gone = known.gone.splice(0);
        const wants = asking.map(([, volunteer]): Want => {
          const { id, name, network } = volunteer.identity;
          return { by: id, name, network, outstanding: volunteer.target(job) };
        });
        const answer = await jobObject(this.env, job).exchange({
          lobby: this.#name,
          reports,
          wants,
          gone,
        });
        this.#apply(job, known, asking, answer);
        if (answer.plan === null) {
          this.#jobs.delete(job);
          return;
        }
      }
    } catch {
      // The JobObject is restarting or the job is gone. Leases expire by themselves; ask again later.
      for (const volunteer of this.#connected.values()) {
        if (volunteer.asking === job) volunteer.asking = null;
        volunteer.exhausted.add(job);
      }
      this.#askLater(RETRY_MS);
    } finally {
      known.inFlight = false;
      this.#serveAll();
    }
  }

  #askLater(ms: number): void {
    if (this.#askingAtMs !== null) return;
    this.#askingAtMs = Date.now() + ms;
    this.#alarm.arm();
  }

  override async alarm(): Promise<void> {
    await this.#alarm.run(async () => {
      this.#askingAtMs = null;
      if (this.#connected.size === 0) return;
      await this.#refreshJobs();
      for (const volunteer of this.#connected.values()) volunteer.exhausted.clear();
      this.#serveAll();
    });
  }

  #apply(job: string, known: KnownJob, asking: [WebSocket, Connected][], answer: Exchanged): void {
    known.reason = answer.reason;
    for (const [socket, volunteer] of asking) {
      volunteer.asking = null;
      const grants = answer.grants.filter((grant) => grant.by === volunteer.identity.id);
      if (!answer.plan || grants.length === 0) {
        volunteer.exhausted.add(job);
        continue;
      }
      volunteer.turn++;
      volunteer.idleReason = null;
      const held = volunteer.leases.get(job) ?? new Set();
      for (const { lease } of grants) held.add(lease);
      volunteer.leases.set(job, held);
      const plans: MapPlan[] = volunteer.plansSent.has(job) ? [] : [answer.plan];
      volunteer.plansSent.add(job);
      this.#send(socket, {
        type: 'grant',
        plans,
        grants: grants.map(({ lease, attempt, task, leaseMs }) => ({
          lease,
          job,
          attempt,
          task,
          leaseMs,
        })),
      });
    }
    for (const credit of answer.credits) this.#credit(credit);
  }

  #credit({ by, tasks, bytes, verified, rejected }: Credit): void {
    for (const [socket, { identity }] of this.#connected) {
      if (identity.id !== by) continue;
      identity.tasks += tasks;
      identity.bytes += bytes;
      identity.valid += verified;
      identity.invalid += rejected;
      identity.streak = rejected > 0 ? 0 : identity.streak + verified;
      socket.serializeAttachment(identity);
      this.#send(socket, { type: 'credit', tasks, bytes, verified, rejected });
    }
  }

  #send(socket: WebSocket, message: LobbyMessage): void {
    try {
      socket.send(JSON.stringify(message));
    } catch {
      this.#leave(socket, 'the connection broke');
    }
  }

  #refuse(socket: WebSocket, code: RefusalCode): void {
    const [closeCode, message] = REFUSALS[code];
    this.#send(socket, { type: 'refused', code, message });
    this.#leave(socket, message);
    try {
      socket.close(closeCode, code);
    } catch {
      // It was closed already.
    }
  }
}
