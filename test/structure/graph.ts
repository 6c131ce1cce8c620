// The import graph of the product, read with TypeScript's and Svelte's own parsers, and what the table of floors says
// against it. Works on texts by path, so that the tests can hand in a small house that is wrong.
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { posix } from 'node:path';
import { parse } from 'svelte/compiler';
import ts from 'typescript';
import {
  classOf,
  HOUSE,
  importProblem,
  IMPURE_PACKAGES,
  PLATFORM_TYPES,
  PURE_MEMBERS,
  type Table,
  unknownRoom,
} from './floors.ts';

export type Texts = ReadonlyMap<string, string>;

interface SourceFile {
  /** By the path of another of our files: true when only its types are imported. */
  imports: Map<string, boolean>;
  packages: string[];
  /** What a pure file must not do, with its line. */
  impurities: string[];
  /** Every class that it exports is abstract. */
  abstract: boolean;
}

export type Graph = ReadonlyMap<string, SourceFile>;

export async function readTexts(root: string, table: Table = HOUSE): Promise<Texts> {
  const texts = new Map<string, string>();
  const pattern = `{${Object.keys(table.towers).join()}}/**/*.{ts,svelte}`;
  const exclude = (path: string) => /(^|\/)(dist|node_modules)$/.test(path);
  for await (const path of glob(pattern, { cwd: root, exclude })) {
    if (!/\.(generated|d)\.ts$/.test(path))
      texts.set(path, readFileSync(`${root}/${path}`, 'utf8'));
  }
  return texts;
}

export const readGraph = (texts: Texts): Graph =>
  new Map([...texts].sort().map(([path, text]) => [path, readSource(path, text)]));

function readSource(path: string, text: string): SourceFile {
  const source: SourceFile = {
    imports: new Map(),
    packages: [],
    impurities: [],
    abstract: false,
  };
  const add = (specifier: string, typeOnly: boolean) => {
    if (!specifier.startsWith('.')) return void source.packages.push(specifier);
    const to = posix.join(posix.dirname(path), specifier.replace(/\?.*$/, ''));
    source.imports.set(to, (source.imports.get(to) ?? true) && typeOnly);
  };
  const scripts = path.endsWith('.svelte') ? svelteScripts(text, add) : [text];
  for (const script of scripts) {
    const file = ts.createSourceFile(path, script, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
    readImports(file, add);
    source.impurities.push(...impuritiesOf(file));
    source.abstract = classesOf(file).every(isAbstract);
  }
  return source;
}

/** The scripts of a component; imports in its markup are added at once. */
function svelteScripts(
  text: string,
  add: (specifier: string, typeOnly: boolean) => void,
): string[] {
  const { instance, module, fragment } = parse(text, { modern: true });
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const { type, source } = node as { type?: unknown; source?: { value?: unknown } };
    if (type === 'ImportExpression' && typeof source?.value === 'string') add(source.value, false);
    for (const child of Object.values(node)) walk(child);
  };
  walk(fragment);
  return [module, instance].flatMap((script) => {
    // As Svelte's parser gives them, though its types leave them out.
    const content = script?.content as { start?: number; end?: number } | undefined;
    return content ? [text.slice(content.start, content.end)] : [];
  });
}

function readImports(
  file: ts.SourceFile,
  add: (specifier: string, typeOnly: boolean) => void,
): void {
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      add(node.moduleSpecifier.text, isTypeImport(node.importClause));
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
      const named = node.exportClause && ts.isNamedExports(node.exportClause);
      const types = named && node.exportClause.elements.every((element) => element.isTypeOnly);
      add((node.moduleSpecifier as ts.StringLiteral).text, node.isTypeOnly || Boolean(types));
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add((node.argument.literal as ts.StringLiteral).text, true);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments;
      if (specifier && ts.isStringLiteralLike(specifier)) add(specifier.text, false);
    } else if (ts.isNewExpression(node) && node.expression.getText(file) === 'URL') {
      // `new Worker(new URL('./x.ts', import.meta.url))`: a bundler takes it for an import.
      const [specifier, base] = node.arguments ?? [];
      const own = specifier && ts.isStringLiteralLike(specifier) && /\.ts$/.test(specifier.text);
      if (own && base?.getText(file) === 'import.meta.url') add(specifier.text, false);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
}

function isTypeImport(clause: ts.ImportClause | undefined): boolean {
  if (!clause) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const { name, namedBindings } = clause;
  if (name || !namedBindings || !ts.isNamedImports(namedBindings)) return false;
  return namedBindings.elements.length > 0 && namedBindings.elements.every((one) => one.isTypeOnly);
}

const classesOf = (file: ts.SourceFile) => file.statements.filter(ts.isClassDeclaration);

const isAbstract = ({ modifiers }: ts.ClassDeclaration): boolean =>
  modifiers?.some(({ kind }) => kind === ts.SyntaxKind.AbstractKeyword) ?? false;

const PLATFORM = new RegExp(`^(${PLATFORM_TYPES})$`);

