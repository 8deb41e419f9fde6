// tiny-vision: its folder opens, its three graphs compute what was trained, and it does what its card says.
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'mocha';
import { fileURLToPath } from 'node:url';
import { modelCard } from '../../scripts/train-models/vision/card.ts';
import { drawScene } from '../../scripts/train-models/vision/draw.ts';
import type { HeldOutFigures, Share } from '../../scripts/train-models/vision/evaluate.ts';
import { captionFigures, figuresOf, heldOutScenes, HELD_OUT_SEED } from '../../scripts/train-models/vision/evaluate.ts';
import type { Example, TextTokens } from '../../scripts/train-models/vision/examples.ts';
import { trainingFeeds } from '../../scripts/train-models/vision/examples.ts';
import { allShapes, visionTrainingGraph } from '../../scripts/train-models/vision/graphs.ts';
import { caption, CAPTION_PROMPT, presencePrompt } from '../../scripts/train-models/vision/texts.ts';
import { BATCH, exampleAt, sampleFeeds, tinyVision, VISION_STEPS } from '../../scripts/train-models/vision/tinyVision.ts';
import { tokenizerJson, tokensOf, trainVocabulary } from '../../scripts/train-models/vision/vocabulary.ts';
import { VisionModel } from '../../scripts/train-models/vision/visionModel.ts';
import { initialWeights, parameterCount } from '../../scripts/train-models/llama.ts';
import { FLAT } from '../../scripts/train-models/llamaGraphs.ts';
import { lossCurve } from '../../scripts/train-models/lossCurve.ts';
import type { TrainingRecord } from '../../scripts/train-models/tinyCodeModel.ts';
import type { ModelFolder } from '../../src/lm/folder.ts';
import { openModelFolder } from '../../src/lm/folder.ts';
import { findSites } from '../../src/lm/sites.ts';
import { imagePrompt } from '../../src/lm/visionEncoder.ts';
import { differentiate, gradientName } from '../../src/onnx/differentiate.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { openModelFile } from '../../src/onnx/file.ts';
import { toFloat64 } from '../../src/onnx/float64.ts';
import type { Graph, Tensor } from '../../src/onnx/graph.ts';
import { measureShapes } from '../../src/onnx/shapes.ts';
import type { HostTensor } from '../../src/runtime/protocol.ts';
import { Random } from '../../src/shared/random.ts';
import { logSoftmax } from '../../src/shared/sampling.ts';
import { execute, sharedHost } from '../support/host.ts';

const location = fileURLToPath(new URL('../../models/tiny-vision', import.meta.url));
const read = (name: string): string => readFileSync(path.join(location, name), 'utf8');
const encoding = trainVocabulary();
const tokens = tokensOf(encoding);
const vector = (data: Float32Array): HostTensor => ({ type: 'float32', dims: [data.length], data });

/** A model small enough to be differentiated in a moment. */
const small = {
  text: { ...tinyVision.text, hidden: 16, layers: 1, heads: 2, keyValueHeads: 1, neurons: 16 },
  vision: { ...tinyVision.vision, hidden: 16, width: 16, heads: 2, neurons: 16 },
};
const smallWeights = initialWeights(allShapes(small), new Random(3));

async function losses(graph: Graph, theta: Float32Array, examples: readonly Example[], given: TextTokens = tokens): Promise<number[]> {
  const { token_loss: found } = await execute(encodeGraph(graph), { ...trainingFeeds(examples, given), [FLAT]: vector(theta) } as Record<string, Tensor>);
  return [...(found?.data as Float32Array)];
}

describe('the training graph of tiny-vision', () => {
  const graph = visionTrainingGraph(small);

  it('gives each text behind an image the loss that it has alone', async () => {
    const example = exampleAt(12);
    const together = await losses(graph, smallWeights, [example, exampleAt(13)]);
    const alone = [];
    for (const exchange of example.exchanges) alone.push(...(await losses(graph, smallWeights, [{ ...example, exchanges: [exchange] }])));
    assert.ok(alone.length > 15);
    alone.forEach((loss, i) => assert.ok(Math.abs(loss - (together[i] ?? Number.NaN)) < 1e-4));
  });

  it('has gradients that agree with differences of the loss along a direction, in float64', async () => {
    const wide = toFloat64(graph);
    const [first, second] = sampleFeeds(encoding).map((feeds) => widened({ ...feeds, [FLAT]: vector(smallWeights) }));
    assert.ok(first && second);
    const shapes = await measureShapes(wide, [first, second], execute);
    const parts = allShapes(small).map(({ name }) => name);
    const gradients = await execute(encodeGraph(differentiate(wide, { loss: 'loss', withRespectTo: parts, shapes })), first);
    const session = await sharedHost().createSession(encodeGraph(wide), { provider: 'cpu', optimization: 'disabled' });
    const random = new Random(4);
    let at = 0;
    for (const part of parts) {
      const gradient = gradients[gradientName(part)]?.data as Float64Array;
      const drawn = gradient.map(() => random.normal());
      const length = Math.hypot(...drawn);
      const direction = drawn.map((value) => value / length);
      const slope = gradient.reduce((sum, value, i) => sum + value * (direction[i] ?? 0), 0);
      const moved = async (size: number): Promise<number> => {
        const theta = Float64Array.from(smallWeights);
        direction.forEach((value, i) => (theta[at + i] = (theta[at + i] ?? 0) + size * value));
        return Number((await session.run({ ...first, [FLAT]: { type: 'float64', dims: [theta.length], data: theta } }))['loss']?.data[0]);
      };
      const difference = ((await moved(STEP)) - (await moved(-STEP))) / (2 * STEP);
      assert.ok(Math.abs(difference - slope) < 1e-6 * Math.abs(slope) + 1e-10, `${part}: ${slope} and ${difference}`);
      at += gradient.length;
    }
    await session.release();
    assert.equal(at, parameterCount(allShapes(small)));
  });
});

