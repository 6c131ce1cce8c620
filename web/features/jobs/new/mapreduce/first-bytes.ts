// The first bytes of a dataset, by a range request; fewer when it is smaller.
import { ApiProblem } from '../../../../../shared/client.ts';
import { client } from '../../../../lib/api.ts';

export async function firstBytes(name: string, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const headers = { range: `bytes=0-${bytes - 1}` };
    const response = await client.datasets.bytes(name, { headers });
    return new Uint8Array(await response.arrayBuffer()).subarray(0, bytes);
  } catch (error) {
    // An empty dataset has no first byte to ask for.
    if (error instanceof ApiProblem && error.problem.status === 416) return new Uint8Array();
    throw error;
  }
}
