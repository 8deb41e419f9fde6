// package.json and the ids in the code say the same.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { repairMethods } from '../../src/repair/types.ts';
import { commands, raspLanguage, settings } from '../../src/shared/contributions.ts';

interface Manifest {
  readonly contributes: {
    readonly commands: readonly { readonly command: string; readonly title: string; readonly category: string }[];
    readonly languages: readonly { readonly id: string }[];
    readonly configuration: { readonly properties: Readonly<Record<string, { readonly enum?: readonly string[] }>> };
  };
}

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8'));
const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
const { contributes } = read('package.json') as Manifest;
const strings = read('package.nls.json') as Readonly<Record<string, string>>;

describe('contributions', () => {
  it('declare every command, in one category, and no other', () => {
    assert.deepEqual(contributes.commands.map(({ command }) => command).sort(), Object.values(commands).sort());
    for (const { category } of contributes.commands) assert.equal(category, 'GradLens');
  });

  it('declare every setting that the code reads', () => {
    const { section, ...keys } = settings;
    assert.deepEqual(Object.keys(contributes.configuration.properties).sort(), Object.values(keys).map((key) => `${section}.${key}`).sort());
  });

  it('offer every method of repair', () => {
    assert.deepEqual(contributes.configuration.properties[`${settings.section}.${settings.method}`]?.enum, repairMethods);
  });

  it('declare the language', () => assert.ok(contributes.languages.some(({ id }) => id === raspLanguage)));

  it('have a string for every placeholder, and no string too many', () => {
    const used = new Set([...text.matchAll(/%([\w.]+)%/g)].map(([, key = '']) => key));
    assert.deepEqual([...used].sort(), Object.keys(strings).sort());
  });
});
