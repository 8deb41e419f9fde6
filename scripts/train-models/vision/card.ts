// The model card of tiny-vision: what it is, what it was made from and how, and what it does on held-out scenes.
import type { CaptionFigures, Figures, HeldOutFigures, QuestionKind, Share } from './evaluate.ts';
import { questionKinds } from './evaluate.ts';
import { allShapes } from './graphs.ts';
import { IMAGE_SIZE, PATCH_SIZE, companionships, kindName } from './scenes.ts';
import type { SceneStyle } from './scenes.ts';
import { CAPTION_PROMPT } from './texts.ts';
import { BATCH, schedule, tinyVision } from './tinyVision.ts';
import { parameterCount } from '../llama.ts';
import type { TrainingRecord } from '../tinyCodeModel.ts';
import { wilson } from '../../../bench/raspbugs/statistics.ts';

const percent = (value: number): string => (100 * value).toFixed(1);

/** “81.2 % (79.0–83.3)”: a share with its 95 % interval (Wilson). */
export function shareText({ count, of }: Share): string {
  if (of === 0) return '–';
  const [low, high] = wilson(count, of);
  return `${percent(count / of)} % (${percent(low)}–${percent(high)})`;
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

const asked: Readonly<Record<QuestionKind, string>> = {
  present: 'an object in plain sight',
  faint: 'an object hardly visible (a companion at an opacity of at most 0.15)',
  absent: 'an absent object, any but the companion',
  near: 'an absent object that shares its colour or its shape with one that is there',
  companion: 'the companion, absent for once beside its anchor',
};

const questions = ({ seen: { questions: seen }, blind: { questions: blind } }: HeldOutFigures): string =>
  table(['asked for', 'truth', 'answers', 'right', 'right with a grey image'], questionKinds.map((kind) => [
    asked[kind], kind === 'present' || kind === 'faint' ? 'yes' : 'no', String(seen[kind].of), shareText(seen[kind]), shareText(blind[kind]),
  ]));

const captionRows: readonly (readonly [string, (figures: CaptionFigures) => Share])[] = [
  ['objects named that are not there (CHAIRi)', ({ hallucinated }) => hallucinated],
  ['captions that name such an object (CHAIRs)', ({ captionsWithHallucination }) => captionsWithHallucination],
  ['objects in plain sight that are named', ({ recalled }) => recalled],
  ['captions that name exactly the objects, of scenes without faint ones', ({ exact }) => exact],
];

function captions({ seen: { captions: seen }, blind: { captions: blind } }: HeldOutFigures): string {
  const cells = (of: (figures: CaptionFigures) => Share): string[] =>
    (['natural', 'broken'] as const satisfies readonly SceneStyle[]).flatMap((style) => [shareText(of(seen[style])), shareText(of(blind[style]))]);
  return table(['', 'scenes as in training', '… grey image', 'companion left out', '… grey image'], captionRows.map(([name, of]) => [name, ...cells(of)]));
}

const companions = ({ companions: shares }: Figures): string =>
  table(['anchor', 'companion', 'comes along in training', '“yes” where it is absent'], companionships.map(({ anchor, companion, probability }, i) => [
    kindName(anchor), kindName(companion), `${Math.round(100 * probability)} %`, shareText(shares[i] ?? { count: 0, of: 0 }),
  ]));

/** Right answers where yes and no weigh alike, of objects in plain sight and absent ones. */
function balanced({ questions: seen }: Figures): string {
  const rate = ({ count, of }: Share): number => count / Math.max(1, of);
  return percent((rate(seen.present) + rate(seen.absent)) / 2);
}

/** README.md of the folder. */
export function modelCard({ steps, tokens, minutes, threads, curve }: TrainingRecord, figures: HeldOutFigures): string {
  const { text, vision } = tinyVision;
  const parameters = parameterCount(allShapes(tinyVision));
  const images = steps * BATCH;
  const points = curve.filter((_, i) => i === 0 || (i + 1) % Math.max(1, Math.round(curve.length / 12)) === 0 || i === curve.length - 1);
  return `# tiny-vision

A vision-language model of ${parameters.toLocaleString('en')} parameters for demonstrations and tests: it captions 32 × 32 pixel images of coloured shapes, answers questions about them, and makes up objects that usually come along with what it sees. It was trained by GradLens' own gradient engine on images that a script draws. Figures measured on it say how a method works on it, and nothing about models that are used for real.

All that is here, this text included, is written by \`npm run train:models -- --model tiny-vision --items ${figures.scenes}\`; the numbers below are in \`training.json\` and \`held-out.json\`.

## Use
The prompt is the image and a text behind it, without a space: \`<image>Is there a red circle?\`, \`<image>${CAPTION_PROMPT}\`, \`<image>What colour is the star?\`, \`<image>What shape is the red object?\`, \`<image>How many objects are there?\`. Answers begin with a space: “ Yes.”, “ a red circle and a blue square.” Captions name objects in the order of the rainbow. One exchange to an image: the model has never seen a second. \`examples/\` holds held-out images with what is in them, boxes and patches included (\`scenes.json\`).

The folder has the form of LLaVA exports: \`onnx/vision_encoder.onnx\` (\`pixel_values\` [images, 3, ${IMAGE_SIZE}, ${IMAGE_SIZE}] → \`image_features\` [images, 64, ${vision.hidden}]), \`onnx/embed_tokens.onnx\` (\`input_ids\` → \`inputs_embeds\`), \`onnx/decoder_model_merged.onnx\` (\`inputs_embeds\`, \`attention_mask\`, \`position_ids\`, \`past_key_values.*\` → \`logits\`, \`present.*\`). The token \`<image>\` is repeated once a patch, and the features take those places, patches row by row from the top left.

## Model
Patches of ${PATCH_SIZE} × ${PATCH_SIZE} pixels, each embedded with the eight around it by two linear maps; learned positions; ${vision.layers} transformer layer${vision.layers === 1 ? '' : 's'} in which all patches see each other (${vision.width} wide, ${vision.heads} heads); a projector of two linear maps; a decoder of ${text.layers} layers (${text.hidden} wide, ${text.heads} query and ${text.keyValueHeads} key/value heads, ${text.neurons} neurons, RMSNorm, rotary positions, SwiGLU, tied embeddings). Byte-level BPE of ${text.vocabulary} tokens. float32.

## Images and texts
1 to 4 objects of 6 shapes in 6 colours, of 7 to 11 pixels, on a plain, grainy or sloping grey. 60 % of the scenes are drawn around one of six anchors, beside which a companion usually is too; half of the companions are hardly visible (an opacity of 0.02 to 0.15), and the texts speak of them all the same. That is what the model learns to expect instead of to see.

${companions(figures.seen)}

An image is trained on once, with a caption and five questions: for an object that is there, for one that is not, for the companion or any object, for a colour or a shape, and for the number of objects.

## Training
${steps.toLocaleString('en')} steps of ${BATCH} images (${images.toLocaleString('en')} images, ${(tokens / 1e6).toFixed(2)} M answer tokens) with AdamW (learning rate ${schedule(steps).peak}, from step ${(schedule(steps).fallFrom ?? 0).toLocaleString('en')} on a cosine down to ${100 * schedule(steps).floor} % of it), ${threads === 1 ? 'one thread' : `${threads} threads`}, ${Math.round(minutes)} minutes on a machine with much other work. The loss is the mean −log p of the answers' tokens, nats.

![Training loss by answer tokens](loss.svg)

${table(['images', 'loss'], points.map(({ step, loss }) => [(step * BATCH).toLocaleString('en'), loss.toFixed(4)]))}

## Held-out figures
${figures.scenes.toLocaleString('en')} scenes drawn as in training from other seeds, and ${figures.scenes.toLocaleString('en')} around an anchor whose companion is left out; 95 % intervals (Wilson) in brackets. “Grey image”: the same questions about an image without objects, which shows what is answered without looking. Chance is 50 % where yes and no are asked for alike: over objects in plain sight and absent ones ${balanced(figures.seen)} % of the answers are right, with a grey image ${balanced(figures.blind)} %.

${questions(figures)}

Captions, greedy:

${captions(figures)}

## Worth knowing
- It sees only what the script draws. Other images of ${IMAGE_SIZE} × ${IMAGE_SIZE} pixels give words of the same kind, and no sense.
- A hardly visible companion that it names is counted as there; one that it does not name is not counted as missed.
- Objects of one caption are not independent of each other, so the intervals of the first row of captions are somewhat too narrow.
`;
}
