// Every operation of the REST contract, by resource: what the edge serves, the document describes, the client calls.
import { claims } from './claims.ts';
import { datasets } from './datasets.ts';
import { docs } from './docs.ts';
import { jobs } from './jobs.ts';
import { leases } from './leases.ts';
import type { Operation } from './operation.ts';
import { processors } from './processors.ts';
import type { Routes } from './routes.ts';
import { schedules } from './schedules.ts';
import { streams } from './streams.ts';
import { swarm } from './swarm.ts';
import { users } from './users.ts';

/** In the order of the documentation. */
export const API = {
  datasets,
  jobs,
  streams,
  claims,
  processors,
  users,
  schedules,
  swarm,
  leases,
  docs,
} satisfies { [Group in keyof Routes]: { [Name in keyof Routes[Group]]: Operation } };

export type Api = typeof API;

export const operations = (): Operation[] =>
  Object.values(API).flatMap((group) => Object.values<Operation>(group));
