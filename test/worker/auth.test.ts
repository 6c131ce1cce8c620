// Who may call what: bearers once tokens are set; loopback hosts until then; volunteering and health always.
import { createExecutionContext, env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { app } from '../../worker/app.ts';
import { problemOf } from './rest.ts';

const TOKENS = 'first-token, second-token';
const fetchWith = (url: string, init: RequestInit, tokens?: string): Promise<Response> => {
  const bindings = tokens === undefined ? env : { ...env, API_TOKENS: tokens };
  return Promise.resolve(app.fetch(new Request(url, init), bindings, createExecutionContext()));
};

const CLOSED: [string, string][] = [
  ['GET', '/api/jobs'],
  ['POST', '/api/jobs'],
  ['GET', '/api/jobs/job_1'],
  ['DELETE', '/api/jobs/job_1'],
  ['POST', '/api/jobs/job_1/cancel'],
  ['GET', '/api/jobs/job_1/result'],
  ['GET', '/api/jobs/job_1/events/live'],
  ['GET', '/api/datasets'],
  ['PUT', '/api/datasets/x'],
  ['DELETE', '/api/datasets/x'],
  ['GET', '/api/volunteers'],
];

describe('with API_TOKENS set', () => {
  it.each(CLOSED)('%s %s wants a token', async (method, path) => {
    for (const authorization of ['', 'Bearer wrong', 'Bearer first-token,', 'Basic first-token']) {
      const headers: HeadersInit = authorization ? { authorization } : {};
      const response = await fetchWith(`http://localhost${path}`, { method, headers }, TOKENS);
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      expect((await problemOf(response)).code).toBe('unauthorized');
    }
  });

  it.each(['first-token', 'second-token'])('%s opens, from any host', async (token) => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetchWith('https://hands.example/api/jobs', { headers }, TOKENS);
    expect(response.status).toBe(200);
  });

  it('health, the swarm’s numbers and the data plane need none', async () => {
    for (const path of ['/api/health', '/api/swarm']) {
      expect((await fetchWith(`https://hands.example${path}`, {}, TOKENS)).status).toBe(200);
    }
    const forged = await fetchWith('https://hands.example/api/leases/a.b/input', {}, TOKENS);
    expect((await problemOf(forged)).code).toBe('bad_lease');
    const plain = await fetchWith('https://hands.example/api/volunteer?id=abcdefgh', {}, TOKENS);
    expect((await problemOf(plain)).code).toBe('upgrade_required');
  });
});

describe('without API_TOKENS', () => {
  it.each(['http://localhost', 'http://127.0.0.1:8787', 'http://[::1]:8787'])(
    '%s is served',
    async (origin) => {
      expect((await fetchWith(`${origin}/api/jobs`, {})).status).toBe(200);
    },
  );

  it.each([
    'https://hands.example',
    'http://localhost.evil.example',
    'http://127.0.0.1.evil.example',
  ])('%s is told what to do', async (origin) => {
    const response = await fetchWith(`${origin}/api/jobs`, {});
    expect(response.status).toBe(403);
    expect((await problemOf(response)).detail).toContain('API_TOKENS');
    expect((await fetchWith(`${origin}/api/health`, {})).status).toBe(200);
  });

  it('another site’s page in the same browser is not served', async () => {
    const headers = { origin: 'https://evil.example' };
    const response = await fetchWith('http://localhost/api/jobs', {
      method: 'POST',
      headers,
      body: '{}',
    });
    expect(response.status).toBe(403);
    const own = await fetchWith('http://localhost/api/jobs', {
      headers: { origin: 'http://localhost' },
    });
    expect(own.status).toBe(200);
  });
});
