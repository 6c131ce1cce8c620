// A recommendation as a sentence. Pure.
import type { StreamEvent } from '../../../../shared/schemas/stream.ts';

export function recommendationText({ payload }: Pick<StreamEvent, 'payload'>): string {
  const { customer, product, because } = (payload ?? {}) as Record<string, unknown>;
  const reason = Array.isArray(because) ? because.join(' and ') : String(because);
  return `${String(customer)}: ${String(product)}, because of ${reason}`;
}
