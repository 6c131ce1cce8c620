// Publishes events of an example and says what the edge answered.
import type { Appended, EventInput } from '../../../../shared/schemas/stream.ts';
import { plural } from '../../../lib/format.ts';
import { publish } from '../examples/example.ts';
import type { Playground } from '../playground.svelte.ts';

export type Publisher = ReturnType<typeof createPublisher>;

export function createPublisher(playground: Playground, stream: string) {
  let says = $state('');
  return {
    get says() {
      return says;
    },
    async send(events: readonly EventInput[]): Promise<Appended | undefined> {
      const answer = await playground.do(publish(stream, events));
      if (answer === undefined) return undefined;
      const appended = answer as Appended;
      says = `${plural(appended.accepted, 'event')} taken in`;
      return appended;
    },
  };
}
