/** The planted bugs still fit the source. The hunt itself is `npm run mutants`. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { mutants } from '../../mutants/catalogue.js';
import { applyEdit } from '../../mutants/mutant.js';
import { compile } from '../../mutants/plant.js';

const project = resolve('.');
const sourceOf = (file: string) => readFileSync(join('src', file), 'utf8');

describe('the catalogue of mutants', () => {
  it.each(mutants.map((mutant) => [mutant.name, mutant] as const))(
    '%s: its edits, applied to the source -> each finds its place, and the result compiles',
    (_, { edits }) => {
      const texts = new Map<string, string>();
      for (const edit of edits) texts.set(edit.file, applyEdit(texts.get(edit.file) ?? sourceOf(edit.file), edit));
      for (const [file, text] of texts) {
        expect(text).not.toBe(sourceOf(file));
        expect(compile(text, join(project, 'src', file), project)).not.toBe('');
      }
    },
  );

  it('names: all of them -> differ, and can be directories', () => {
    const names = mutants.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !/^[a-z-]+$/.test(name))).toEqual([]);
  });
});
