// The outline: what a file defines, functions with what they define inside.
import { functionSignature, kindText } from './documentation.ts';
import { Kinds } from './kinds.ts';
import type { Kind } from './kinds.ts';
import type { LanguageFile } from './languageFile.ts';
import type { Identifier, Range, Statement } from '../rasp/syntax.ts';

export interface OutlineItem {
  readonly name: string;
  readonly detail: string;
  readonly kind: Kind;
  readonly whole: Range;
  readonly nameRange: Range;
  readonly children: readonly OutlineItem[];
}

/** In source order. */
export function outlineOf(file: LanguageFile): OutlineItem[] {
  return itemsOf(file.parsed.statements, file, new Kinds(file));
}

function itemsOf(statements: readonly Statement[], file: LanguageFile, kinds: Kinds): OutlineItem[] {
  return statements.flatMap((statement): OutlineItem[] => {
    switch (statement.kind) {
      case 'assign':
        return statement.targets.map((target) => variable(target, statement.range, file, kinds));
      case 'function': {
        const { name, body, range } = statement;
        const form = { kind: 'function', statement } as const;
        const span = { file: file.source.path, ...range };
        const signature = functionSignature({ span, whole: span, form }) ?? name.name;
        return [{ name: name.name, detail: signature.slice(name.name.length), kind: 'function', whole: range, nameRange: name.range, children: itemsOf(body, file, kinds) }];
      }
      case 'for':
        return itemsOf(statement.body, file, kinds);
      default:
        return [];
    }
  });
}

function variable({ name, range }: Identifier, whole: Range, file: LanguageFile, kinds: Kinds): OutlineItem {
  const symbol = file.occurrenceAt(range.start)?.symbol;
  const kind = symbol ? kinds.ofSymbol(symbol) : 'unknown';
  return { name, detail: kind === 'unknown' ? '' : kindText(kind), kind, whole, nameRange: range, children: [] };
}
