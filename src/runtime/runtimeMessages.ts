// What the native runtime's refusals mean, and what to do about them.

const typeNames: Readonly<Record<string, string>> = { 14: 'complex64', 15: 'complex128', 16: 'bfloat16', 17: 'float8', 18: 'float8', 19: 'float8', 20: 'float8', 21: 'uint4', 22: 'int4', 23: 'float4' };

/** Why a provider cannot be asked for, of which the runtime would make CPU silently; null if the runtime carries it. */
export function missingProvider(provider: string, carried: readonly string[]): string | null {
  return carried.includes(provider) ? null : `The ONNX runtime for ${process.platform} on ${process.arch} does not carry the provider ${provider}. It has: ${carried.join(', ')}.`;
}

const refusals: readonly (readonly [RegExp, (match: RegExpExecArray) => string])[] = [
  [/Unsupported data type: (\d+)/, ([, code = '']) => `The model has an input or output of type ${typeNames[code] ?? code}, which the runtime cannot pass. Use a variant whose inputs and outputs are float32 or float16; weights inside may keep their type.`],
  [/Absolute path not allowed for external data/, () => 'The model names the file of its weights by an absolute path, which is refused. Put that file beside the model, and name it by its file name alone.'],
  [/External data path escapes model directory[^"]*"([^"]*)"/, ([, file = '']) => `The model names a file of weights outside its own folder (${file}), which is refused. Put that file beside the model, and name it by its file name alone.`],
  [/External data path does not exist: "([^"]*)"/, ([, file = '']) => `The file of weights ${file} is missing. Put it beside the model, or download the model again.`],
  [/CUDA.*Failed to load shared library|libonnxruntime_providers_(?:shared|cuda)/i, () => 'The CUDA libraries of the ONNX runtime are not installed, or those of CUDA 12 and cuDNN 9 that they need are missing. In the sources of GradLens, “ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node” installs the former.'],
  [/Failed to get a WebGPU adapter|No supported adapters|webgpu.*adapter/i, () => 'No GPU was found that WebGPU can use. Install the Vulkan driver of the GPU, or stay on CPU.'],
  [/External initializer: (\S+) offset: (-?\d+) size to read: (\d+) given file_length: (\d+)/, ([, name = '', offset = '', size = '', length = '']) => `The file of weights does not belong to this model, or is cut off: ${name} should lie at byte ${offset}, ${size} bytes long, and the file has ${length} bytes. Download the model again.`],
  [/Failed to parse value/, () => 'The model does not say where in their file its weights lie, so it is damaged. Download it again.'],
  [/Protobuf parsing failed/i, () => 'The file is no ONNX model, or is damaged. Download it again.'],
  [/No Op registered for (\S+) with domain_version of (\d+)/i, ([, op = '', version = '']) => `The runtime has no operator ${op} (version ${version} of its set). Export the model with standard operators, or download it again if it should have them.`],
  [/invalid model|does not exist in the graph|not a graph input, initializer, or output|must be topologically sorted|ShapeInferenceError|TypeInferenceError|Out of bounds dimensions/i, () => 'The model\'s graph does not hold together, so the file is damaged or was exported wrongly. Download or export it again.'],
  [/bad_alloc|bad allocation|failed to allocate memory|out of memory|alloc.* failed/i, () => 'There is not enough memory for the model, or for an input of that size. Use shorter inputs or a smaller variant (q4, int8), or end other programs.'],
];

/** What a message of the runtime means and what to do; null where that is not known. */
function meaningOf(message: string): string | null {
  for (const [pattern, meaning] of refusals) {
    const match = pattern.exec(message);
    if (match) return meaning(match);
  }
  return null;
}

/** The runtime's message with what it means before it, where that is known. */
export function explained(message: string): string {
  const meaning = meaningOf(message);
  return meaning === null ? message : `${meaning} (${message})`;
}

/** Why a model with these outputs must not be run: reading a 4-bit tensor aborts the runtime's process. Null if it may. */
export function unsafeOutput(outputs: readonly { readonly name: string; readonly isTensor: boolean; readonly type?: string }[]): string | null {
  const unsafe = outputs.find(({ isTensor, type }) => isTensor && (type === 'int4' || type === 'uint4'));
  return unsafe ? `The model's output ${unsafe.name} is of type ${unsafe.type ?? ''}, which the runtime cannot give back. End the graph with a Cast to int8 or float32.` : null;
}
