// What a consumer keeps: the ConsumerObject's tables behind an interface, which tests have in memory.
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { ConsumerConfig, Effects, Letter } from '../../contracts/consumer.rpc.ts';
import type { ConsumerRecord } from './consumer-record.ts';

export interface ConsumerStorage {
  transaction<Result>(work: () => Result): Result;
  load(): Loaded | null;
  saveConfig(config: ConsumerConfig): void;
  saveRecord(record: ConsumerRecord): void;
  saveLog(lines: string[]): void;
  savePrepared(serial: number, effects: Effects): void;
  /** Null as well when it was prepared under another serial. */
  loadPrepared(serial: number): Effects | null;
  /** One that is there already stays as it is. */
  addLetter(letter: Letter): void;
  /** One that is being run again stays, with another error, and is not run again; false: it lies there already. */
  putLetter(letter: Letter): boolean;
  /** `attempts` that were made before the one that went well: one that was dead-lettered anew meanwhile stays. */
  removeLetter(id: string, attempts: number | null): void;
  letterFailedAgain(id: string, error: TaskError): void;
  letterCount(): number;
  /** Those whose time to be run again has come; oldest time first. */
  lettersDue(nowMs: number, limit: number): Letter[];
  nextRedriveMs(): number | null;
}

export interface Loaded {
  config: ConsumerConfig;
  record: ConsumerRecord;
  /** The last lines that the code logged. */
  log: string[];
}
