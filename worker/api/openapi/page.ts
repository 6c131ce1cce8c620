// The API's description as one self-contained page: no script, no outside host. Problems' `type` points into it.
import { REFUSALS } from '../../../shared/protocol.ts';
import { PROBLEMS } from '../../../shared/schemas/problem.ts';
import { PAGE_STYLE } from './page-style.ts';
import { escapeHtml, schemaRows, typeHtml } from './schema-html.ts';
import type { AnswerShape, ApiDocument, Method, OperationShape, ParameterShape } from './shape.ts';

interface Listed {
  path: string;
  method: Method;
  operation: OperationShape;
}

/** `nonce` permits the page's one style element. */
export function documentPage(document: ApiDocument, nonce: string): string {
  const { info, tags, components } = document;
  const operations = operationsOf(document);
  const sections = tags.map(({ name, description }) => {
    const own = operations.filter(({ operation }) => operation.tags.includes(name));
    return `<section aria-labelledby="tag-${name}"><h2 id="tag-${name}">${escapeHtml(name)}</h2>
<p>${prose(description)}</p>${own.map(operationHtml).join('')}</section>`;
  });
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<article class="card" id="schema-${name}"><h3>${name}</h3>${schemaRows(schema)}</article>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(info.title)} API</title>
<style nonce="${nonce}">${PAGE_STYLE}</style>
</head>
<body>
<a class="skip" href="#main">To the content</a>
<div class="frame">
<nav aria-label="Contents">${navigation(document, operations)}</nav>
<main id="main">
<h1>${escapeHtml(info.title)} API</h1>
<p class="note">Version ${escapeHtml(info.version)}. Also as <a href="/api/openapi.json">OpenAPI 3.1</a>.</p>
${paragraphs(info.description)}
${sections.join('\n')}
<section aria-labelledby="problems"><h2 id="problems">Problems</h2>
<p>Every refusal is one of these. Clients switch on <code>code</code>; <code>detail</code> and <code>errors</code> say what and where.</p>
${problemTable()}</section>
<section aria-labelledby="refusals"><h2 id="refusals">Refusals of a volunteer’s socket</h2>
<p>The lobby says one of these in a <code>refused</code> message and closes the socket with its code.</p>
${refusalTable()}</section>
<section aria-labelledby="schemas"><h2 id="schemas">Schemas</h2>${schemas.join('')}</section>
</main>
</div>
</body>
</html>
`;
}

function operationsOf({ paths }: ApiDocument): Listed[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      path,
      method: method as Method,
      operation,
    })),
  );
}

function navigation({ tags }: ApiDocument, operations: Listed[]): string {
  const groups = tags.map(({ name }) => {
    const links = operations
      .filter(({ operation }) => operation.tags.includes(name))
      .map(({ operation: { operationId, summary } }) => link(operationId, summary));
    return `<h2>${escapeHtml(name)}</h2><ul>${links.join('')}</ul>`;
  });
  const rest = [
    link('problems', 'Problems'),
    link('refusals', 'Refusals'),
    link('schemas', 'Schemas'),
  ];
  return `${groups.join('')}<h2>Reference</h2><ul>${rest.join('')}</ul>`;
}

const link = (id: string, text: string) => `<li><a href="#${id}">${escapeHtml(text)}</a></li>`;

function operationHtml({ path, method, operation }: Listed): string {
  const { operationId, summary, description, security, parameters, requestBody, responses } =
    operation;
  const open = security ? ' <span class="open">open to anybody</span>' : '';
  const samples = operation['x-codeSamples'].map(
    ({ source }) => `<pre tabindex="0"><code>${escapeHtml(source)}</code></pre>`,
  );
  return `<article class="card" id="${operationId}">
<h3><span class="method ${method}">${method.toUpperCase()}</span> <code>${escapeHtml(path)}</code>${open}</h3>
<p>${prose(summary)}.${description ? ` ${prose(description)}` : ''}</p>
${parameters?.length ? parameterTable(parameters) : ''}
${requestBody ? `<h4>Body</h4><p>${contentHtml(requestBody)}</p>` : ''}
<h4>Answers</h4>${answerTable(responses)}
${samples.join('')}
</article>`;
}

function parameterTable(parameters: ParameterShape[]): string {
  const rows = parameters.map(({ name, in: where, required, description, schema }) => {
    const needed = required ? '' : ', optional';
    const text = description ?? schema.description ?? '';
    return row(
      `<code>${escapeHtml(name)}</code>`,
      `${where}${needed}`,
      typeHtml(schema),
      prose(text),
    );
  });
  return `<h4>Parameters</h4>${table('Parameters', ['Name', 'In', 'Type', 'Meaning'], rows)}`;
}

function answerTable(responses: Record<string, AnswerShape>): string {
  const rows = Object.entries(responses).map(([status, answer]) => {
    const headers = Object.entries(answer.headers ?? {}).map(
      ([name, { description, schema }]) =>
        `<br><code>${escapeHtml(name)}</code> ${prose(description ?? schema.description ?? '')}`,
    );
    return row(`<code>${status}</code>`, contentHtml(answer) + headers.join(''));
  });
  return table('Answers', ['Status', 'What'], rows);
}

function contentHtml({
  description,
  content,
}: Pick<AnswerShape, 'content'> & { description?: string }): string {
  const text = description ? `${prose(description)} ` : '';
  const types = Object.entries(content ?? {}).map(([type, { schema }]) =>
    type === 'application/problem+json'
      ? ''
      : `<code>${escapeHtml(type)}</code>: ${typeHtml(schema)}`,
  );
  return text + types.filter(Boolean).join(', or ');
}

function problemTable(): string {
  const rows = Object.entries(PROBLEMS).map(
    ([code, [status, title]]) =>
      `<tr id="${code}"><th scope="row"><code>${code}</code></th><td>${status}</td><td>${escapeHtml(title)}</td></tr>`,
  );
  return table('Problems', ['Code', 'Status', 'Title'], rows);
}

function refusalTable(): string {
  const rows = Object.entries(REFUSALS).map(([code, [close, message]]) =>
    row(`<code>${code}</code>`, String(close), escapeHtml(message)),
  );
  return table('Refusals', ['Code', 'Close code', 'Message'], rows);
}

function table(label: string, columns: string[], rows: string[]): string {
  const head = columns.map((column) => `<th scope="col">${column}</th>`).join('');
  return `<div class="scroll" role="group" aria-label="${label}" tabindex="0"><table><thead><tr>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

const row = (first: string, ...rest: string[]) =>
  `<tr><th scope="row">${first}</th>${rest.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;

const paragraphs = (text: string) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => `<p>${prose(line)}</p>`)
    .join('');

/** Text with `code` in it; a problem's code becomes a link to what is said of it. */
function prose(text: string): string {
  return escapeHtml(text).replace(/`([^`]+)`/g, (_, code: string) =>
    Object.hasOwn(PROBLEMS, code)
      ? `<a href="#${code}"><code>${code}</code></a>`
      : `<code>${code}</code>`,
  );
}
