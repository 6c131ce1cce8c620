// What a step's code may ask of the world: its services, payloads of claims, and to have its output stored. Outputs are
// counted here, so that the isolate only names one by its number and cannot pass another claim off as its own.
import { messageOf } from '../../../../shared/message-of.ts';
import type { StepHost } from '../../../../shared/dag/step.ts';
import type { Claim } from '../../../../shared/schemas/claim.ts';
import type { HostAnswer } from '../../../../shared/sandbox/host.ts';
import { storeClaim } from '../../../claim-check/claims.edge.ts';
import type { Env } from '../../../platform/env.ts';
import { processHost } from '../../../isolates/process-host.edge.ts';
import type { StepRunCall } from '../../../contracts/step-runner.rpc.ts';

export interface StepStore {
  host: StepHost;
  /** By number. */
  readonly stored: readonly Claim[];
}

/** For one call of `units` units. Plain functions: they cross to the isolate as stubs that end with the call. */
export function stepHost(
  env: Env,
  services: StepRunCall['services'],
  units: number,
  now: () => number,
): StepStore {
  const stored: Claim[] = [];
  // A unit that the loop guard stopped is run a second time.
  let left = units * 2;
  const store = async (
    body: unknown,
    bytes: number,
    contentType: string,
  ): Promise<HostAnswer<number>> => {
    if (left-- <= 0) return { ok: false, message: 'each unit has one output' };
    try {
      const stream = body as ReadableStream<Uint8Array>;
      const incoming = { body: stream, contentType, contentLength: bytes };
      stored.push(await storeClaim(env, incoming, now()));
      return { ok: true, value: stored.length - 1 };
    } catch (error) {
      return { ok: false, message: messageOf(error) };
    }
  };
  return { host: { ...processHost(env, services, 'step'), store }, stored };
}
