// What only a WindowObject knows: its open windows. A window is one window of one key.
import type { OpenEventWindow } from '../../shared/schemas/processor.ts';
import type { ShardPage, ShardRpc } from './shard.rpc.ts';

export interface WindowRpc extends ShardRpc {
  /** The open windows of a key, oldest first. */
  windowsOf(key: string): Promise<OpenEventWindow[]>;
  /**
   * Those that close first come first, a session by the end that it had when it was last looked at. `order` is a
   * text that sorts so, and is `after` of the next page.
   */
  windows(after: string | null, limit: number): Promise<ShardPage<OpenEventWindow>>;
}
