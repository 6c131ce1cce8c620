// /api/jobs/:id/steps and /signals: what only jobs of kind `dag` have.
import { sendSignal, stepDetail, stepItems } from '../jobs/dag/step-requests.edge.ts';
import type { Handlers } from './serve.ts';

export const stepHandlers: Pick<Handlers<'jobs'>, 'step' | 'items' | 'signal'> = {
  step: ({ env, params: { id, step }, query: { item } }) => stepDetail(env, id, step, item ?? null),
  items: ({ env, params: { id, step }, query: { cursor, limit } }) =>
    stepItems(env, id, step, cursor, limit),
  async signal({ env, params: { id, name }, body }) {
    await sendSignal(env, id, name, body);
    return { signal: name };
  },
};
