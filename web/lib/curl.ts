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
  const method = request.method ?? 'GET';
  const lines = [`curl ${method === 'GET' ? '' : `-X ${method} `}${quote(origin + request.path)}`];
  if (authorized) lines.push('-H "authorization: Bearer $MANYHANDS_TOKEN"');
  if (request.body !== undefined) {
    lines.push(`-H ${quote('content-type: application/json')}`);
    lines.push(`--data-binary ${quote(JSON.stringify(request.body))}`);
  }
  if (request.file !== undefined) lines.push(`--data-binary @${quote(request.file)}`);
  return lines.join(' \\\n  ');
}

/** Single quotes keep everything but themselves. */
export function quote(text: string): string {
  return /^[A-Za-z0-9_./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
