// A GPU in software for tests: SwiftShader as Debian's Chromium ships it.
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const driver = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** The environment in which the model host finds the software GPU, or null where there is none. */
export function softwareGpu(): Record<string, string> | null {
  if (!existsSync(driver)) return null;
  return { VK_ICD_FILENAMES: driver, XDG_RUNTIME_DIR: mkdtempSync(path.join(tmpdir(), 'gradlens-gpu-')) };
}
