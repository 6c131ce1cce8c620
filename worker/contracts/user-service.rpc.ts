// What others may ask of the UserServiceObject: users, and the faults that are played.
import type { Faults, User } from '../../shared/schemas/service.ts';

export interface UserServiceRpc {
  get(id: string): Promise<{ user: User | null; faults: Faults }>;
  /**
   * Stores the user, and owes the stream `users` an event, which is sent until it is there. "owing": too many
   * events could not be sent; nothing was stored.
   */
  put(user: User): Promise<{ faults: Faults } | 'owing'>;
  faults(): Promise<Faults>;
  setFaults(faults: Faults): Promise<void>;
}
