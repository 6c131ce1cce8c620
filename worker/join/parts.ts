// What the joins of a shard are made of. A change of the definition makes them anew, over the same tables.
import type { TaskError } from '../../shared/schemas/job.ts';
import type { JoinRules, RetrySpec } from '../../shared/schemas/processor.ts';
import type { KeyedCode } from '../keyed/operator.ts';
import type { ShardSource } from '../keyed/shard.rpc.ts';
import type { JoinSql } from './join-store.ts';

export interface JoinParts {
  sql: JoinSql;
  rules: JoinRules;
  retry: RetrySpec;
  code: KeyedCode;
  /** What the numbers of sources stand for. */
  sources: readonly Pick<ShardSource, 'ref'>[];
  /** From 0 to 1. */
  random(): number;
  /** What killed the isolate; null for everything that is not the code's fault. */
  crashOf(error: unknown): TaskError | null;
}
