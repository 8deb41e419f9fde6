// Does the attribution of a right “yes” lie on the object that was asked for? Held-out scenes of tiny-vision.
import { fileURLToPath } from 'node:url';
import { drawScene } from '../../scripts/train-models/vision/draw.ts';
import { heldOutQuestions, heldOutScenes } from '../../scripts/train-models/vision/evaluate.ts';
import type { Question } from '../../scripts/train-models/vision/evaluate.ts';
import { boxOf, IMAGE_SIZE, PATCH_GRID, patchesOf, sameKind } from '../../scripts/train-models/vision/scenes.ts';
import { presencePrompt } from '../../scripts/train-models/vision/texts.ts';
import { openModelFolder } from '../../src/lm/folder.ts';
import { folderTokenizer } from '../../src/lm/languageModel.ts';
import { openVisionEncoder } from '../../src/lm/visionEncoder.ts';
import type { ModelHost } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';
import type { AttributionRequest } from '../../src/steering/attribution.ts';
import { openAttributor } from '../../src/steering/attribution.ts';
import { promptTokens } from '../../src/steering/promptTokens.ts';
import { tokenSets } from '../../src/steering/tokenSets.ts';

export interface PointingRow {
  readonly method: string;
  readonly images: number;
  /** Images whose highest patch is the object's. */
  readonly hits: number;
  /** Patches in S⁺ (10 highest tokens of image and text), and those of them that are the object's. */
  readonly inSet: number;
  readonly ofObject: number;
  /** Share of all patches that are the object's: what chance gives. */
  readonly chance: number;
}

const ways: Readonly<Record<string, Partial<AttributionRequest>>> = {
  'ig, zero, refined': { refine: {} },
  'ig, mean, refined': { baseline: 'mean', refine: {} },
  'idgi, zero': { method: 'idgi' },
  'idgi, mean': { method: 'idgi', baseline: 'mean' },
  'smoothgrad, zero': { method: 'smoothgrad' },
  'gradient × embedding, zero': { method: 'gradxact' },
};

const location = fileURLToPath(new URL('../../models/tiny-vision', import.meta.url));
const PATCHES = PATCH_GRID * PATCH_GRID;

export async function pointing(host: ModelHost, count: number): Promise<readonly PointingRow[]> {
  const opened = openModelFolder(location);
  if (!opened.ok) throw new Error(opened.problem.message);
  const { folder } = opened;
  const tokenizer = folderTokenizer(folder);
  const vision = await openVisionEncoder(host, folder);
  const attributor = await openAttributor(folder, host, { session: { provider: 'cpu', threads: 1 } });
  if (!tokenizer.ok || !vision.ok || !attributor.ok) throw new Error('tiny-vision cannot be opened');
  const [yes, no] = [' Yes', ' No'].map((answer) => tokenizer.value.encode(answer, false).ids.slice(0, 1));
  const cases = [];
  for (const { scene, asked } of questions(count)) {
    const features = await vision.encoder.encode({ width: IMAGE_SIZE, height: IMAGE_SIZE, data: drawScene(scene) });
    const prompt = promptTokens({ tokenizer: tokenizer.value, folder, text: `<image>${presencePrompt(asked)}`, images: [features] });
    const object = scene.objects.find((one) => sameKind(one, asked));
    if (!object) throw new Error('a question about what is there asks for what is there');
    cases.push({ prompt, patches: new Set(patchesOf(boxOf(object))) });
  }
  const rows: PointingRow[] = [];
  for (const [method, more] of Object.entries(ways)) {
    let [images, hits, inSet, ofObject, chance] = [0, 0, 0, 0, 0];
    for (const { prompt, patches } of cases) {
      const { tokens, value } = await attributor.attributor.attribute({ prompt: prompt.ids, images: prompt.images, fixed: prompt.special, preferred: yes ?? [], dispreferred: no ?? [], ...more });
      // What is asked for is there, and the model says so.
      if (value <= 0) continue;
      const places = prompt.imageRows[0] ?? [];
      const best = places.reduce((one, place, patch) => ((tokens[place] ?? 0) > (tokens[places[one] ?? 0] ?? 0) ? patch : one), 0);
      const chosen = tokenSets(tokens, { mode: 'positive', excluded: prompt.special }, new Random(1)).positive.flatMap((place) => (places.includes(place) ? [places.indexOf(place)] : []));
      images++;
      hits += patches.has(best) ? 1 : 0;
      inSet += chosen.length;
      ofObject += chosen.filter((patch) => patches.has(patch)).length;
      chance += patches.size / PATCHES;
    }
    rows.push({ method, images, hits, inSet, ofObject, chance: chance / images });
    console.error(`${method}: ${hits} of ${images}, ${ofObject} of ${inSet}, chance ${(chance / images).toFixed(3)}`);
  }
  await vision.encoder.release();
  await attributor.attributor.release();
  return rows;
}

/** About objects in plain sight, one a scene. */
function questions(count: number): readonly Question[] {
  return heldOutQuestions({ natural: heldOutScenes('natural', 2 * count), broken: [] }).filter(({ kind }) => kind === 'present').slice(0, count);
}
