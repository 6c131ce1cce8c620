// `ctx.accessLog`: reads a line of a web server's access log, in Apache's common or combined format, which nginx writes
// too. Only the server writes a quote without a backslash, so a client cannot forge a field. One pass, no regular
// expression over the line.

/** Texts are as the server wrote them, escapes such as `\"` and `\x16` included. */
export interface AccessLogLine {
  host: string;
  /** Null, here and below: the log has `-`. */
  ident: string | null;
  user: string | null;
  /** Such as `24/Nov/2026:10:05:03 +0000`. */
  time: string;
  /** Null: the client sent no HTTP request (`-`, a TLS handshake, anything else). */
  request: {
    method: string;
    /** Without its query. */
    path: string;
    /** Without its `?`; null without one. */
    query: string | null;
    /** Null: HTTP/0.9, which names none. */
    protocol: string | null;
  } | null;
  /** Between its quotes. */
  rawRequest: string;
  status: number;
  /** Of the body; the log writes `-` for 0. */
  bytes: number;
  /** Null as well in the common format, which has no such field. */
  referer: string | null;
  userAgent: string | null;
}

/** Null when it is no line of such a log. */
export function accessLog(line: unknown): AccessLogLine | null {
  if (typeof line !== 'string') return null;
  const hostEnd = line.indexOf(' ');
  const identEnd = line.indexOf(' ', hostEnd + 1);
  if (hostEnd < 1 || identEnd < 0) return null;
  const timeAt = timeOf(line, identEnd);
  if (timeAt < 0) return null;
  const requestAt = timeAt + TIME.length + REQUEST_BEGIN.length;
  const requestEnd = quoteAt(line, requestAt);
  const status = numberOf(line, requestEnd + 2, requestEnd + 5);
  if (requestEnd < 0 || line[requestEnd + 1] !== ' ' || line[requestEnd + 5] !== ' ') return null;
  const bytesAt = requestEnd + 6;
  const bytesEnd = endOfWord(line, bytesAt);
  const bytes = line.slice(bytesAt, bytesEnd) === '-' ? 0 : numberOf(line, bytesAt, bytesEnd);
  if (status === null || bytes === null) return null;
  const refererEnd = fieldEnd(line, bytesEnd);
  const userAgentEnd = refererEnd < 0 ? -1 : fieldEnd(line, refererEnd + 1);
  const rawRequest = line.slice(requestAt, requestEnd);
  return {
    host: line.slice(0, hostEnd),
    ident: told(line.slice(hostEnd + 1, identEnd)),
    user: told(unquoted(line.slice(identEnd + 1, timeAt - 2))),
    time: line.slice(timeAt, timeAt + TIME.length),
    request: requestOf(rawRequest),
    rawRequest,
    status,
    bytes,
    referer: refererEnd < 0 ? null : told(line.slice(bytesEnd + 2, refererEnd)),
    userAgent: userAgentEnd < 0 ? null : told(line.slice(refererEnd + 3, userAgentEnd)),
  };
}

/** 0 stands for a digit, A for a letter, + for a sign. */
const TIME = '00/AAA/0000:00:00:00 +0000';
const REQUEST_BEGIN = '] "';

/** A user's name may have spaces and brackets in it: what ends it is a time and a quote that the server wrote. */
function timeOf(line: string, from: number): number {
  for (let at = from; (at = line.indexOf(' [', at)) >= 0; at++) {
    if (at > from && isTime(line, at + 2)) return at + 2;
  }
  return -1;
}

function isTime(line: string, at: number): boolean {
  if (!line.startsWith(REQUEST_BEGIN, at + TIME.length)) return false;
  for (let i = 0; i < TIME.length; i++) {
    const code = line.charCodeAt(at + i);
    const form = TIME.charCodeAt(i);
    const fits =
      form === DIGIT
        ? isDigit(code)
        : form === LETTER
          ? isLetter(code)
          : code === form || (form === PLUS && code === MINUS);
    if (!fits) return false;
  }
  return true;
}

const DIGIT = 0x30;
const LETTER = 0x41;
const PLUS = 0x2b;
const MINUS = 0x2d;
const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;
const isLetter = (code: number): boolean => (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a;

/** The next quote that no backslash escapes; -1 without. */
function quoteAt(line: string, from: number): number {
  for (let at = from; (at = line.indexOf('"', at)) >= 0; at++) {
    let first = at;
    while (first > from && line[first - 1] === '\\') first--;
    if ((at - first) % 2 === 0) return at;
  }
  return -1;
}

/** Where the quoted field that follows the space at `at` ends; -1: there is none. */
const fieldEnd = (line: string, at: number): number =>
  line.startsWith(' "', at) ? quoteAt(line, at + 2) : -1;

function endOfWord(line: string, from: number): number {
  let end = from;
  while (end < line.length && line.charCodeAt(end) > 0x20) end++;
  return end;
}

function numberOf(line: string, from: number, end: number): number | null {
  let number = 0;
  for (let at = from; at < end; at++) {
    const code = line.charCodeAt(at);
    if (!isDigit(code)) return null;
    number = number * 10 + (code - 0x30);
  }
  return end > from ? number : null;
}

const told = (text: string): string | null => (text === '-' ? null : text);

/** Some servers put a name with spaces, or an empty one, in quotes. */
const unquoted = (text: string): string =>
  text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;

function requestOf(raw: string): AccessLogLine['request'] {
  const methodEnd = endOfMethod(raw);
  if (methodEnd < 0) return null;
  const last = raw.lastIndexOf(' ');
  const named = last > methodEnd && raw.startsWith('HTTP/', last + 1);
  const targetAt = methodEnd + 1;
  // A target may have spaces that a client did not encode.
  const targetEnd = named ? last : raw.length;
  if (targetEnd === targetAt || (!named && raw[targetAt] !== '/')) return null;
  const mark = raw.indexOf('?', targetAt);
  const hasQuery = mark >= 0 && mark < targetEnd;
  return {
    method: raw.slice(0, methodEnd),
    path: raw.slice(targetAt, hasQuery ? mark : targetEnd),
    query: hasQuery ? raw.slice(mark + 1, targetEnd) : null,
    protocol: named ? raw.slice(last + 1) : null,
  };
}

/** Methods are words: letters, `-` and `_`. */
function endOfMethod(raw: string): number {
  let end = 0;
  for (let code = raw.charCodeAt(0); isLetter(code) || code === MINUS || code === 0x5f;) {
    code = raw.charCodeAt(++end);
  }
  return end > 0 && raw[end] === ' ' ? end : -1;
}
