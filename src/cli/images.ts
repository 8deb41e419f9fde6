// Images that a command is given: files, seen by the model's vision encoder.
import { UsageError } from './usage.ts';
import type { ModelFolder } from '../lm/folder.ts';
import { readImage } from '../lm/imageFile.ts';
import type { ImageFeatures } from '../lm/visionEncoder.ts';
import { openVisionEncoder } from '../lm/visionEncoder.ts';
import type { ModelHost } from '../runtime/client.ts';

/** @throws UsageError where a file is no image, or the model takes none; LanguageModelError, RuntimeError, HostDiedError */
export async function imageFeatures(host: ModelHost, folder: ModelFolder, files: readonly string[]): Promise<readonly ImageFeatures[]> {
  if (files.length === 0) return [];
  const images = files.map((file) => {
    const read = readImage(file);
    if (!read.ok) throw new UsageError(read.message);
    return read.image;
  });
  const opened = await openVisionEncoder(host, folder);
  if (!opened.ok) throw new UsageError(opened.fault.message);
  try {
    const features: ImageFeatures[] = [];
    for (const image of images) features.push(await opened.encoder.encode(image));
    return features;
  } finally {
    await opened.encoder.release();
  }
}