function impuritiesOf(file: ts.SourceFile): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const what = impurityOf(node);
    if (what) {
      const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
      found.push(`line ${line + 1} takes ${what}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

function impurityOf(node: ts.Node): string | null {
  const typeName = ts.isTypeReferenceNode(node) || ts.isExpressionWithTypeArguments(node);
  if (typeName) {
    const name = ts.isTypeReferenceNode(node) ? node.typeName : node.expression;
    return PLATFORM.test(name.getText()) ? name.getText() : null;
  }
  if (!ts.isIdentifier(node) || !Object.hasOwn(PURE_MEMBERS, node.text) || isOnlyAName(node))
    return null;
  const { parent } = node;
  // A moment that is given, and the question whether something is one.
  if (node.text === 'Date') {
    if (ts.isNewExpression(parent) && parent.arguments?.length) return null;
    const { InstanceOfKeyword } = ts.SyntaxKind;
    if (ts.isBinaryExpression(parent) && parent.operatorToken.kind === InstanceOfKeyword)
      return null;
  }
  if (!ts.isPropertyAccessExpression(parent) || parent.expression !== node) return node.text;
  const pure: readonly string[] | RegExp = PURE_MEMBERS[node.text as keyof typeof PURE_MEMBERS];
  const member = parent.name.text;
  const isPure = pure instanceof RegExp ? pure.test(member) : pure.includes(member);
  return isPure ? null : `${node.text}.${member}`;
}

/** The identifier names a member, a key or a type: it does not stand for the global of that name. */
function isOnlyAName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) {
    return parent.name === node && parent.expression.getText() !== 'globalThis';
  }
  if (ts.isTypeReferenceNode(parent) || ts.isQualifiedName(parent)) return true;
  return 'name' in parent && parent.name === node && !ts.isShorthandPropertyAssignment(parent);
}

/** The circles of a graph: its strongly connected parts of more than one node, by Tarjan's algorithm. */
export function circles(edges: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const found: string[][] = [];
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const visit = (node: string): number => {
    const own = index.size;
    index.set(node, own);
    stack.push(node);
    let lowest = own;
    for (const next of edges.get(node) ?? []) {
      if (!index.has(next)) lowest = Math.min(lowest, visit(next));
      else if (stack.includes(next)) lowest = Math.min(lowest, index.get(next) ?? own);
    }
    low.set(node, lowest);
    if (lowest === own) {
      const circle = stack.splice(stack.indexOf(node));
      if (circle.length > 1) found.push(circle.sort());
    }
    return lowest;
  };
  for (const node of edges.keys()) if (!index.has(node)) visit(node);
  return found;
}

export function circlesOfFiles(graph: Graph): string[][] {
  const edges = [...graph].map(([path, { imports }]) => {
    const values = [...imports].filter(([, typeOnly]) => !typeOnly).map(([to]) => to);
    return [path, new Set(values)] as const;
  });
  return circles(new Map(edges));
}

/** Of folders, by types too. What lies directly in `shared/`, `worker/` or `web/` has no folder: each file is a room. */
export function circlesOfFolders(graph: Graph): string[][] {
  const roomOf = (path: string) => (path.split('/').length > 2 ? posix.dirname(path) : path);
  const edges = new Map<string, Set<string>>();
  for (const [path, { imports }] of graph) {
    const from = roomOf(path);
    const to = edges.get(from) ?? new Set();
    edges.set(from, to);
    for (const other of imports.keys()) if (roomOf(other) !== from) to.add(roomOf(other));
  }
  return circles(edges);
}

export const unknownRooms = (graph: Graph, table: Table = HOUSE): string[] =>
  [...graph.keys()].flatMap((path) => unknownRoom(path, table) ?? []);

/** Climbs, and imports that a file's class forbids. */
export function wrongImports(graph: Graph, table: Table = HOUSE): string[] {
  const wrong: string[] = [];
  for (const [path, { imports }] of graph) {
    for (const [to, typeOnly] of imports) {
      const target = graph.get(to);
      // What is no source of the product: package.json, styles, generated files.
      if (!target && !to.startsWith('test/')) continue;
      const problem = importProblem(path, to, typeOnly, table);
      if (problem) wrong.push(`${path} -> ${to}: ${problem}`);
      const base = classOf(path, table) === 'object' && classOf(to, table) === 'object';
      if (base && !typeOnly && !target?.abstract)
        wrong.push(`${path} -> ${to}: only an abstract object is imported by value`);
    }
  }
  return wrong;
}

/** What pure files do though their name promises that they do not. */
export function impurePureFiles(graph: Graph, table: Table = HOUSE): string[] {
  return [...graph].flatMap(([path, source]) => {
    const fileClass = classOf(path, table);
    if ((fileClass !== 'pure' && fileClass !== 'rpc') || table.exceptions[path]) return [];
    const packages = source.packages.filter((name) =>
      IMPURE_PACKAGES.some((pattern) => posix.matchesGlob(name, pattern)),
    );
    return [...packages.map((name) => `imports ${name}`), ...source.impurities].map(
      (what) => `${path}: ${what}`,
    );
  });
}

export function wrongContracts(graph: Graph, table: Table = HOUSE): string[] {
  return [...graph].flatMap(([path, { packages }]) =>
    classOf(path, table) === 'rpc' ? packages.map((name) => `${path} imports ${name}`) : [],
  );
}