const STEP = 1e-4;

const widened = (feeds: Readonly<Record<string, HostTensor>>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(feeds).map(([name, { type, dims, data }]) => [name, (type === 'float32' ? { type: 'float64', dims, data: Float64Array.from(data as Float32Array) } : { type, dims, data }) as Tensor]));

describe('the folder of tiny-vision', () => {
  let folder: ModelFolder;
  let model: VisionModel;
  const figures = JSON.parse(read('held-out.json')) as HeldOutFigures;

  before(async () => {
    const opened = openModelFolder(location);
    assert.ok(opened.ok, opened.ok ? '' : opened.problem.message);
    folder = opened.folder;
    model = await VisionModel.open(sharedHost(), folder);
  });
  after(() => model.release());

  it('opens as a vision-language model, its graphs together under 3 MB', () => {
    assert.equal(folder.family, 'llava');
    assert.equal(folder.variant.name, 'default');
    assert.ok(folder.vision?.preprocessor);
    assert.equal(folder.tokens.image, encoding.size);
    assert.deepEqual([folder.sizes.layers, folder.sizes.hidden, folder.sizes.vocabulary], [tinyVision.text.layers, tinyVision.text.hidden, tinyVision.text.vocabulary]);
    const files = ['vision_encoder', 'embed_tokens', 'decoder_model_merged'].map((name) => statSync(path.join(location, 'onnx', `${name}.onnx`)).size);
    assert.ok(files.reduce((a, b) => a + b) < 3e6);
  });

  it('shows the sites of its decoder', () => {
    const found = findSites(folder.file.graph);
    assert.ok(found.ok, found.ok ? '' : found.message);
    assert.deepEqual(found.missing, []);
    assert.equal(found.sites.length, 3 + 6 * tinyVision.text.layers);
    assert.ok(found.sites.every(({ kind, shape }) => kind === 'mlp_act' || kind === 'logits' || shape[2] === tinyVision.text.hidden));
  });

  it('has the tokenizer that the script trains, the image’s token the last', () => {
    assert.deepEqual(JSON.parse(read('tokenizer.json')), JSON.parse(JSON.stringify(tokenizerJson(encoding))));
    const text = 'Is there an orange triangle? Yes.';
    assert.deepEqual(model.tokenizer.encode(text, false).ids, encoding.encode(text));
    assert.equal(model.tokenizer.decode(encoding.encode(text)), text);
    const { ids } = imagePrompt(model.tokenizer.encode(`<image>${text}`).ids, [{ rows: new Float32Array(64), width: 1 }], folder.tokens);
    assert.deepEqual(ids.slice(0, 66), [tokens.start, ...new Array<number>(64).fill(encoding.size), encoding.encode(text)[0]]);
    const chat = model.tokenizer.renderChat([{ role: 'user', content: `<image>${text}` }]);
    assert.ok(chat.ok);
    assert.deepEqual(model.tokenizer.encode(chat.value, false).ids, model.tokenizer.encode(`<image>${text}`).ids);
  });

  it('computes with its three graphs the logits of the training graph', async () => {
    const { scene } = exampleAt(HELD_OUT_SEED);
    const prompts = [CAPTION_PROMPT, 'Is there a green star?'];
    const theta = weightsOf(folder);
    const graph = visionTrainingGraph(tinyVision);
    const found = await model.nextLogits(prompts.map((text) => ({ pixels: drawScene(scene), text })));
    for (const [i, prompt] of prompts.entries()) {
      // −log p of every token after the prompt: one answer place, each token its label.
      const feeds = trainingFeeds([{ scene, exchanges: [{ prompt, answer: ' Yes' }] }], tokens);
      const place = (feeds['answers']?.data as BigInt64Array)[0] ?? 0n;
      const count = tinyVision.text.vocabulary;
      const all = {
        ...feeds, [FLAT]: vector(theta),
        answers: { type: 'int64', dims: [count], data: new BigInt64Array(count).fill(place) },
        labels: { type: 'int64', dims: [1, count], data: BigInt64Array.from({ length: count }, (_, id) => BigInt(id)) },
        mask: { type: 'float32', dims: [1, count], data: new Float32Array(count).fill(1) },
      };
      const { token_loss: expected } = await execute(encodeGraph(graph), all as Record<string, Tensor>);
      const own = logSoftmax(found[i] ?? new Float32Array());
      own.forEach((value, id) => assert.ok(Math.abs(value + Number(expected?.data[id])) < 1e-4));
    }
  });

  it('does on a few held-out scenes what its card says of many', async () => {
    const found = await figuresOf(model, 48, false);
    const pairs: [Share, Share][] = [
      ...(['present', 'faint', 'absent', 'near', 'companion'] as const).map((kind): [Share, Share] => [found.questions[kind], figures.seen.questions[kind]]),
      ...(['natural', 'broken'] as const).map((style): [Share, Share] => [found.captions[style].captionsWithHallucination, figures.seen.captions[style].captionsWithHallucination]),
    ];
    for (const [few, many] of pairs) {
      const rate = many.count / many.of;
      // Four standard deviations of so few, and one case more.
      const slack = 4 * Math.sqrt((rate * (1 - rate)) / few.of) + 1 / few.of;
      assert.ok(Math.abs(few.count / few.of - rate) <= slack, `${few.count} of ${few.of}, and ${many.count} of ${many.of}`);
    }
  });

  it('answers better than chance by looking, and makes up companions', () => {
    const { seen: { questions, captions }, blind: { questions: blindQuestions } } = figures;
    const rate = ({ count, of }: Share): number => count / of;
    assert.ok((rate(questions.present) + rate(questions.absent)) / 2 > 0.8);
    assert.ok(Math.abs((rate(blindQuestions.present) + rate(blindQuestions.absent)) / 2 - 0.5) < 0.1);
    assert.ok(rate(questions.companion) < rate(questions.absent) - 0.2);
    assert.ok(rate(captions.broken.hallucinated) > rate(captions.natural.hallucinated));
  });

  it('has a card and a chart that say what was recorded, of the training that the script does', () => {
    const training = JSON.parse(read('training.json')) as TrainingRecord;
    assert.deepEqual([training.steps, training.curve.at(-1)?.step], [VISION_STEPS, VISION_STEPS]);
    assert.equal(read('README.md'), modelCard(training, figures));
    assert.equal(read('loss.svg'), lossCurve(training.curve));
    assert.ok(BATCH * VISION_STEPS < HELD_OUT_SEED);
  });

  it('has example images that hold the scenes described beside them', () => {
    const described = JSON.parse(read('examples/scenes.json')) as { file: string; caption: string; objects: { colour: string }[] }[];
    const scenes = [...heldOutScenes('natural', 4), ...heldOutScenes('broken', 4)];
    assert.deepEqual(described.map((one) => one.caption), scenes.map(caption));
    for (const { file } of described) assert.ok(statSync(path.join(location, 'examples', file)).size > 100);
  });
});

