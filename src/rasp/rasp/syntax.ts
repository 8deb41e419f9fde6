// The syntax tree of RASP: what is written, with its place, before it means anything.

/** Half-open offsets in the text that was parsed. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export type ArithmeticOperator = '^' | '*' | '/' | '%' | '+' | '-';
/** RASP has no binary `!=`; only select takes it. */
export type ComparisonOperator = '==' | '<=' | '>=' | '<' | '>';
export type BinaryOperator = ArithmeticOperator | ComparisonOperator | 'and' | 'or' | 'in';
export type UnaryOperator = 'not' | '-' | '+';
export type SelectOperator = ComparisonOperator | '!=';

interface ExpressionBase {
  /** Without enclosing parentheses. */
  readonly range: Range;
  /** With its enclosing parentheses, if any. */
  readonly outer: Range;
  /** 1 + the deepest part's. */
  readonly depth: number;
}

export interface Identifier {
  readonly name: string;
  readonly range: Range;
}

export interface NameExpression extends ExpressionBase {
  readonly kind: 'name';
  readonly name: string;
}
export interface NumberExpression extends ExpressionBase {
  readonly kind: 'number';
  /** As written: digits, or digits.digits for a float. */
  readonly text: string;
}
export interface StringExpression extends ExpressionBase {
  readonly kind: 'string';
  /** Without the quotes; RASP has no escapes. */
  readonly value: string;
}
export interface ListExpression extends ExpressionBase {
  readonly kind: 'list';
  readonly items: readonly Expression[];
}
export interface DictEntry {
  readonly key: Expression;
  readonly value: Expression;
}
export interface DictExpression extends ExpressionBase {
  readonly kind: 'dict';
  readonly entries: readonly DictEntry[];
}
export interface ListComprehension extends ExpressionBase {
  readonly kind: 'list-comprehension';
  readonly value: Expression;
  readonly names: readonly Identifier[];
  readonly iterable: Expression;
}
export interface DictComprehension extends ExpressionBase {
  readonly kind: 'dict-comprehension';
  readonly key: Expression;
  readonly value: Expression;
  readonly names: readonly Identifier[];
  readonly iterable: Expression;
}
export interface IndexExpression extends ExpressionBase {
  readonly kind: 'index';
  readonly object: Expression;
  readonly index: Expression;
}
/** A function call, or an s-op or selector applied to an input. */
export interface CallExpression extends ExpressionBase {
  readonly kind: 'call';
  readonly callee: Expression;
  readonly args: readonly Expression[];
}
export interface UnaryExpression extends ExpressionBase {
  readonly kind: 'unary';
  readonly operator: UnaryOperator;
  readonly operatorRange: Range;
  readonly operand: Expression;
}
export interface BuiltinExpression extends ExpressionBase {
  readonly kind: 'builtin';
  readonly name: 'round' | 'indicator';
  readonly nameRange: Range;
  readonly operand: Expression;
}
export interface BinaryExpression extends ExpressionBase {
  readonly kind: 'binary';
  readonly operator: BinaryOperator;
  readonly operatorRange: Range;
  readonly left: Expression;
  readonly right: Expression;
}
export interface SelectExpression extends ExpressionBase {
  readonly kind: 'select';
  readonly key: Expression;
  readonly query: Expression;
  readonly operator: SelectOperator;
  readonly operatorRange: Range;
}
export interface AggregateExpression extends ExpressionBase {
  readonly kind: 'aggregate';
  readonly selector: Expression;
  readonly value: Expression;
  readonly default: Expression | null;
}
export interface ConditionalExpression extends ExpressionBase {
  readonly kind: 'conditional';
  readonly then: Expression;
  readonly condition: Expression;
  readonly otherwise: Expression;
}
/** `range(…)`, `zip(…)`, `len(…)`. */
export interface ListFunctionExpression extends ExpressionBase {
  readonly kind: 'range' | 'zip' | 'len';
  readonly args: readonly Expression[];
}

