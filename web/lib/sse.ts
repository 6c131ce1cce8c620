// A parser of text/event-stream: bytes arrive in any chunks, whole messages come out. Pure; EventSource
// cannot send the bearer header, so live.ts reads the stream itself.
export interface SseMessage {
  id: string;
  event: string;
  data: string;
}

/** Feed it text as it comes; it returns the messages that this text completed. */
export function createSseParser(): (text: string) => SseMessage[] {
  let rest = '';
  let id = '';
  let event = '';
  let data: string[] = [];

  return (text) => {
    const messages: SseMessage[] = [];
    const all = rest + text;
    let start = 0;
    for (;;) {
      const end = lineEnd(all, start);
      if (end === null) break;
      const line = all.slice(start, end.at);
      start = end.next;
      if (line === '') {
        if (data.length > 0)
          messages.push({ id, event: event || 'message', data: data.join('\n') });
        event = '';
        data = [];
        continue;
      }
      const colon = line.indexOf(':');
      if (colon === 0) continue; // a comment: the server's way to keep the line open
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
      if (field === 'id') id = value;
      else if (field === 'event') event = value;
      else if (field === 'data') data.push(value);
    }
    rest = all.slice(start);
    return messages;
  };
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
