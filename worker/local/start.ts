// `npm start`: the local edge and the page, no job. What it stores stays in .manyhands/ until deleted.
import { buildPageIfStale, ROOT } from './build.ts';
import { DEFAULT_PORT, startEdgeOnFreePort } from './edge.ts';
import { readOptions, readPort } from './options.ts';
import { onShutdown } from './shutdown.ts';

const HELP = `Usage: npm start -- [options]

Starts the local edge and the page, and leaves them up until Ctrl-C.

  --port <n>   port on 127.0.0.1 (default ${DEFAULT_PORT}; the next free one if it is in use)
  --help       this text`;

const { values } = readOptions(
  { options: { port: { type: 'string' }, help: { type: 'boolean', short: 'h' } } },
  HELP,
);
if (values.help) {
  console.log(HELP);
} else {
  const port = readPort(values.port, DEFAULT_PORT);
  await buildPageIfStale();
  const edge = await startEdgeOnFreePort({ port, persistDir: `${ROOT}.manyhands/edge` });
  onShutdown(() => edge.stop());
  console.log(`Manyhands is up at ${edge.url}
  lend this machine   ${edge.url}/volunteer
  submit a job        ${edge.url}/jobs/new
  the REST contract   ${edge.url}/api/docs
Ctrl-C ends it.`);
}
