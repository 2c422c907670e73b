/** Editors, reference, command line and JSON Schema use the same words for each field of the configuration. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import ts from 'typescript';
import type { z } from 'zod';
import { configurationJsonSchema } from '../../src/configuration/fields.js';
import type { ConfigurationInput, configurationSchema } from '../../src/configuration/schema.js';

type Schema = z.input<typeof configurationSchema>;
/** Compiles only if the schema accepts exactly what the interface allows. */
const isSame: [ConfigurationInput, Schema] extends [Schema, ConfigurationInput] ? true : false = true;

test('configuration: the comment of each field -> the words of the schema, and of the JSON Schema in docs', () => {
  expect(isSame).toBe(true);
  const path = 'src/configuration/input.ts';
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const fields = source.statements.filter(ts.isInterfaceDeclaration).flatMap(({ members }) => [...members]);
  const comments = fields.map((field) => [
    field.name?.getText(),
    ts
      .getJSDocCommentsAndTags(field)
      .map(({ comment }) => String(comment).replace(/\s+/g, ' '))
      .join(),
  ]);
  const { properties } = configurationJsonSchema() as { properties: Record<string, Property> };
  const { $schema: _, ...described } = properties;
  expect(comments).toEqual(Object.entries(described).map(([name, property]) => [name, wordsOf(property)]));
  for (const [, comment] of comments) expect(comment).not.toBe('');
  const { properties: documented } = JSON.parse(readFileSync('docs/configuration.schema.json', 'utf8'));
  expect(documented).toEqual(JSON.parse(JSON.stringify(properties)));
});

interface Property {
  readonly description?: string;
  readonly default?: unknown;
}

function wordsOf({ description = '', default: value }: Property): string {
  const isSaid = value === undefined || JSON.stringify(value) === '[]' || description.includes('Default:');
  return isSaid ? description : `${description} Default: ${typeof value === 'string' ? value : JSON.stringify(value)}.`;
}
