// What streaming objects are called. Names carry the unique id of a definition, not only its name: a stream
// that was deleted and made again is another stream.

/** A stream as the catalog keeps it. */
export interface StreamDefinition {
  name: string;
  uid: string;
  partitions: number;
  claimCheckBytes: number;
  retentionHours: number;
  partitionMaxBytes: number;
  createdAt: string;
}

/** One partition of one stream. */
export interface PartitionRef {
  stream: string;
  uid: string;
  partition: number;
}

export const partitionsOf = ({ name, uid, partitions }: StreamDefinition): PartitionRef[] =>
  Array.from({ length: partitions }, (_, partition) => ({ stream: name, uid, partition }));

/** Who reads one partition for one processor. A replay reads beside the version it replaces: another generation. */
export interface ConsumerRef {
  processor: string;
  processorUid: string;
  generation: number;
  source: PartitionRef;
}

export const logName = ({ uid, partition }: Pick<PartitionRef, 'uid' | 'partition'>) =>
  `${uid}/${partition}`;

export const consumerName = ({ processorUid, generation, source }: ConsumerRef) =>
  `${processorUid}/${generation}/${logName(source)}`;

/** The windows of a batch processor's generation. */
export const batchName = (processorUid: string, generation: number) =>
  `${processorUid}/${generation}`;
