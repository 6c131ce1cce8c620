// The OpenAPI document is valid by the specification's own schema, and its examples are ones that work.
import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, it } from 'vitest';
import { MapReduceSpec } from '../../../shared/schemas/job.ts';
import { apiDocument } from '../../../worker/api/openapi/document.ts';
import { escapeHtml, typeHtml } from '../../../worker/api/openapi/schema-html.ts';

const document = apiDocument('1.2.3');
const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate({ ...structuredClone(document) });
    expect(errors).toBeUndefined();
    expect(valid).toBe(true);
    expect(document.openapi).toBe('3.1.0');
  });

  it('would be found invalid if it were', async () => {
    const broken = structuredClone(document) as { info: unknown };
    broken.info = {};
    expect((await new Validator().validate({ ...broken })).valid).toBe(false);
  });

  it('refers only to schemas that are there', () => {
    const names = [...JSON.stringify(document).matchAll(/#\/components\/schemas\/([^"]+)"/g)];
    expect(names.length).toBeGreaterThan(20);
    for (const [, name] of names) expect(Object.keys(document.components.schemas)).toContain(name);
  });

  it('names every operation once', () => {
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('shows a job that can be submitted as it stands', () => {
    const submit = operations.find(({ operationId }) => operationId === 'jobs.submit');
    const body = / -d '([^']+)'$/.exec(submit?.['x-codeSamples'][0]?.source ?? '')?.[1] ?? '';
    const spec = MapReduceSpec.parse(JSON.parse(body));
    expect(spec.code).toContain('ctx.accessLog(line)?.request?.path ?? "-", 1) }\nexport');
  });

  it('lets answers gain fields, and holds requests to theirs', () => {
    const { Job, MapReduceSpec: Spec } = document.components.schemas;
    expect(Job?.additionalProperties).toBeUndefined();
    expect(Spec?.additionalProperties).toBe(false);
  });
});

describe('schemas as text', () => {
  it('are short and escaped', () => {
    expect(typeHtml({ type: 'integer', minimum: 1, maximum: 5, default: 2 })).toBe(
      'integer 1–5, default <code>2</code>',
    );
    expect(typeHtml({ type: 'array', items: { $ref: '#/components/schemas/Job' } })).toBe(
      'list of <a href="#schema-Job">Job</a>',
    );
    expect(typeHtml({ type: ['string', 'null'] })).toBe('string or null');
    expect(typeHtml({ enum: ['<a>', 1] })).toBe(
      '<code>&quot;&lt;a&gt;&quot;</code> | <code>1</code>',
    );
    expect(escapeHtml('<&">')).toBe('&lt;&amp;&quot;&gt;');
  });
});
