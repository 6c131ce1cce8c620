// Opens the tail of a stream once its partitions are known, and closes it with the page.
import type { Stream } from '../../../../shared/schemas/stream.ts';
import { LiveTail } from './live-tail.svelte.ts';

export class TailHandle {
  tail: LiveTail | null = $state.raw(null);

  open({ name, partitions }: Stream): void {
    this.tail ??= new LiveTail(name, partitions);
  }

  close(): void {
    this.tail?.close();
  }
}
