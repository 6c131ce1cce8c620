// A local edge of a test's own: any free port, storage thrown away unless the test keeps it.
import { startEdge } from '../../worker/local/edge.ts';
import type { Edge, EdgeOptions } from '../../worker/local/edge.ts';
import { createClient, type Client } from '../../shared/client.ts';

export interface TestEdge extends Edge {
  client: Client;
}

export async function startTestEdge(options: EdgeOptions = {}): Promise<TestEdge> {
  const edge = await startEdge({ quiet: true, ...options });
  return { ...edge, client: createClient(edge.url) };
}
