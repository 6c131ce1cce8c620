// Publishes events of an example, once or again and again, and says what the edge answered.
import type { Appended, EventInput } from '../../../../shared/schemas/stream.ts';
import { client } from '../../../lib/api.ts';
import { plural } from '../../../lib/format.ts';
import { publish } from '../examples/example.ts';
import type { Playground } from '../model/playground.svelte.ts';

const FLOW_EVERY_MS = 1_000;

export type Publisher = ReturnType<typeof createPublisher>;

/** Must be called while a component is set up. `flow` makes what is published each second while it flows. */
export function createPublisher(
  playground: Playground,
  stream: string,
  flow: () => EventInput[] = () => [],
) {
  let says = $state('');
  let flowing = $state(false);

  $effect(() => {
    if (!flowing) return;
    const timer = setInterval(() => {
      client.streams.append(stream, flow()).catch((error: unknown) => {
        flowing = false;
        void playground.act('publishing', () => Promise.reject(error));
      });
    }, FLOW_EVERY_MS);
    return () => clearInterval(timer);
  });

  return {
    get says() {
      return says;
    },
    get flowing() {
      return flowing;
    },
    toggleFlow: () => (flowing = !flowing),
    async send(events: readonly EventInput[]): Promise<Appended | undefined> {
      const answer = await playground.do(publish(stream, events));
      if (answer === undefined) return undefined;
      const appended = answer as Appended;
      says = `${plural(appended.accepted, 'event')} taken in`;
      return appended;
    },
  };
}
