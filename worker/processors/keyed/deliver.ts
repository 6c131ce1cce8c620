// Pays what a shard owes: appends outputs and late events, hands lost events to their consumers. Doing it once
// more after a crash adds nothing: the log and the consumers know what they have.
import { CONNECTIONS_MAX } from '../../../shared/limits.ts';
import { isRefusal, OutputMissingError } from '../../outputs/refusal.ts';
import type { OutputEvents } from '../../outputs/effects.ts';
import type { NewEvent } from '../../log/events.ts';
import { sideBySide } from '../../platform/side-by-side.ts';
import {
  lateProducer,
  lateToAppend,
  lettersOf,
  type Outbox,
  outputProducer,
  outputsToAppend,
} from './outbox.ts';
import type { ShardPorts } from './shard-ports.ts';
import type { ShardConfig } from '../../contracts/shard.rpc.ts';

export interface Delivered {
  /** Outputs that were in their stream already. */
  duplicates: number;
  /** Outputs and late events that their streams will never take. */
  refused: number;
  log: string[];
}

/** `outputs`: read already. Throws what is to be waited for: a full stream, no stream, a consumer out of reach. */
export async function deliver(
  config: ShardConfig,
  outbox: Outbox,
  outputs: NewEvent[] | undefined,
  ports: Pick<ShardPorts, 'append' | 'addDeadLetters'>,
): Promise<Delivered> {
  const delivered: Delivered = { duplicates: 0, refused: 0, log: [] };
  const { ref } = config;
  if (outbox.outputs) {
    const { stream } = outbox.outputs;
    const events = outputsToAppend(config, outbox, outputs);
    const changed = stream !== config.output;
    const told = await append(ports, stream, events, outputProducer(ref), changed);
    delivered.duplicates += told.duplicates;
    delivered.refused += told.refused;
    delivered.log.push(...told.log);
  }
  if (outbox.late) {
    const { stream } = outbox.late;
    const changed = stream !== config.late;
    const told = await append(
      ports,
      stream,
      lateToAppend(config, outbox),
      lateProducer(ref),
      changed,
    );
    delivered.refused += told.refused;
    delivered.log.push(...told.log);
  }
  await sideBySide([...lettersOf(config, outbox)], CONNECTIONS_MAX, async ([source, letters]) => {
    const { processor, processorUid, generation } = ref;
    const at = config.sources[source];
    if (!at) throw new Error(`the shard has no source ${source}`);
    const refusal = await ports.addDeadLetters(
      { processor, processorUid, generation, source: at },
      letters,
    );
    if (refusal !== null) throw new Error(`${at.stream}, partition ${at.partition}: ${refusal}`);
  });
  return delivered;
}

/** `changed`: events go elsewhere by now, so that a stream that is gone is not waited for. */
async function append(
  ports: Pick<ShardPorts, 'append'>,
  stream: string,
  all: OutputEvents,
  producer: string,
  changed: boolean,
): Promise<Delivered> {
  try {
    const { duplicates } = await ports.append(stream, all, producer);
    return { duplicates, refused: 0, log: [] };
  } catch (error) {
    if (error instanceof OutputMissingError && changed) {
      return { duplicates: 0, refused: 0, log: [] };
    }
    if (!isRefusal(error, all)) throw error;
  }
  // One of them, or some: each alone, in order.
  const delivered: Delivered = { duplicates: 0, refused: 0, log: [] };
  for (const [i, event] of all.events.entries()) {
    const one = {
      events: [event],
      sequences: all.sequences.slice(i, i + 1),
      ids: all.ids.slice(i, i + 1),
    };
    try {
      delivered.duplicates += (await ports.append(stream, one, producer)).duplicates;
    } catch (error) {
      if (!isRefusal(error, one)) throw error;
      delivered.refused++;
      delivered.log.push(`${saidOf(event)} was refused by ${stream} and dropped: ${error.message}`);
    }
  }
  return delivered;
}

const saidOf = ({ type, source }: NewEvent) =>
  `an event ${type} (of ${source?.stream}, partition ${source?.partition}, offset ${source?.offset})`;
