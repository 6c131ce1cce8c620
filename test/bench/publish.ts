// Publishing for benchmarks: requests of so many events each, as fast as a few publishers get them through, or at a
// steady pace.
import { setTimeout as pause } from 'node:timers/promises';

const PUBLISHERS = 4;
const POLL_MS = 50;
const WAIT_MAX_MS = 300_000;

/** Events as NDJSON, `size` to a request. */
export function packed(events: readonly unknown[], size: number): string[] {
  const requests: string[] = [];
  for (let first = 0; first < events.length; first += size) {
    const some = events.slice(first, first + size);
    requests.push(some.map((event) => JSON.stringify(event)).join('\n'));
  }
  return requests;
}

export async function publish(url: string, requests: readonly string[]): Promise<void> {
  const waiting = requests.values();
  const publisher = async () => {
    for (const body of waiting) await post(url, body);
  };
  await Promise.all(Array.from({ length: PUBLISHERS }, publisher));
}

export async function publishPaced(
  url: string,
  requests: readonly string[],
  everyMs: number,
): Promise<void> {
  const beganMs = performance.now();
  const sent: Promise<unknown>[] = [];
  for (const [index, body] of requests.entries()) {
    await pause(Math.max(0, beganMs + index * everyMs - performance.now()));
    sent.push(post(url, body));
  }
  await Promise.all(sent);
}

export async function post(url: string, body: string): Promise<string> {
  const headers = { 'content-type': 'application/x-ndjson' };
  const response = await fetch(url, { method: 'POST', body, headers });
  const answer = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${answer}`);
  return answer;
}

export async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + WAIT_MAX_MS;
  while (!(await holds())) {
    if (Date.now() > deadlineMs) throw new Error('the events did not get through in time');
    await pause(POLL_MS);
  }
}
