// /api/jobs/:id/steps and /signals: what only jobs of kind `dag` have. Validates, calls, answers.
import { Hono } from 'hono';
import { SIGNAL_MAX_BYTES } from '../../shared/limits.ts';
import { JsonValue, ListQuery } from '../../shared/schemas/common.ts';
import { StepName, StepQuery } from '../../shared/schemas/dag.ts';
import { sendSignal, stepDetail, stepItems } from '../jobs/dag/step-requests.edge.ts';
import type { AppEnv } from '../platform/env.ts';
import { jsonBodyOrNull, parse, parseQuery } from '../platform/validate.ts';

export const runRoutes = new Hono<AppEnv>()
  .get('/:id/steps/:step', async (c) => {
    const { id, step } = c.req.param();
    const { item } = parseQuery(c, StepQuery);
    return c.json(await stepDetail(c.env, id, step, item ?? null));
  })
  .get('/:id/steps/:step/items', async (c) => {
    const { id, step } = c.req.param();
    const { cursor, limit } = parseQuery(c, ListQuery);
    return c.json(await stepItems(c.env, id, step, cursor, limit));
  })
  .post('/:id/signals/:name', async (c) => {
    const { id } = c.req.param();
    const signal = parse(StepName, c.req.param('name'), 'name of the signal');
    const body = parse(JsonValue, await jsonBodyOrNull(c.req.raw, SIGNAL_MAX_BYTES), 'body');
    await sendSignal(c.env, id, signal, body);
    return c.json({ signal }, 202);
  });
