// A parser of text/event-stream: text comes in any chunks, whole messages go out. Pure. EventSource would do, but
// it cannot send a bearer token.
export interface SseMessage {
  id: string;
  event: string;
  data: string;
}

export class SseParser {
  /** The last id that came, also with no data under it: where a reader goes on. */
  lastId = '';
  #rest = '';
  #event = '';
  #data: string[] = [];

  /** Takes text as it comes; returns the messages that this text completed. */
  take(text: string): SseMessage[] {
    const messages: SseMessage[] = [];
    const all = this.#rest + text;
    let start = 0;
    for (let end = lineEnd(all, start); end !== null; end = lineEnd(all, start)) {
      const message = this.#line(all.slice(start, end.at));
      if (message) messages.push(message);
      start = end.next;
    }
    this.#rest = all.slice(start);
    return messages;
  }

  #line(line: string): SseMessage | null {
    if (line === '') return this.#end();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
    if (field === 'id') this.lastId = value;
    else if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    // Without a name it is a comment: the server's way to keep the line open.
    return null;
  }

  #end(): SseMessage | null {
    const [event, data] = [this.#event || 'message', this.#data];
    this.#event = '';
    this.#data = [];
    return data.length > 0 ? { id: this.lastId, event, data: data.join('\n') } : null;
  }
}

/** Lines end with \n, \r or \r\n; a \r at the very end may be half of a \r\n, so it waits. */
function lineEnd(text: string, from: number): { at: number; next: number } | null {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 10) return { at, next: at + 1 };
    if (code !== 13) continue;
    if (at + 1 === text.length) return null;
    return { at, next: text.charCodeAt(at + 1) === 10 ? at + 2 : at + 1 };
  }
  return null;
}
