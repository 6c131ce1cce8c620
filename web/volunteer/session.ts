// The volunteer's WebSocket to its lobby: says hello, passes messages both ways, keeps alive, comes back after
// a loss with full-jitter back-off, and stops for good on the refusals that waiting cannot cure.
import {
  type ClientMessage,
  type LobbyMessage,
  PING,
  PONG,
  PROTOCOL_VERSION,
  type RefusalCode,
  REFUSALS,
} from '../../shared/protocol.ts';
import { type Backoff, backoffMs } from '../../shared/backoff.ts';

const RECONNECT: Backoff = { baseMs: 1_000, maxMs: 30_000 };
/** Proxies drop silent sockets after a minute or so. */
const PING_MS = 20_000;
const SILENT_MAX_MS = 50_000;
/** Try again after these; the others need a person. */
const CURABLE: ReadonlySet<RefusalCode> = new Set(['rate_limited', 'lobby_full']);

export interface SessionEvents {
  welcomed(progressMs: number): void;
  message(message: Exclude<LobbyMessage, { type: 'welcome' | 'refused' }>): void;
  /** The lobby has freed every lease. Comes again by itself. */
  lost(why: string): void;
  refused(why: string): void;
}

export interface Greeting {
  volunteer: string;
  secret: string;
  name: string;
  cores: number;
  slots: number;
}

export class Session {
  readonly #origin: string;
  readonly #greeting: () => Greeting;
  readonly #events: SessionEvents;
  #socket: WebSocket | null = null;
  #welcomed = false;
  #failures = 0;
  #refusal: string | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #lastHeardMs = 0;
  #lastPingMs = 0;

  /** `origin`: of the page, `http:` or `https:`. */
  constructor(origin: string, greeting: () => Greeting, events: SessionEvents) {
    this.#origin = origin;
    this.#greeting = greeting;
    this.#events = events;
  }

  get open(): boolean {
    return this.#welcomed;
  }

  connect(): void {
    clearTimeout(this.#retryTimer);
    this.#leave();
    const greeting = this.#greeting();
    const url = new URL('/api/volunteer', this.#origin);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.searchParams.set('id', greeting.volunteer);
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.#lastHeardMs = this.#lastPingMs = performance.now();
    socket.onopen = () => {
      this.#write({ type: 'hello', protocol: PROTOCOL_VERSION, ...greeting });
    };
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      this.#lastHeardMs = performance.now();
      if (typeof data === 'string' && data !== PONG) this.#hear(JSON.parse(data) as LobbyMessage);
    };
    socket.onclose = ({ code }) => this.#closed(code);
  }

  /** False when there is no lobby to hear it. */
  send(message: ClientMessage): boolean {
    if (!this.#welcomed) return false;
    this.#write(message);
    return true;
  }

  /** Call now and then: pings, and gives up a socket that has gone silent. */
  tick(): void {
    const nowMs = performance.now();
    if (!this.#socket) return;
    if (nowMs - this.#lastHeardMs > SILENT_MAX_MS) {
      this.#leave();
      this.#lose('the lobby is silent');
    } else if (this.#welcomed && nowMs - this.#lastPingMs > PING_MS) {
      this.#lastPingMs = nowMs;
      this.#socket.send(PING);
    }
  }

  /** The network is back: do not wait. */
  hurry(): void {
    if (!this.#socket && this.#refusal === null) this.connect();
  }

  close(): void {
    clearTimeout(this.#retryTimer);
    this.#leave();
  }

  #write(message: ClientMessage): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #leave(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#welcomed = false;
    this.#refusal = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
  }

  #hear(message: LobbyMessage): void {
    if (message.type === 'welcome') {
      this.#welcomed = true;
      this.#failures = 0;
      this.#events.welcomed(message.progressMs);
    } else if (message.type === 'refused') {
      this.#refuse(message.code, message.message);
    } else {
      this.#events.message(message);
    }
  }

  #closed(closeCode: number): void {
    this.#socket = null;
    this.#welcomed = false;
    // The frame that says why may have been lost; the close code says it too.
    const refusal = Object.entries(REFUSALS).find(([, [code]]) => code === closeCode);
    if (refusal) this.#refuse(refusal[0] as RefusalCode, refusal[1][1]);
    else this.#lose('the connection was lost');
  }

  #refuse(code: RefusalCode, message: string): void {
    this.#leave();
    if (CURABLE.has(code)) return this.#lose(message);
    this.#refusal = message;
    this.#events.refused(message);
  }

  #lose(why: string): void {
    const waitMs = backoffMs(RECONNECT, this.#failures++, Math.random());
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.connect(), waitMs);
    this.#events.lost(`${why}; trying again`);
  }
}
