// Which hardware a provider computes on, as far as the system tells, and whether there is any.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import path from 'node:path';
import type { Provider } from './protocol.ts';

export interface Device {
  /** For people. */
  readonly name: string;
  /** False where there is no such device, or only a driver that computes on the processor: right, and slow. */
  readonly hardware: boolean;
}

export interface Surroundings {
  readonly platform: NodeJS.Platform;
  /** The environment of the process that runs models. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where the system's files are looked up; `/` but in tests. */
  readonly root?: string;
}

const SOFTWARE_DRIVERS = /swiftshader|lavapipe|lvp_icd|llvmpipe|basic render/i;
const VENDORS: Readonly<Record<string, string>> = { '0x10de': 'NVIDIA', '0x1002': 'AMD', '0x8086': 'Intel', '0x106b': 'Apple', '0x5143': 'Qualcomm', '0x1af4': 'virtio', '0x15ad': 'VMware' };

/** The device that a provider takes by default. */
export function deviceOf(provider: Provider, surroundings: Surroundings): Device {
  if (provider === 'cpu') return { name: `${cpus()[0]?.model.trim() || 'processor'}, ${availableParallelism()} threads`, hardware: true };
  const driver = driverOf(surroundings);
  if (provider === 'webgpu' && driver !== null && SOFTWARE_DRIVERS.test(driver)) return { name: `${path.basename(driver)}, a driver in software`, hardware: false };
  if (surroundings.platform !== 'linux') return { name: provider === 'coreml' ? 'Apple Neural Engine and GPU' : 'the default GPU', hardware: true };
  const gpus = gpusOf(surroundings.root ?? '/');
  if (gpus.length > 0) return { name: gpus.join(', '), hardware: true };
  return { name: 'no GPU', hardware: false };
}

/** Vulkan drivers that the environment names. */
const driverOf = ({ environment }: Surroundings): string | null => environment['VK_DRIVER_FILES'] ?? environment['VK_ICD_FILENAMES'] ?? null;

/** GPUs that Linux has device files for. */
function gpusOf(root: string): string[] {
  const nvidia = entries(path.join(root, 'proc/driver/nvidia/gpus')).map((gpu) => /^Model:\s*(.+)$/m.exec(text(path.join(root, 'proc/driver/nvidia/gpus', gpu, 'information')))?.[1] ?? 'NVIDIA GPU');
  if (nvidia.length > 0) return nvidia;
  const rendering = entries(path.join(root, 'dev/dri')).filter((name) => name.startsWith('renderD'));
  if (rendering.length > 0) return rendering.map((name) => vendorOf(path.join(root, 'sys/class/drm', name, 'device')));
  if (entries(path.join(root, 'dev')).some((name) => /^nvidia\d+$/.test(name))) return ['NVIDIA GPU'];
  return existsSync(path.join(root, 'dev/dxg')) ? ['the GPU of Windows'] : [];
}

function vendorOf(device: string): string {
  const vendor = text(path.join(device, 'vendor')).trim();
  const id = text(path.join(device, 'device')).trim();
  return vendor === '' ? 'a GPU' : `${VENDORS[vendor] ?? vendor} GPU${id === '' ? '' : ` (${id})`}`;
}

function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
