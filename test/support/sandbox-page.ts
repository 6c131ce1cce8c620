// Serves the sandbox test's page, and beside it an outside world: two origins that write down every request
// and every upgrade that reaches them. What user code got out is what was written down.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ENTRY = fileURLToPath(new URL('sandbox-entry.ts', import.meta.url));

export interface SandboxPage {
  /** The page's own origin, and another one. */
  origin: string;
  outside: string;
  /** `METHOD host path`, in order; the page's own files are not among them. */
  requests: string[];
  stop(): Promise<void>;
}

export async function serveSandboxPage(): Promise<SandboxPage> {
  const script = await bundleEntry();
  const requests: string[] = [];
  const own = new Map([
    ['/', ['text/html', '<!doctype html><title>sandbox</title><script src="/entry.js"></script>']],
    ['/entry.js', ['text/javascript', script]],
    ['/favicon.ico', ['image/x-icon', '']],
  ]);
  const record = ({ method, headers, url }: IncomingMessage) =>
    void requests.push(`${method} ${headers.host} ${url}`);
  const serve = (files: Map<string, string[]>): Promise<Server> => {
    const server = createServer((request, response) => {
      const [type, body] = files.get(request.url ?? '') ?? [];
      if (type === undefined) record(request);
      // As permissive as a server can be: only the sandbox stands between.
      response.writeHead(type === undefined ? 404 : 200, {
        'content-type': type ?? 'text/javascript',
        'access-control-allow-origin': '*',
        'access-control-allow-headers': '*',
      });
      response.end(body ?? 'globalThis.reached = true');
    });
    server.on('upgrade', (request, socket) => {
      record(request);
      socket.destroy();
    });
    return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
  };
  const servers = [await serve(own), await serve(new Map())] as const;
  const [origin, outside] = servers.map(
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  ) as [string, string];
  const stop = async () => {
    for (const server of servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  };
  return { origin, outside, requests, stop };
}

async function bundleEntry(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [ENTRY],
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2024',
    // As the page is built: functions that travel as text must survive it.
    minify: true,
  });
  return outputFiles[0]?.text ?? '';
}
