// What DAG jobs are measured against: Cloudflare Workflows in the same local runtime, doing the same nothing: a
// sequence of empty steps, and a fan-out of empty steps awaited together.
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';

export interface Workflows {
  /** Milliseconds from creation until the instance is complete; `shape` of `count` steps. */
  run(shape: 'sequence' | 'fanOut', count: number): Promise<number>;
  stop(): Promise<void>;
}

const POLL_MS = 5;

const WORKER = `
import { WorkflowEntrypoint } from 'cloudflare:workers';
export class Empty extends WorkflowEntrypoint {
  async run({ payload: { shape, count } }, step) {
    const steps = Array.from({ length: count }, (_, n) => n);
    if (shape === 'fanOut') return (await Promise.all(steps.map((n) => step.do('step ' + n, async () => n)))).length;
    for (const n of steps) await step.do('step ' + n, async () => n);
    return count;
  }
}
export default {
  async fetch(request, env) {
    const { shape, count } = await request.json();
    const beganMs = Date.now();
    const instance = await env.EMPTY.create({ params: { shape, count } });
    for (;;) {
      const { status, error } = await instance.status();
      if (status === 'complete') return Response.json({ ms: Date.now() - beganMs });
      if (status === 'errored' || status === 'terminated') return Response.json({ error }, { status: 500 });
      await scheduler.wait(${POLL_MS});
    }
  },
};`;

export async function startWorkflows(): Promise<Workflows> {
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      name: 'workflows',
      modules: [{ type: 'ESModule', path: 'worker.js', contents: WORKER }],
      compatibilityDate: '2026-10-01',
      workflows: { EMPTY: { name: 'empty', className: 'Empty' } },
      host: '127.0.0.1',
      port: 0,
      cf: false,
    }),
  );
  const url = String(await miniflare.ready);
  return {
    async run(shape, count) {
      const response = await fetch(url, { method: 'POST', body: JSON.stringify({ shape, count }) });
      if (!response.ok) throw new Error(await response.text());
      return ((await response.json()) as { ms: number }).ms;
    },
    stop: () => miniflare.dispose(),
  };
}
