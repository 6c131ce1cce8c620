// Files of the worker layer share one workerd. None meets what another one left: all objects end with the file.
import { reset } from 'cloudflare:test';
import { afterAll } from 'vitest';

afterAll(reset);
