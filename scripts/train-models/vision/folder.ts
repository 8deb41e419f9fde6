// The vision-language model as an ordinary model folder, in the form in which onnx-community publishes LLaVA models.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { drawScene, PIXEL_DEVIATION, PIXEL_MEAN } from './draw.ts';
import { PATCHES } from './encoder.ts';
import { heldOutScenes } from './evaluate.ts';
import type { VisionModelConfig } from './graphs.ts';
import { publishedGraphs } from './graphs.ts';
import { encodePng } from './png.ts';
import { boxOf, IMAGE_SIZE, PATCH_SIZE, patchesOf } from './scenes.ts';
import { caption } from './texts.ts';
import { IMAGE_TOKEN } from './visionModel.ts';
import { imageTokenOf, tokenizerJson } from './vocabulary.ts';
import type { BytePairEncoding } from '../bpe.ts';
import { special } from '../bpe.ts';
import { headSize } from '../llama.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';

/** Positions that training reaches. */
const CONTEXT = 96;
/** Held-out images of each style that lie beside the model. */
const EXAMPLES = 4;

const CHAT_TEMPLATE = `{{ bos_token }}{% for message in messages %}{% if message.role == 'user' %}{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}{% if part.type == 'image' %}${IMAGE_TOKEN}{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}{% else %} {{ message.content }}{{ eos_token }}{% endif %}{% endfor %}`;

const specialIds = { bos_token_id: special.bos, eos_token_id: special.eos, pad_token_id: special.pad };

/** Writes everything but the model card. */
export function writeFolder(folder: string, config: VisionModelConfig, encoding: BytePairEncoding, theta: Float32Array): void {
  mkdirSync(path.join(folder, 'onnx'), { recursive: true });
  for (const [name, graph] of Object.entries(publishedGraphs(config, theta))) writeFileSync(path.join(folder, 'onnx', `${name}.onnx`), encodeGraph(graph));
  const files = {
    'config.json': modelConfig(config, imageTokenOf(encoding)),
    'generation_config.json': { ...specialIds, do_sample: false, max_new_tokens: 24 },
    'preprocessor_config.json': preprocessor(),
    'processor_config.json': { processor_class: 'LlavaProcessor', image_token: IMAGE_TOKEN, patch_size: PATCH_SIZE, num_additional_image_tokens: 0, vision_feature_select_strategy: 'full' },
    'tokenizer.json': tokenizerJson(encoding),
    'tokenizer_config.json': { tokenizer_class: 'PreTrainedTokenizerFast', bos_token: '<s>', eos_token: '</s>', pad_token: '<pad>', image_token: IMAGE_TOKEN, model_max_length: CONTEXT, clean_up_tokenization_spaces: false, chat_template: CHAT_TEMPLATE },
  };
  for (const [name, value] of Object.entries(files)) writeFileSync(path.join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  writeExamples(path.join(folder, 'examples'));
}

function modelConfig({ text, vision }: VisionModelConfig, imageToken: number): unknown {
  return {
    architectures: ['LlavaForConditionalGeneration'],
    model_type: 'llava',
    image_token_id: imageToken,
    image_token_index: imageToken,
    image_seq_length: PATCHES,
    projector_hidden_act: 'silu',
    vision_feature_layer: -1,
    vision_feature_select_strategy: 'full',
    ...specialIds,
    text_config: {
      architectures: ['LlamaForCausalLM'], model_type: 'llama',
      vocab_size: text.vocabulary, hidden_size: text.hidden, intermediate_size: text.neurons, num_hidden_layers: text.layers,
      num_attention_heads: text.heads, num_key_value_heads: text.keyValueHeads, head_dim: headSize(text), hidden_act: 'silu',
      max_position_embeddings: CONTEXT, rope_theta: text.ropeTheta, rms_norm_eps: text.normEpsilon, tie_word_embeddings: true, ...specialIds,
    },
    vision_config: {
      model_type: 'overlapping_patch_vit', image_size: IMAGE_SIZE, patch_size: PATCH_SIZE, num_channels: 3,
      hidden_size: vision.width, intermediate_size: vision.neurons, num_hidden_layers: vision.layers, num_attention_heads: vision.heads,
      hidden_act: 'silu', layer_norm_eps: vision.normEpsilon, projection_dim: vision.hidden,
    },
  };
}

function preprocessor(): unknown {
  return {
    image_processor_type: 'CLIPImageProcessor', processor_class: 'LlavaProcessor', do_convert_rgb: true,
    do_resize: true, size: { height: IMAGE_SIZE, width: IMAGE_SIZE }, resample: 2, do_center_crop: false,
    do_rescale: true, rescale_factor: 1 / 255, do_normalize: true,
    image_mean: [PIXEL_MEAN, PIXEL_MEAN, PIXEL_MEAN], image_std: [PIXEL_DEVIATION, PIXEL_DEVIATION, PIXEL_DEVIATION],
  };
}

/** Held-out images to try the model on, with what is in them and where. */
function writeExamples(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const scenes = (['natural', 'broken'] as const).flatMap((style) => heldOutScenes(style, EXAMPLES).map((scene, i) => ({ file: `${style}-${i + 1}.png`, scene })));
  const described = scenes.map(({ file, scene }) => {
    writeFileSync(path.join(folder, file), encodePng(drawScene(scene), IMAGE_SIZE));
    const objects = scene.objects.map((object) => ({ colour: object.colour, shape: object.shape, opacity: Number(object.opacity.toFixed(3)), box: boxOf(object), patches: patchesOf(boxOf(object)) }));
    return { file, caption: caption(scene), objects };
  });
  writeFileSync(path.join(folder, 'scenes.json'), `${JSON.stringify(described, null, 2)}\n`);
}
