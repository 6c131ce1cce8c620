// Lines of access logs that clients have a hand in, each with its fields read by hand.
import { expect, test } from 'vitest';
import { accessLog } from '../../../shared/mapreduce/access-log.ts';

const TIME = '10/Oct/2023:13:55:36 +0000';
const PLAIN = {
  host: '203.0.113.1',
  ident: null,
  user: null,
  time: TIME,
  request: { method: 'GET', path: '/', query: null, protocol: 'HTTP/1.1' },
  rawRequest: 'GET / HTTP/1.1',
  status: 200,
  bytes: 5,
  referer: null,
  userAgent: null,
};
const line = (request: string, rest = '200 5'): string =>
  `203.0.113.1 - - [${TIME}] "${request}" ${rest}`;
const requestOf = (request: string) => accessLog(line(request))?.request;

test('the common and the combined format', () => {
  expect(accessLog(line('GET / HTTP/1.1'))).toEqual(PLAIN);
  expect(
    accessLog(
      String.raw`2001:db8::1 id jane [${TIME}] "PUT /a/b?c=d?e HTTP/2.0" 404 - "https://a.example/" "ua \"q\" x\\" "more"`,
    ),
  ).toEqual({
    host: '2001:db8::1',
    ident: 'id',
    user: 'jane',
    time: TIME,
    request: { method: 'PUT', path: '/a/b', query: 'c=d?e', protocol: 'HTTP/2.0' },
    rawRequest: 'PUT /a/b?c=d?e HTTP/2.0',
    status: 404,
    bytes: 0,
    referer: 'https://a.example/',
    userAgent: String.raw`ua \"q\" x\\`,
  });
  expect(accessLog(`${line('GET / HTTP/1.1')}\r`)).toEqual(PLAIN);
});

test('a name with spaces, an empty one, one that looks like the rest of a line', () => {
  const of = (user: string) => accessLog(`203.0.113.1 - ${user} [${TIME}] "GET / HTTP/1.1" 200 5`);
  expect(of('"jane doe"')).toEqual({ ...PLAIN, user: 'jane doe' });
  expect(of('jane doe')).toEqual({ ...PLAIN, user: 'jane doe' });
  expect(of('""')).toEqual({ ...PLAIN, user: '' });
  expect(of('')).toEqual({ ...PLAIN, user: '' });
  const forged = String.raw`x [${TIME}] \"GET /forged HTTP/1.1\" 500 1`;
  expect(of(forged)).toEqual({ ...PLAIN, user: forged });
});

test('a quote in a request, a referrer or a browser cannot end its field', () => {
  expect(accessLog(line(String.raw`GET /c?q=\" 200 HTTP/1.1`, '404 153'))).toMatchObject({
    request: { path: '/c', query: String.raw`q=\" 200` },
    status: 404,
    bytes: 153,
  });
  expect(accessLog(line(String.raw`GET /\\\" 500 1 \" HTTP/1.1`))).toMatchObject({
    request: { path: String.raw`/\\\" 500 1 \"` },
    status: 200,
  });
  // Two backslashes are one that is escaped: the quote is the server's.
  expect(accessLog(line(String.raw`GET /\\`))).toMatchObject({ request: { path: '/\\\\' } });
  expect(accessLog(line('GET / HTTP/1.1', String.raw`200 5 "a\" \"b" "c\" 1"`))).toMatchObject({
    referer: String.raw`a\" \"b`,
    userAgent: String.raw`c\" 1`,
  });
});

test('what is no HTTP request is told as it is', () => {
  for (const junk of [
    '-',
    '',
    String.raw`\x16\x03\x01`,
    String.raw`\x16 / HTTP/1.1`,
    'GET',
    'GET ',
  ]) {
    expect(accessLog(line(junk)), junk).toEqual({ ...PLAIN, request: null, rawRequest: junk });
  }
  expect(requestOf('hello world')).toBeNull();
  expect(requestOf('GET  HTTP/1.1')).toBeNull();
  expect(requestOf('GET HTTP/1.1')).toBeNull();
  expect(requestOf('GET /old')).toEqual({
    method: 'GET',
    path: '/old',
    query: null,
    protocol: null,
  });
  expect(requestOf('M-SEARCH * HTTP/1.1')).toMatchObject({ method: 'M-SEARCH', path: '*' });
});

test('what is no log line is null', () => {
  const bad = [
    '',
    ' ',
    'GET / HTTP/1.1',
    `203.0.113.1 - [${TIME}] "GET / HTTP/1.1" 200 5`,
    `203.0.113.1 - - [${TIME}] "GET / HTTP/1.1" 200`,
    `203.0.113.1 - - [${TIME}] "GET / HTTP/1.1" 20x 5`,
    `203.0.113.1 - - [${TIME}] "GET / HTTP/1.1" 200 5x`,
    `203.0.113.1 - - [${TIME}] "GET / HTTP/1.1" 2000 5`,
    `203.0.113.1 - - [${TIME}] "GET / HTTP/1.1 200 5`,
    `203.0.113.1 - - [${TIME}] GET / 200 5`,
    `203.0.113.1 - - [1/Oct/2023:13:55:36 +0000] "GET / HTTP/1.1" 200 5`,
    `203.0.113.1 - - [10/Oct/2023:13:55:36] "GET / HTTP/1.1" 200 5`,
    null,
    7,
    { line: '' },
  ];
  for (const text of bad) expect(accessLog(text), String(text)).toBeNull();
  // Cut off in its last field: the rest is known.
  expect(accessLog(line('GET / HTTP/1.1', '200 5 "-" "Mozil'))).toEqual(PLAIN);
});

test('time grows with the line, whatever is in it', () => {
  const rounds = 400_000;
  const startedMs = performance.now();
  for (const part of [' [', '\\', '\\"', '" ', ' [10/Oct/2023:13:55:36 +0000] ', '?', ' ']) {
    const long = part.repeat(rounds);
    accessLog(`203.0.113.1 - ${long}`);
    accessLog(`203.0.113.1 - ${long} [${TIME}] "GET / HTTP/1.1" 200 5`);
    accessLog(line(`GET /${long} HTTP/1.1`));
    accessLog(line('GET / HTTP/1.1', `200 5 "${long}`));
  }
  // Were any of it quadratic, one line of a megabyte would take minutes.
  expect(performance.now() - startedMs).toBeLessThan(5_000);
});
