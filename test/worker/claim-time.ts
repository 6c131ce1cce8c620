// Lets time pass for claims: what waits in a token's shard is due, and its alarm rings.
import { env, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { claimShardOf } from '../../worker/stubs.ts';

export const claimShardStub = (token: string) =>
  env.CLAIMS.get(env.CLAIMS.idFromName(`claims-${claimShardOf(token)}`));

export async function passClaimTime(token: string): Promise<void> {
  await runInDurableObject(claimShardStub(token), (_, { storage }) => {
    storage.sql.exec('UPDATE claims SET dueMs = 0 WHERE dueMs IS NOT NULL');
    storage.sql.exec('UPDATE timers SET atMs = 0');
  });
  await runDurableObjectAlarm(claimShardStub(token));
}
