// Model files as they may be handed to the runtime: with what would end its process rewritten.
import { decodeModel } from '../onnx/decode.ts';
import { encodeGraph } from '../onnx/encode.ts';
import { openModelFile } from '../onnx/file.ts';
import { runnableGraph } from '../onnx/runnable.ts';
import type { ModelSource } from '../runtime/client.ts';

/** The model itself, or where an operator of it would end the runtime, a graph beside its weights that does the same. */
export function runnableModel(model: ModelSource): ModelSource {
  if ('path' in model) {
    const opened = openModelFile(model.path);
    // A file that cannot be read is the runtime's to refuse.
    return opened.ok && opened.file.isRewritten ? { graph: encodeGraph(opened.file.graph), dataFolder: opened.file.dataFolder, dataBytes: opened.file.dataBytes } : model;
  }
  const bytes = 'graph' in model ? model.graph : model;
  const decoded = decodeModel(bytes, 'the model');
  const graph = decoded.ok ? runnableGraph(decoded.graph) : null;
  if (!decoded.ok || graph === null || graph === decoded.graph) return model;
  const rewritten = encodeGraph(graph);
  return 'graph' in model ? { ...model, graph: rewritten } : rewritten;
}
