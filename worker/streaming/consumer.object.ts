import { DurableObject } from 'cloudflare:workers';
import type { Env } from '../platform/env.ts';

export class ConsumerObject extends DurableObject<Env> {}
