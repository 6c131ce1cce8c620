// The API's description is the API: every route is in it and nothing else, and the page stands alone.
import { env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { operations } from '../../shared/api/api.ts';
import { PROBLEM_CODES } from '../../shared/schemas/problem.ts';
import { app } from '../../worker/app.ts';
import type { ApiDocument } from '../../worker/api/openapi/shape.ts';
import { call, problemOf } from './rest.ts';

const documented = async (): Promise<ApiDocument> => (await call('/openapi.json')).json();

describe('the OpenAPI document', () => {
  it('has every route of the app, and no other; so has the contract', async () => {
    // "ALL" is middleware.
    const served = app.routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path}`);
    const promised = operations().map(({ method, path }) => `${method} ${path}`);
    expect(served.sort()).toEqual(promised.sort());
    const { paths } = await documented();
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map(
        (method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`,
      ),
    );
    expect(described.sort()).toEqual(promised);
    expect(promised.length).toBeGreaterThan(20);
  });

  it('marks as open just what the app lets anybody call', async () => {
    const { paths } = await documented();
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, { security }] of Object.entries(methods)) {
        // Without tokens only loopback hosts pass: another host shows which routes ask.
        const concrete = path.replace(/\{\w+\}/g, 'x');
        const response = await app.fetch(
          new Request(`http://elsewhere.example${concrete}`, { method: method.toUpperCase() }),
          { ...env, API_TOKENS: 'secret' },
        );
        const refused = response.status === 401;
        expect({ path, method, refused }).toEqual({
          path,
          method,
          refused: security === undefined,
        });
      }
    }
  });
});

describe('the page', () => {
  it('needs no other host and no script, and its policy says so', async () => {
    const response = await call('/docs');
    expect(response.headers.get('content-type')).toMatch(/^text\/html/);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^default-src 'none'; style-src 'nonce-[\w-]+'/);
    const html = await response.text();
    expect(html).not.toMatch(/<script|<link|<img|<iframe|@import|url\(|\ssrc=|\sstyle=/i);
    expect(html.match(/href="([^#"][^"]*)"/g)).toEqual(['href="/api/openapi.json"']);
    const nonce = /'nonce-([^']+)'/.exec(policy)?.[1];
    expect(html).toContain(`<style nonce="${nonce}">`);
    expect(await (await call('/docs')).text()).not.toContain(`nonce="${nonce}"`);
  });

  it('has an anchor for the type of every problem', async () => {
    const html = await (await call('/docs')).text();
    for (const code of PROBLEM_CODES) expect(html).toContain(`id="${code}"`);
    const { type } = await problemOf(await call('/jobs/job_none'));
    expect(type).toBe('/api/docs#not_found');
  });

  it('has no link that leads nowhere, and no anchor twice', async () => {
    const html = await (await call('/docs')).text();
    const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const targets = [...html.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id);
    expect(targets.length).toBeGreaterThan(50);
    for (const target of targets) expect(ids).toContain(target);
  });
});
