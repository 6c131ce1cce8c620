// The parts of an OpenAPI document that this project writes and its page reads, as plain types.

export interface SchemaShape {
  $ref?: string;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: SchemaShape[];
  oneOf?: SchemaShape[];
  items?: SchemaShape;
  properties?: Record<string, SchemaShape>;
  required?: string[];
  additionalProperties?: boolean | SchemaShape;
  description?: string;
  default?: unknown;
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
}

export interface ParameterShape {
  in: 'path' | 'query' | 'header';
  name: string;
  required?: boolean;
  description?: string;
  schema: SchemaShape;
}

export type ContentShape = Record<string, { schema: SchemaShape }>;

export interface AnswerShape {
  description: string;
  content?: ContentShape;
  headers?: Record<string, { description?: string; schema: SchemaShape }>;
}

export interface OperationShape {
  operationId: string;
  tags: string[];
  summary: string;
  description?: string;
  security?: [];
  parameters?: ParameterShape[];
  requestBody?: { description?: string; required?: boolean; content: ContentShape };
  responses: Record<string, AnswerShape>;
  'x-codeSamples': { lang: string; label: string; source: string }[];
}

export type Method = 'get' | 'put' | 'post' | 'delete';

export interface ApiDocument {
  openapi: string;
  info: { title: string; version: string; description: string };
  tags: { name: string; description: string }[];
  paths: Record<string, Partial<Record<Method, OperationShape>>>;
  components: { schemas: Record<string, SchemaShape> };
}
