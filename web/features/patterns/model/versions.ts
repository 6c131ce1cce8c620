// The versions of a processor that read just now: the one that serves, and the one that is rebuilt. Pure.
import type { PartitionLag, Processor } from '../../../../shared/schemas/processor.ts';
import { waitingOf } from './balance.ts';

export interface Version {
  version: number;
  role: 'serves' | 'is rebuilt';
  read: number;
  of: number;
  /** 0…1; 1 when there is nothing to read. */
  share: number;
}

export function versionsOf({
  version,
  lag,
  replay,
}: Pick<Processor, 'version' | 'lag' | 'replay'>): Version[] {
  const serving = versionOf(version, 'serves', lag);
  return replay === null
    ? [serving]
    : [serving, versionOf(replay.version, 'is rebuilt', replay.lag)];
}

function versionOf(version: number, role: Version['role'], lag: readonly PartitionLag[]): Version {
  const read = lag.reduce((sum, { committed }) => sum + committed, 0);
  const of = read + waitingOf(lag);
  return { version, role, read, of, share: of === 0 ? 1 : read / of };
}