export type Expression =
  | NameExpression
  | NumberExpression
  | StringExpression
  | ListExpression
  | DictExpression
  | ListComprehension
  | DictComprehension
  | IndexExpression
  | CallExpression
  | UnaryExpression
  | BuiltinExpression
  | BinaryExpression
  | SelectExpression
  | AggregateExpression
  | ConditionalExpression
  | ListFunctionExpression;

interface StatementBase {
  /** From the first to the last token, the semicolon or brace included. */
  readonly range: Range;
  /** The comment behind it on its last line, with `#`. */
  readonly trailing: string | null;
  /** An empty line stands before it. */
  readonly spaced: boolean;
}

export interface ExpressionStatement extends StatementBase {
  readonly kind: 'expression';
  readonly expression: Expression;
}
export interface AssignStatement extends StatementBase {
  readonly kind: 'assign';
  readonly targets: readonly Identifier[];
  readonly values: readonly Expression[];
}
export interface DrawStatement extends StatementBase {
  readonly kind: 'draw';
  readonly expression: Expression;
  readonly input: Expression | null;
}
export interface LoadStatement extends StatementBase {
  readonly kind: 'load';
  readonly name: string;
  readonly nameRange: Range;
}
export interface FunctionStatement extends StatementBase {
  readonly kind: 'function';
  readonly name: Identifier;
  readonly parameters: readonly Identifier[];
  /** Its last statement but comments is the only `return`, unless the parser said otherwise. */
  readonly body: readonly Statement[];
}
export interface ForStatement extends StatementBase {
  readonly kind: 'for';
  readonly names: readonly Identifier[];
  readonly iterable: Expression;
  readonly body: readonly Statement[];
}
export interface ReturnStatement extends StatementBase {
  readonly kind: 'return';
  readonly values: readonly Expression[];
}
export interface CommentStatement extends StatementBase {
  readonly kind: 'comment';
  readonly text: string;
}
export type ReplSubset = 's-op' | 'selector' | null;
export interface SetExampleStatement extends StatementBase {
  readonly kind: 'set-example';
  readonly subset: ReplSubset;
  readonly example: Expression;
}
/** A command to the interactive loop that changes no program. */
export interface CommandStatement extends StatementBase {
  readonly kind: 'command';
  readonly command: 'show example' | 'examples on' | 'examples off' | 'full seq display on' | 'full seq display off' | 'exit';
  readonly subset: ReplSubset;
}

export type Statement =
  | ExpressionStatement
  | AssignStatement
  | DrawStatement
  | LoadStatement
  | FunctionStatement
  | ForStatement
  | ReturnStatement
  | CommentStatement
  | SetExampleStatement
  | CommandStatement;

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
/** What is known of a statement before its end is found. */
export type UnplacedStatement = Without<Statement, 'range' | 'trailing' | 'spaced'>;

/** The expressions directly inside an expression, in source order. */
export function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'name':
    case 'number':
    case 'string':
      return [];
    case 'list':
      return expression.items;
    case 'dict':
      return expression.entries.flatMap(({ key, value }) => [key, value]);
    case 'list-comprehension':
      return [expression.value, expression.iterable];
    case 'dict-comprehension':
      return [expression.key, expression.value, expression.iterable];
    case 'index':
      return [expression.object, expression.index];
    case 'call':
      return [expression.callee, ...expression.args];
    case 'unary':
    case 'builtin':
      return [expression.operand];
    case 'binary':
      return [expression.left, expression.right];
    case 'select':
      return [expression.key, expression.query];
    case 'aggregate':
      return expression.default === null
        ? [expression.selector, expression.value]
        : [expression.selector, expression.value, expression.default];
    case 'conditional':
      return [expression.then, expression.condition, expression.otherwise];
    case 'range':
    case 'zip':
    case 'len':
      return expression.args;
  }
}

/** The expressions directly inside a statement, bodies apart, in source order. */
export function expressionsOf(statement: Statement): readonly Expression[] {
  switch (statement.kind) {
    case 'expression':
      return [statement.expression];
    case 'assign':
    case 'return':
      return statement.values;
    case 'draw':
      return statement.input === null ? [statement.expression] : [statement.expression, statement.input];
    case 'for':
      return [statement.iterable];
    case 'set-example':
      return [statement.example];
    default:
      return [];
  }
}
