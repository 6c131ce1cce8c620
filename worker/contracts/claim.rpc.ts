// What others may ask of a ClaimObject: one shard of the claims, by token. A holder is a partition whose log
// has events with the claim; a claim without holders is collected after a grace time.
import type { Claim } from '../../shared/schemas/claim.ts';

export type FoundClaim =
  | { kind: 'there'; claim: Claim; key: string }
  /** It was collected: 410. */
  | { kind: 'collected' }
  | { kind: 'unknown' };

export interface ClaimRpc {
  /** The bytes are in R2 already. */
  register(claims: Claim[]): Promise<void>;
  find(token: string): Promise<FoundClaim>;
  /** Looks several up, and gives each that is there another grace time: an append is about to refer to them. */
  touch(tokens: string[]): Promise<FoundClaim[]>;
  hold(holder: string, tokens: string[]): Promise<void>;
  /** Idempotent; the claim goes with its last holder. */
  release(holder: string, tokens: string[]): Promise<void>;
}
