// Uploads products and encodes them in this tab: the original goes to the shelf, both encoders take its ticket, fetch
// it, and publish what they made. Each of the three can be held back, sent twice, or sent in another order.
import type { Claim } from '../../../../shared/schemas/claim.ts';
import type { Appended, EventInput } from '../../../../shared/schemas/stream.ts';
import { client } from '../../../lib/api.ts';
import { plural } from '../../../lib/format.ts';
import { ImageEncoder } from '../encoders/image-encoder.ts';
import type { EncodedPicture } from '../encoders/messages.ts';
import { encodeClip } from '../encoders/video-encoder.ts';
import { publish } from '../examples/example.ts';
import {
  asAnother,
  imageEncoded,
  type Media,
  productUploaded,
  videoEncoded,
} from '../examples/products.ts';
import type { Playground } from '../model/playground.svelte.ts';

export type Encoder = 'images' | 'clip';
export type Repeat = 'once' | 'same id' | 'another id';
export type StepState = 'waits' | 'held' | 'working' | 'sent' | 'failed';

/** One product on its way through this tab. */
export interface Production {
  id: string;
  original: StepState;
  images: StepState;
  clip: StepState;
  /** What went wrong, in words. */
  problem: string;
}

const PRODUCTIONS_KEPT_MAX = 12;

export type Studio = ReturnType<typeof createStudio>;

/** Must be called while a component is set up: its worker ends with that. */
export function createStudio(playground: Playground) {
  const imageEncoder = new ImageEncoder();
  let productions = $state.raw<readonly Production[]>([]);
  let says = $state('');
  const holds = $state<Record<Encoder, boolean>>({ images: false, clip: false });
  const choices = $state<{ originalLast: boolean; repeat: Repeat }>({
    originalLast: false,
    repeat: 'once',
  });
  /** What is held back, and goes on when it is let go. */
  let held: { encoder: Encoder; id: string; go: () => void }[] = [];
  $effect(() => () => imageEncoder.close());

  function change(id: string, next: Partial<Production>): void {
    productions = productions.map((one) => (one.id === id ? { ...one, ...next } : one));
  }

  async function send(events: EventInput[]): Promise<void> {
    let appended = (await playground.make(publish('products', events))) as Appended;
    says = `${plural(appended.accepted, 'event')} taken in`;
    if (choices.repeat === 'once') return;
    // Only what the join waits for: its pictures' own events would just be passed over again.
    const again = events.filter(({ type }) => type !== 'Rendition');
    const repeated = choices.repeat === 'same id' ? again : again.map(asAnother);
    appended = (await playground.make(publish('products', repeated))) as Appended;
    says +=
      appended.duplicates > 0
        ? '; the second time the log knew its id, and took nothing in'
        : '; the second time under another id: to the log it is a new event';
  }

  /** Runs now, or when it is let go. */
  function unlessHeld(encoder: Encoder, id: string): Promise<void> {
    if (!holds[encoder]) return Promise.resolve();
    change(id, { [encoder]: 'held' });
    return new Promise((go) => held.push({ encoder, id, go }));
  }

  async function encode(encoder: Encoder, id: string, original: Claim): Promise<void> {
    await unlessHeld(encoder, id);
    change(id, { [encoder]: 'working' });
    try {
      const response = await client.claims.bytes(original.token);
      // The shelf serves bytes; what they are says the ticket.
      const picture = new Blob([await response.arrayBuffer()], { type: original.contentType });
      if (encoder === 'images') {
        const made = await imageEncoder.encode(picture);
        await send(imageEncoded(id, await Promise.all(made.map(shelve))));
      } else {
        await send(videoEncoded(id, await shelve(await encodeClip(picture))));
      }
      change(id, { [encoder]: 'sent' });
    } catch (error) {
      change(id, { [encoder]: 'failed', problem: wordsOf(error) });
    }
  }

  return {
    /** Newest first. */
    get productions() {
      return productions;
    },
    get says() {
      return says;
    },
    holds,
    choices,
    get heldBack() {
      return productions.filter(({ images, clip }) => images === 'held' || clip === 'held').length;
    },
    /** The original's way; the encoders go on by themselves. */
    async upload(id: string, picture: Blob): Promise<void> {
      const original = await client.claims.store(picture);
      const begun: Production = {
        id,
        original: 'waits',
        images: 'waits',
        clip: 'waits',
        problem: '',
      };
      productions = [begun, ...productions].slice(0, PRODUCTIONS_KEPT_MAX);
      const tell = async () => {
        await send([productUploaded(id, original)]);
        change(id, { original: 'sent' });
      };
      const { originalLast } = choices;
      if (!originalLast) await tell();
      const encoding = [encode('images', id, original), encode('clip', id, original)];
      if (originalLast) {
        void Promise.all(encoding)
          .then(tell)
          .catch((error: unknown) => change(id, { original: 'failed', problem: wordsOf(error) }));
      }
    },
    /** Lets those go on that were held back, and holds back no more. */
    letGo(): void {
      holds.images = false;
      holds.clip = false;
      const going = held;
      held = [];
      for (const { go } of going) go();
    },
  };
}

const wordsOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

async function shelve({ blob, width, height }: EncodedPicture): Promise<Media> {
  return { ...(await client.claims.store(blob)), width, height };
}