describe('figures of captions', () => {
  it('count the objects that are not there, and those that are left out', () => {
    const scene = { ...exampleAt(1).scene, objects: exampleAt(1).scene.objects.slice(0, 1).map((object) => ({ ...object, colour: 'red' as const, shape: 'circle' as const, opacity: 1 })) };
    const made = captionFigures([scene, scene, scene], [' a red circle.', ' a red circle and a blue square.', ' a green star.']);
    assert.deepEqual(made.hallucinated, { count: 2, of: 4 });
    assert.deepEqual(made.captionsWithHallucination, { count: 2, of: 3 });
    assert.deepEqual(made.recalled, { count: 2, of: 3 });
    assert.deepEqual(made.exact, { count: 1, of: 3 });
    assert.equal(presencePrompt({ colour: 'orange', shape: 'ring' }), 'Is there an orange ring?');
  });
});

/** The weights of the three graphs as the flat vector that training has. */
function weightsOf({ variant, vision }: ModelFolder): Float32Array {
  const graphs = [variant.path, vision?.visionEncoder ?? '', vision?.embedTokens ?? ''].map(graphAt);
  const parts = allShapes(tinyVision).map(({ name }) => graphs.map((graph) => graph.initializers.get(name)).find((tensor) => tensor));
  return Float32Array.from(parts.flatMap((part) => (part && 'data' in part ? [...(part.data as Float32Array)] : [])));
}

function graphAt(file: string): Graph {
  const opened = openModelFile(file, { inlineLimit: 2 ** 24 });
  if (!opened.ok) throw new Error(opened.fault.message);
  return opened.file.graph;
}
