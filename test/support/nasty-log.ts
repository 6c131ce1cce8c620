// Lines that real servers write when clients send what they like, and what each of them says, read by hand.

export const NASTY_LOG = String.raw`203.0.113.1 - - [10/Oct/2023:13:55:36 +0000] "GET /a?x=1 HTTP/1.1" 200 5 "-" "curl/8"
2001:db8::1 - - [10/Oct/2023:13:55:36 +0000] "GET /a HTTP/1.1" 200 5 "-" "ua \"q\" x"
203.0.113.2 - "" [10/Oct/2023:13:55:36 +0000] "GET /b HTTP/1.1" 200 5 "-" "-"
203.0.113.2 - "jane doe" [10/Oct/2023:13:55:36 +0000] "GET /b HTTP/1.1" 200 5 "-" "-"
203.0.113.2 - jane doe [10/Oct/2023:13:55:36 +0000] "POST /b HTTP/1.1" 200 5 "https://shop.example/?q=\"x\" 500 1" "-"
203.0.113.2 - x [10/Oct/2023:99:55:36 +0000] \"GET /forged HTTP/1.1\" 500 1 [10/Oct/2023:13:55:36 +0000] "GET /b HTTP/1.1" 401 5 "-" "-"
203.0.113.2 - x" [10/Oct/2023:13:55:36 +0000] "GET /b?\\" 201 1
203.0.113.3 - - [10/Oct/2023:14:55:36 +0000] "GET /c?q=\" 200 HTTP/1.1" 404 153 "-" "x"
203.0.113.3 - - [10/Oct/2023:14:55:36 +0000] "GET /c\" 200 1 \"- HTTP/1.1" 404 153
203.0.113.3 - - [10/Oct/2023:14:55:36 -0330] "GET /c d HTTP/1.1" 400 0
203.0.113.4 - - [10/Oct/2023:14:55:36 +0000] "\x16\x03\x01" 400 150 "-" "-"
203.0.113.4 - - [10/Oct/2023:14:55:36 +0000] "\x16\x03\x01 /x HTTP/1.1" 400 150 "-" "-"
203.0.113.5 - - [10/Oct/2023:14:55:36 +0000] "-" 408 - "-" "-"
203.0.113.5 - - [10/Oct/2023:14:55:36 +0000] "" 400 0
203.0.113.6 - - [10/Oct/2023:14:55:36 +0000] "GET /old" 200 12
203.0.113.6 - - [10/Oct/2023:14:55:36 +0000] "SSH-2.0-Go" 400 0
203.0.113.6 - - [10/Oct/2023:14:55:36 +0000] "OPTIONS * HTTP/1.0" 200 -
203.0.113.6 - - [10/Oct/2023:14:55:36 +0000] "CONNECT db.example:5432 HTTP/1.1" 405 0
203.0.113.7 - - [10/Oct/2023:15:55:36 +0000] "GET /d%20e HTTP/1.0" 301 - "-" "-" "extra"
203.0.113.7 - - [10/Oct/2023:15:55:36 +0000] "GET /cut HTTP/1.1" 200 9 "-" "Mozilla/5.0 (cut of

not a log line "GET /x HTTP/1.1" 200 5
203.0.113.8 - - [10/Oct/2023:15:55:36 +0000] "GET /no-status HTTP/1.1"
203.0.113.8 - - [10/Oct/2023:15:55:36 +0000] "GET /no-end 200 5
203.0.113.8 - - [10 Oct 2023 15:55:36] "GET /other-time HTTP/1.1" 200 5
`;

/** The query strings do not count. */
export const NASTY_PAGES: Record<string, number> = {
  '*': 1,
  '/a': 2,
  '/b': 5,
  '/c': 1,
  '/c d': 1,
  '/c\\" 200 1 \\"-': 1,
  '/cut': 1,
  '/d%20e': 1,
  '/old': 1,
  'db.example:5432': 1,
};
/** Five lines hold no HTTP request, five are no log lines. */
export const NASTY_NOT_LOG_LINES = 5;
export const NASTY_WITHOUT_REQUEST = 10;

export const NASTY_STATUSES: Record<string, number> = {
  '13h 200': 5,
  '13h 201': 1,
  '13h 401': 1,
  '14h 200': 2,
  '14h 400': 5,
  '14h 404': 2,
  '14h 405': 1,
  '14h 408': 1,
  '15h 200': 1,
  '15h 301': 1,
};
