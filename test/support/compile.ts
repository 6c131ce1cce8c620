// Type-checks a text as if it lay in a folder of this tree, with that folder's own settings.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** What the compiler says of each text, first lines only; the texts see the files around them. */
export function compileErrors<Name extends string>(
  project: string,
  texts: Record<Name, string>,
): Record<Name, string[]> {
  const configPath = join(ROOT, project);
  const { config } = ts.readConfigFile(configPath, ts.sys.readFile) as { config: unknown };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, dirname(configPath));
  // A text says only what it is about.
  options.noUnusedLocals = false;
  const host = ts.createCompilerHost(options);
  const names = Object.keys(texts) as Name[];
  const pathOf = (name: Name) => join(dirname(configPath), 'api', `made-up-${name}.ts`);
  const made = new Map(names.map((name) => [pathOf(name), texts[name]]));
  const { readFile, fileExists } = host;
  host.readFile = (path) => made.get(path) ?? readFile.call(host, path);
  host.fileExists = (path) => made.has(path) || fileExists.call(host, path);
  const program = ts.createProgram([...made.keys()], options, host);
  const errorsOf = (name: Name) =>
    program
      .getSemanticDiagnostics(program.getSourceFile(pathOf(name)))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n').split('\n')[0]);
  return Object.fromEntries(names.map((name) => [name, errorsOf(name)])) as Record<Name, string[]>;
}
