// What others may ask of the CatalogObject, as plain interfaces.
import type { List } from '../../shared/schemas/common.ts';
import type { Dataset } from '../../shared/schemas/dataset.ts';
import type { JobKind, JobState } from '../../shared/schemas/job.ts';
import type { AnyJobSummary } from '../../shared/schemas/jobs.ts';
import type { StreamSpec } from '../../shared/schemas/stream.ts';
import type { StreamDefinition } from './names.ts';

/** A dataset and the immutable object that its bytes lie in. */
export interface StoredDataset extends Dataset {
  key: string;
}

/** An upload in parts that has begun and is not complete. */
export interface Upload {
  key: string;
  uploadId: string;
  contentType: string;
}

export interface UploadPart {
  part: number;
  bytes: number;
  etag: string;
}

export interface JobFilter {
  state?: JobState | undefined;
  kind?: JobKind | undefined;
  cursor?: string | undefined;
  limit: number;
}

export type PutStream =
  | { kind: 'created' | 'changed'; definition: StreamDefinition }
  /** Another number of partitions was asked for. */
  | { kind: 'fixedPartitions'; partitions: number };

/** What the catalog knows of a processor; the rest is its ProcessorObject's. */
export interface ProcessorEntry {
  name: string;
  uid: string;
  kind: string;
  streams: string[];
  output: string | null;
  /** Where its late events go. Older rows have no such field. */
  late?: string | null;
}

export type PutProcessor =
  | { kind: 'put'; uid: string; streams: StreamDefinition[] }
  | { kind: 'unknownStream'; field: 'stream' | OutputField; stream: string }
  /** Streams and processors in turn; begins and ends with the same stream. `field`: the output that closes it. */
  | { kind: 'cycle'; field: OutputField; path: string[] };

/** The fields of a specification that name a stream to write to. */
export type OutputField = 'output' | 'late';

export type Deleted<Entry> =
  | { kind: 'deleted'; entry: Entry }
  | { kind: 'unknown' }
  /** Processors read from it or write to it. */
  | { kind: 'used'; by: string[] };

export interface NamedEntry {
  name: string;
  uid: string;
}

/** Headers of a request, by their names; compared with the ETag of the dataset that is there. */
export type DatasetConditions = { readonly [header: string]: string };
/** Anything but "go": nothing was changed. */
export type ConditionsVerdict = 'go' | 'unchanged' | 'failed';

export interface CatalogRpc {
  /** What leases are signed with; made at the first call. */
  secret(): Promise<string>;

  // --- Jobs ---
  updateJob(summary: AnyJobSummary): Promise<void>;
  deleteJob(job: string): Promise<void>;
  /** Newest first. */
  jobs(filter: JobFilter): Promise<List<AnyJobSummary>>;
  /** Ids of jobs that map, or will. */
  activeJobs(): Promise<string[]>;
  jobsRunning(): Promise<number>;
  /**
   * Remembers that `key` means this body and this job. Answers the job that it meant first, "conflict" when it
   * came with another body, "deleted" when that job was deleted.
   */
  reserveIdempotencyKey(
    key: string,
    bodyDigest: string,
    job: string,
  ): Promise<string | 'conflict' | 'deleted'>;
  /** Forgets the key, unless the same submission sent again has become a job meanwhile. */
  releaseIdempotencyKey(key: string, job: string): Promise<void>;

  // --- Datasets ---
  datasets(cursor: string | undefined, limit: number): Promise<List<Dataset>>;
  dataset(name: string): Promise<StoredDataset | null>;
  /** Makes `dataset` the one of its name; what was there before goes once no job reads it. */
  putDataset(dataset: StoredDataset, conditions: DatasetConditions): Promise<ConditionsVerdict>;
  /** Null: there is none. */
  deleteDataset(name: string, conditions: DatasetConditions): Promise<ConditionsVerdict | null>;
  /** Keeps a dataset's object for a job until `unpin`, whatever becomes of the dataset. */
  pin(job: string, name: string): Promise<StoredDataset | null>;
  unpin(job: string): Promise<void>;

  // --- Uploads in parts ---
  upload(name: string): Promise<Upload | null>;
  /** The upload that goes on: another one if somebody else began at the same time. */
  beginUpload(name: string, upload: Upload): Promise<Upload>;
  addPart(name: string, uploadId: string, part: UploadPart): Promise<void>;
  parts(name: string): Promise<UploadPart[]>;
  /** Does nothing when another upload of the name has begun since. */
  endUpload(name: string, uploadId: string): Promise<void>;

  // --- Streams, processors, schedules ---
  putStream(name: string, spec: StreamSpec): Promise<PutStream>;
  stream(name: string): Promise<StreamDefinition | null>;
  streams(cursor: string | undefined, limit: number): Promise<List<StreamDefinition>>;
  deleteStream(name: string): Promise<Deleted<StreamDefinition>>;
  /** Checks streams and cycles; the unique id stays the same while the processor exists. */
  putProcessor(entry: Omit<ProcessorEntry, 'uid'>): Promise<PutProcessor>;
  processor(name: string): Promise<ProcessorEntry | null>;
  processors(cursor: string | undefined, limit: number): Promise<List<ProcessorEntry>>;
  readersOf(stream: string): Promise<ProcessorEntry[]>;
  deleteProcessor(name: string): Promise<void>;
  /** The schedule's unique id. */
  putSchedule(name: string): Promise<string>;
  schedule(name: string): Promise<string | null>;
  schedules(cursor: string | undefined, limit: number): Promise<List<NamedEntry>>;
  /** Only while it is this one: the name may mean another one meanwhile. */
  deleteSchedule(name: string, uid: string): Promise<void>;
}
