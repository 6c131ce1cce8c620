// The curl command that does what the page does, quoted for a POSIX shell. Pure.
export interface CurlRequest {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** From the root: `/api/jobs`. */
  path: string;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as a file: `--data-binary @name`. */
  file?: string;
}

/** `authorized`: the reader's token goes in by a variable, so that it is never on the screen. */
export function curlCommand(origin: string, request: CurlRequest, authorized: boolean): string {
  const parts = ['curl'];
  const method = request.method ?? 'GET';
  if (method !== 'GET') parts.push(`-X ${method}`);
  parts.push(quote(origin + request.path));
  if (authorized) parts.push('-H "authorization: Bearer $MANYHANDS_TOKEN"');
  if (request.body !== undefined) {
    parts.push(quoteHeader('content-type: application/json'));
    parts.push(`--data-binary ${quote(JSON.stringify(request.body))}`);
  }
  if (request.file !== undefined) parts.push(`--data-binary @${quote(request.file)}`);
  return parts
    .join(' \\\n  ')
    .replace(/^curl \\\n {2}-X (\w+) \\\n {2}/, 'curl -X $1 ')
    .replace(/^curl \\\n {2}/, 'curl ');
}

function quoteHeader(header: string): string {
  return `-H ${quote(header)}`;
}

/** Single quotes keep everything but themselves. */
export function quote(text: string): string {
  return /^[A-Za-z0-9_./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
