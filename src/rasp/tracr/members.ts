// What Python's `.name`, `[index]` and `[start:stop]` give on the values of a Tracr file.
import { methodOf } from './builtins.ts';
import type { TracrGraph } from './graph.ts';
import { renamed } from './graph.ts';
import { raspMember, raspNames } from './raspModule.ts';
import type { ModuleValue, PythonValue, SelectorValue, SOpValue } from './values.ts';
import { isScalar, isSequence, keyOf, PythonError, represent, typeName } from './values.ts';
import type { Span } from '../diagnostic.ts';
import { suggestion } from '../rasp/suggestion.ts';

function fail(code: string, message: string, span: Span): never {
  throw new PythonError(code, message, span);
}

/** @param span of the name */
export function attributeOf(graph: TracrGraph, object: PythonValue, name: string, span: Span): PythonValue {
  if (!isScalar(object) && object.kind === 'module') return moduleMember(graph, object, name, span);
  if (!isScalar(object) && (object.kind === 's-op' || object.kind === 'selector')) return nodeMember(object, name, span);
  return methodOf(object, name) ?? fail('unknown-name', `${typeName(object)} has no “${name}” here`, span);
}

/** Any path of packages leads to the one module: import tracr, then tracr.rasp.rasp.Map. */
function moduleMember(graph: TracrGraph, module: ModuleValue, name: string, span: Span): PythonValue {
  if (module.name === 'package' && (name === 'rasp' || name === 'tracr')) return { kind: 'module', name: 'rasp' };
  if (module.name === 'rasp' && name === 'rasp') return module;
  const member = module.name === 'package' ? undefined : raspMember(module.name, name, graph);
  if (member !== undefined) return member;
  const near = suggestion(name, raspNames());
  return fail('unknown-name', `Tracr's ${module.name} has no “${name}”.${near ? ` Did you mean “${near}”?` : ''}`, span);
}

function nodeMember(value: SOpValue | SelectorValue, name: string, span: Span): PythonValue {
  if (name === 'name') return value.node.name ?? value.node.kind;
  if (name !== 'named') return fail('unknown-name', `an s-op has no “${name}” here`, span);
  return {
    kind: 'function',
    name: 'named',
    call: ({ positional: [given = ''] }) => {
      const label = typeof given === 'string' ? given : represent(given);
      return value.kind === 's-op' ? { kind: 's-op', node: renamed(value.node, { name: label }) } : { kind: 'selector', node: renamed(value.node, { name: label }) };
    },
  };
}

/** @param span of the whole subscript */
export function itemAt(object: PythonValue, index: PythonValue, span: Span): PythonValue {
  if (!isScalar(object) && object.kind === 'dict') {
    const found = object.entries.get(keyOf(index));
    return found ? found[1] : fail('key', `the dictionary has no key ${represent(index)}`, span);
  }
  const items = typeof object === 'string' ? [...object] : isSequence(object) ? object.items : fail('type', `${typeName(object)} has no items`, span);
  if (typeof index !== 'number' || !Number.isInteger(index)) fail('type', `an index must be a whole number, and this is ${represent(index)}`, span);
  const item = items.at(index);
  if (item === undefined || index >= items.length || index < -items.length) fail('index', `index ${index} is outside a sequence of ${items.length}`, span);
  return item;
}

/** @param bounds start, stop and step, as far as they are written */
export function sliceOf(object: PythonValue, [start, stop, step = 1]: readonly (number | undefined)[], span: Span): PythonValue {
  const items = typeof object === 'string' ? [...object] : isSequence(object) ? object.items : fail('type', `${typeName(object)} cannot be sliced`, span);
  if (step !== 1 && step !== -1) fail('unsupported', 'not supported: a slice with this step', span);
  const kept: readonly PythonValue[] = step === 1 ? items.slice(start, stop) : [...items].reverse();
  return typeof object === 'string' ? kept.join('') : { kind: isSequence(object) ? object.kind : 'list', items: [...kept] };
}
