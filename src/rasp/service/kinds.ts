// What an expression gives as far as the text alone tells: an s-op, a selector, a function, a plain value.
import type { Expression, FunctionStatement } from '../rasp/syntax.ts';
import { builtInFunction, builtInValue } from './builtins.ts';
import type { LanguageFile } from './languageFile.ts';
import type { RaspSymbol } from './symbols.ts';

export type Kind = 's-op' | 'selector' | 'function' | 'value' | 'list' | 'dict' | 'unknown';

/** Names defined by names defined by names: deeper ones stay unknown. */
const maxDepth = 40;

/** Tells kinds for one file; remembers what it has found. */
export class Kinds {
  private readonly known = new Map<RaspSymbol, Kind>();
  private readonly results = new Map<FunctionStatement, Kind>();
  private readonly underWay = new Set<RaspSymbol | FunctionStatement>();

  constructor(private readonly file: LanguageFile) {}

  ofSymbol(symbol: RaspSymbol): Kind {
    const known = this.known.get(symbol);
    if (known !== undefined) return known;
    if (this.underWay.has(symbol) || this.underWay.size > maxDepth) return 'unknown';
    this.underWay.add(symbol);
    const kind = this.compute(symbol);
    this.underWay.delete(symbol);
    this.known.set(symbol, kind);
    return kind;
  }

  private compute({ name, origin, definitions }: RaspSymbol): Kind {
    if (origin !== 'file') {
      if (builtInFunction(name)) return 'function';
      return builtInValue(name)?.kind ?? 'unknown';
    }
    const kinds = definitions.map(({ span, form }): Kind => {
      if (form.kind === 'function') return 'function';
      return form.kind === 'variable' && form.value ? this.ofExpression(form.value, span.file) : 'unknown';
    });
    const [first = 'unknown', ...others] = kinds.filter((kind) => kind !== 'unknown');
    // A name that starts as a number and collects s-ops in a loop is an s-op.
    return others.every((kind) => kind === first) ? first : others.includes('s-op') || first === 's-op' ? 's-op' : 'unknown';
  }

  /** @param path the file that the expression stands in */
  ofExpression(expression: Expression, path: string = this.file.source.path): Kind {
    switch (expression.kind) {
      case 'number':
      case 'string':
      case 'len':
        return 'value';
      case 'list':
      case 'list-comprehension':
      case 'range':
      case 'zip':
        return 'list';
      case 'dict':
      case 'dict-comprehension':
        return 'dict';
      case 'select':
        return 'selector';
      case 'aggregate':
        return 's-op';
      case 'name':
        return this.ofName(expression.range.start, path);
      case 'builtin':
        return expression.name === 'indicator' ? 's-op' : this.ofExpression(expression.operand, path);
      case 'unary':
        return this.ofExpression(expression.operand, path);
      case 'binary':
        return this.joined([expression.left, expression.right], path);
      case 'conditional':
        return this.joined([expression.then, expression.otherwise, expression.condition], path);
      case 'index':
        return this.joined([expression.object, expression.index], path) === 's-op' ? 's-op' : 'unknown';
      case 'call':
        return this.ofCall(expression.callee, expression.args, path);
    }
  }

  private ofName(offset: number, path: string): Kind {
    const occurrence = this.file.occurrenceIn(path, offset);
    return occurrence ? this.ofSymbol(occurrence.symbol) : 'unknown';
  }

  /** A selector among the parts makes a selector, an s-op an s-op. */
  private joined(parts: readonly Expression[], path: string): Kind {
    const kinds = parts.map((part) => this.ofExpression(part, path));
    if (kinds.includes('s-op')) return 's-op';
    if (kinds[0] === 'selector' || kinds[1] === 'selector') return 'selector';
    const [first = 'unknown'] = kinds;
    return kinds.every((kind) => kind === first) ? first : 'unknown';
  }

  private ofCall(callee: Expression, args: readonly Expression[], path: string): Kind {
    if (callee.kind !== 'name') return 'unknown';
    const symbol = this.file.occurrenceIn(path, callee.range.start)?.symbol;
    if (!symbol) return 'unknown';
    if (symbol.origin !== 'file') return builtInFunction(symbol.name)?.result ?? 'unknown';
    const definition = symbol.definitions.at(-1);
    if (definition?.form.kind !== 'function') return 'unknown';
    return this.ofResult(definition.form.statement, args, definition.span.file, path);
  }

  private ofResult(statement: FunctionStatement, args: readonly Expression[], path: string, caller: string): Kind {
    const kind = this.results.get(statement) ?? this.computeResult(statement, path);
    if (kind !== 'unknown' || args.length === 0) return kind;
    // What comes back is mostly of the kind that went in.
    return args.some((arg) => this.ofExpression(arg, caller) === 's-op') ? 's-op' : 'unknown';
  }

  private computeResult(statement: FunctionStatement, path: string): Kind {
    const results = statement.body.findLast(({ kind }) => kind === 'return');
    if (results?.kind !== 'return' || this.underWay.has(statement) || this.underWay.size > maxDepth) return 'unknown';
    const [result] = results.values;
    this.underWay.add(statement);
    const kind = results.values.length > 1 ? 'list' : result ? this.ofExpression(result, path) : 'unknown';
    this.underWay.delete(statement);
    this.results.set(statement, kind);
    return kind;
  }
}
