// Schemas as a person reads them: one line for a type, a table for an object.
import type { SchemaShape } from './shape.ts';

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"]/g, (char) => ENTITIES[char] ?? char);

const jsonHtml = (value: unknown) => `<code>${escapeHtml(JSON.stringify(value))}</code>`;

/** A type in one line, with links to named schemas. */
export function typeHtml(schema: SchemaShape): string {
  if (schema.$ref !== undefined) {
    const name = escapeHtml(schema.$ref.split('/').at(-1) ?? '');
    return `<a href="#schema-${name}">${name}</a>`;
  }
  if (schema.const !== undefined) return jsonHtml(schema.const);
  if (schema.enum) return schema.enum.map(jsonHtml).join(' | ');
  const union = schema.anyOf ?? schema.oneOf;
  if (union) return union.map(typeHtml).join(' or ');
  if (schema.type === 'array') return `list of ${schema.items ? typeHtml(schema.items) : 'any'}`;
  if (schema.properties) {
    const required = new Set(schema.required);
    const fields = Object.entries(schema.properties).map(
      ([name, field]) => `${escapeHtml(name)}${required.has(name) ? '' : '?'}: ${typeHtml(field)}`,
    );
    return `{ ${fields.join(', ')} }`;
  }
  if (schema.type === 'object' && typeof schema.additionalProperties === 'object') {
    return `map of ${typeHtml(schema.additionalProperties)}`;
  }
  if (schema.format === 'binary') return 'bytes';
  return escapeHtml([schema.type ?? 'any JSON'].flat().join(' or ')) + boundsHtml(schema);
}

/** Bounds that say something: not those of the safe integers. */
function boundsHtml(schema: SchemaShape): string {
  const { minimum, maximum, minLength, maxLength, default: preset } = schema;
  const safe = (bound: number | undefined) =>
    bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER ? bound : undefined;
  const range = (low: number | undefined, high: number | undefined, unit: string) => {
    if (low === undefined && high === undefined) return '';
    if (high === undefined) return ` ≥ ${low}${unit}`;
    return low === undefined ? ` ≤ ${high}${unit}` : ` ${low}–${high}${unit}`;
  };
  const bounds =
    range(safe(minimum), safe(maximum), '') + range(minLength, maxLength, ' characters');
  return bounds + (preset === undefined ? '' : `, default ${jsonHtml(preset)}`);
}

/** A named schema: its fields as a table, or its alternatives as a list. */
export function schemaRows(schema: SchemaShape): string {
  const description = schema.description ? `<p>${escapeHtml(schema.description)}</p>` : '';
  const union = schema.anyOf ?? schema.oneOf;
  if (union) {
    return `${description}<ul>${union.map((branch) => `<li>${typeHtml(branch)}</li>`).join('')}</ul>`;
  }
  if (!schema.properties) return description || `<p>${typeHtml(schema)}</p>`;
  const required = new Set(schema.required);
  const rows = Object.entries(schema.properties).map(([name, field]) => {
    const optional = required.has(name) ? '' : ' <span class="note">optional</span>';
    const text = escapeHtml(field.description ?? '');
    return `<tr><th scope="row"><code>${escapeHtml(name)}</code>${optional}</th><td>${typeHtml(field)}</td><td>${text}</td></tr>`;
  });
  return `${description}<div class="scroll" role="group" aria-label="Fields" tabindex="0"><table><thead><tr><th scope="col">Field</th><th scope="col">Type</th><th scope="col">Meaning</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}
