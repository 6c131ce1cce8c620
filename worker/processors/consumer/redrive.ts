// Dead letters that are run again: each alone, with the code of today, under its own producer id, so that running
// one twice emits once.
import { REDRIVE_IN_FLIGHT } from '../../../shared/limits.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import { sideBySide } from '../../platform/side-by-side.ts';
import { finish, whileRenewing } from './append-effects.ts';
import type { ConsumePorts, WorkOf } from './consume-ports.ts';
import type {
  ConsumerConfig,
  ConsumerWork,
  Outputs,
  RedrivenReport,
} from '../../contracts/consumer.rpc.ts';
import { addCounts } from '../definition/counters.ts';
import { checkOutputs } from '../../outputs/effects.ts';
import { consumerName } from '../../contracts/names.ts';

type Letter = WorkOf<'redrive'>['letters'][number];

export async function redrive(
  ports: ConsumePorts,
  work: WorkOf<'redrive'>,
  operations: Record<string, number>,
): Promise<ConsumerWork | null> {
  const { consumer } = ports;
  const { lease, config, letters } = work;
  const runs = await whileRenewing(ports, lease, () =>
    sideBySide(letters, REDRIVE_IN_FLIGHT, (letter) => runLetter(ports, config, letter)),
  );
  const report: RedrivenReport = {
    kind: 'redriven',
    letters: letters.map(({ id, offset, attempt }, i) => ({
      id,
      offset,
      attempt,
      error: runs[i]?.error ?? null,
    })),
    emitted: 0,
    duplicates: 0,
    log: runs.flatMap(({ log }) => log),
    operations: {},
  };
  addCounts(report.operations, operations);
  addCounts(report.operations, { durableObjectRequest: 1 });
  const outputs = runs.flatMap((run) => run.outputs ?? []);
  if (outputs.length === 0 || config.output === null) return consumer.report(lease, report);
  addCounts(report.operations, { durableObjectRequest: 1, rowWritten: 1 });
  const effects = { output: config.output, version: config.version, outputs, report };
  if (!(await consumer.prepare(lease, effects))) return null;
  return finish(ports, work, effects, null);
}

/** Throws what is not the code's fault. */
async function runLetter(
  ports: ConsumePorts,
  config: ConsumerConfig,
  { id, offset, line, attempt }: Letter,
): Promise<{ error: TaskError | null; outputs: Outputs | null; log: string[] }> {
  try {
    // A type that the processor does not take any more is passed over, which is well.
    const call = { text: line, attempt, final: true, redrive: true, appendedAt: [], settled: 0 };
    const outcome = await ports.run(config, call);
    const { log, outputs: text, outputOffsets: offsets } = outcome;
    const failure = outcome.failures[0] ?? outcome.refused?.[0];
    const error = failure?.error ?? checkOutputs(outcome, config).failed.get(offset);
    if (error) return { error, outputs: null, log };
    const producer = `${consumerName(config.ref)}/dead/${id}`;
    return { error: null, outputs: text === '' ? null : { producer, text, offsets }, log };
  } catch (error) {
    const crash = ports.crashOf(error);
    if (!crash) throw error;
    return { error: crash, outputs: null, log: [] };
  }
}
