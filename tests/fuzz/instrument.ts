// Puts a call of `hit` (coverage.ts) into every branch of a module: functions, arms of conditions, loops, cases, right
// sides of && || ??, default values. The module stays ESM and keeps its lines, so that a stack trace leads to the
// compiled file as it stands on disk; the place is a hash of path and number, so that it does not depend on the order
// in which modules load. V8's own coverage was rejected: reading it costs milliseconds, an input takes one thousandth.

import { type AnyNode, type Expression, type Literal, type Pattern, parse, type Statement } from 'acorn';
import { full, simple } from 'acorn-walk';
import MagicString from 'magic-string';

export interface Instrumentation {
  /** Tells the place apart from those of other files. */
  readonly path: string;
  /** Whose dictionary the module's literals go into. */
  readonly target: string;
  /** Where coverage.ts is. */
  readonly runtime: string;
}

const mostNumber = 2 ** 53;
const longestText = 24;

export function instrument(source: string, { path, target, runtime }: Instrumentation): string {
  const program = parse(source, { ecmaVersion: 2022, sourceType: 'module' });
  const text = new MagicString(source);
  const seed = hashOf(path);
  let places = 0;
  const call = () => `__hit(${Math.imul(seed + places++, 0x9e3779b1) >>> 0})`;
  const enterBlock = (block: { readonly start: number }) => text.prependRight(block.start + 1, `${call()};`);
  const enterStatement = (statement: Statement | null | undefined) => {
    if (statement === null || statement === undefined) return;
    if (statement.type === 'BlockStatement') return void enterBlock(statement);
    text.prependRight(statement.start, `{${call()};`).appendLeft(statement.end, '}');
  };
  const enterExpression = ({ start, end }: Expression | Pattern) =>
    text.prependRight(start, `(${call()},`).appendLeft(end, ')');
  const enterFunction = ({ body }: { readonly body: Expression | Statement }) =>
    body.type === 'BlockStatement' ? enterBlock(body) : enterExpression(body as Expression);

  // Children come before their parents: what opens a parent is put in front, what closes it behind.
  simple(program, {
    FunctionDeclaration: enterFunction,
    FunctionExpression: enterFunction,
    ArrowFunctionExpression: enterFunction,
    IfStatement({ consequent, alternate }) {
      enterStatement(consequent);
      enterStatement(alternate);
    },
    ForStatement: ({ body }) => enterStatement(body),
    ForOfStatement: ({ body }) => enterStatement(body),
    ForInStatement: ({ body }) => enterStatement(body),
    WhileStatement: ({ body }) => enterStatement(body),
    DoWhileStatement: ({ body }) => enterStatement(body),
    SwitchCase({ consequent: [first] }) {
      if (first !== undefined) text.prependRight(first.start, `${call()};`);
    },
    ConditionalExpression({ consequent, alternate }) {
      enterExpression(consequent);
      enterExpression(alternate);
    },
    LogicalExpression: ({ right }) => enterExpression(right),
    AssignmentExpression({ operator, right }) {
      if (/^(&&|\|\||\?\?)=$/.test(operator)) enterExpression(right);
    },
    AssignmentPattern: ({ right }) => enterExpression(right),
    CatchClause: ({ body }) => enterBlock(body),
  });
  const { numbers, texts } = literalsOf(program);
  const notes = `__note(${JSON.stringify(target)},${JSON.stringify(numbers)},${JSON.stringify(texts)});`;
  text.prepend(`import{hit as __hit,note as __note}from${JSON.stringify(runtime)};${notes}`);
  return text.toString();
}

/** All numbers, since most have a name where they are compared; texts only where they are compared. */
function literalsOf(program: AnyNode): { numbers: number[]; texts: string[] } {
  const numbers = new Set<number>();
  const texts = new Set<string>();
  const noteText = (node: AnyNode | null) => {
    if (node?.type !== 'Literal' || typeof node.value !== 'string') return;
    if (node.value.length > 0 && node.value.length <= longestText) texts.add(node.value);
  };
  full(program, (node) => {
    const any = node as AnyNode;
    if (any.type === 'Literal') noteNumber(any, numbers);
    else if (any.type === 'SwitchCase') noteText(any.test ?? null);
    else if (any.type === 'CallExpression' && isTextSearch(any.callee)) any.arguments.forEach(noteText);
    else if (any.type === 'BinaryExpression' && /^[!=]==?$/.test(any.operator)) {
      noteText(any.left);
      noteText(any.right);
    }
  });
  return { numbers: [...numbers], texts: [...texts] };
}

function noteNumber({ value }: Literal, numbers: Set<number>): void {
  if (typeof value === 'number' && Number.isInteger(value) && value < mostNumber) numbers.add(value);
}

function isTextSearch(callee: AnyNode): boolean {
  if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier') return false;
  return ['startsWith', 'endsWith', 'includes', 'indexOf', 'split'].includes(callee.property.name);
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
