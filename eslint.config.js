// Lint rules. Which file may import which, and what a pure file must not take, is said by globs and by the table of floors
// in test/structure/floors.ts: a new room is linted on the day it is made. The tests beside the table do the rest.
import { dirname, relative, resolve } from 'node:path';
import { defineConfig } from 'eslint/config';
import svelte from 'eslint-plugin-svelte';
import ts from 'typescript-eslint';
import { HOUSE, importProblem, IMPURE_PACKAGES, PLATFORM_TYPES } from './test/structure/floors.ts';

const root = import.meta.dirname;

/** Floors, towers, contracts, and objects that are called by RPC. */
const floors = {
  create(context) {
    const from = relative(root, context.filename);
    const check = (node, typeOnly) => {
      const to = node.source?.value;
      if (typeof to !== 'string' || !/^\..*\.(ts|svelte)$/.test(to)) return;
      const target = relative(root, resolve(dirname(context.filename), to));
      const message = importProblem(from, target, typeOnly);
      if (message) context.report({ node, message });
    };
    const isType = (kind, names) =>
      kind === 'type' ||
      (names.length > 0 && names.every((one) => (one.importKind ?? one.exportKind) === 'type'));
    return {
      ImportDeclaration: (node) => check(node, isType(node.importKind, node.specifiers)),
      ExportNamedDeclaration: (node) => check(node, isType(node.exportKind, node.specifiers)),
      ExportAllDeclaration: (node) => check(node, node.exportKind === 'type'),
      ImportExpression: (node) => check(node, false),
    };
  },
};

/** A member that users name is set by `setOwn`, or in a Map: `object['__proto__'] = value` sets none. */
const ownMembers = {
  create(context) {
    const made = ({ type, name }, node) => {
      for (
        let scope = context.sourceCode.getScope(node);
        type === 'Identifier' && scope;
        scope = scope.upper
      ) {
        const found = scope.set.get(name);
        if (found) return found.defs[0]?.node.init?.callee?.name;
      }
      return undefined;
    };
    return {
      AssignmentExpression(node) {
        const { computed, object, property } = node.left;
        if (!computed || !/^(name|key|type|step|stream|service|word)$/.test(property.name)) return;
        if (made(object, node) === 'dictionary') return;
        context.report({
          node,
          message: 'set a member that a user named by setOwn of shared/own.ts',
        });
      },
    };
  },
};

/** What pure files take as arguments instead. */
const taken = [
  ["MemberExpression[object.name='Date'][property.name='now']", 'the clock'],
  ["NewExpression[callee.name='Date'][arguments.length=0]", 'the clock'],
  ["CallExpression[callee.name='Date']", 'the clock'],
  ["MemberExpression[object.name='performance']", 'the clock'],
  ["MemberExpression[object.name='Math'][property.name='random']", 'chance'],
  ["MemberExpression[object.name='crypto'][property.name!='subtle']", 'chance'],
  [`TSTypeReference[typeName.name=/^(${PLATFORM_TYPES})$/]`, 'the platform'],
].map(([selector, what]) => ({
  selector,
  message: `a file without a suffix is pure: ${what} is given to it`,
}));

const globOf = (room) => (room.endsWith('/') ? `${room}**` : room);

export default defineConfig(
  {
    ignores: [
      '**/node_modules',
      'web/dist',
      'dist',
      '.wrangler',
      '**/*.generated.ts',
      'test-results',
    ],
  },
  ts.configs.recommended,
  svelte.configs.recommended,
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser } },
    rules: { 'svelte/no-navigation-without-resolve': 'off', 'prefer-const': 'off' },
  },
  {
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/ban-ts-comment': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
      eqeqeq: 'error',
      'no-console': ['error', { allow: ['error'] }],
      '@typescript-eslint/no-empty-object-type': [
        'error',
        { allowInterfaces: 'with-single-extends' },
      ],
    },
  },
  {
    files: ['{shared,worker,web}/**/*.{ts,svelte}'],
    plugins: { house: { rules: { floors } } },
    rules: { 'house/floors': 'error' },
  },
  {
    files: ['{shared,worker}/**/*.ts'],
    ignores: ['shared/own.ts'],
    plugins: { own: { rules: { members: ownMembers } } },
    rules: { 'own/members': 'error' },
  },
  {
    files: ['{shared,worker,web}/**/*.ts'],
    ignores: [
      '**/*.{edge,store,object,entrypoint,svelte}.ts',
      ...[...HOUSE.programs, ...HOUSE.shells, ...Object.keys(HOUSE.exceptions)].map(globOf),
    ],
    rules: {
      'no-restricted-syntax': ['error', ...taken],
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: IMPURE_PACKAGES, message: 'only files with a suffix know the runtime' },
          ],
        },
      ],
    },
  },
  {
    files: ['**/*.rpc.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: '^[^.]', message: 'a contract imports no package' }] },
      ],
    },
  },
  {
    files: ['worker/local/**', 'test/**'],
    rules: { 'no-console': 'off' },
  },
);
