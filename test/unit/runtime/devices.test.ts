// What the system tells of its GPUs, from folders laid out as Linux lays them out; and which providers that leaves.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { deviceOf } from '../../../src/runtime/devices.ts';
import type { Provider } from '../../../src/runtime/protocol.ts';
import type { ProviderReport } from '../../../src/runtime/providers.ts';
import { candidates, chooseProvider, describeProviders, passedOver, providersOf } from '../../../src/runtime/providers.ts';

describe('devices', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'gradlens-devices-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const file = (name: string, content = ''): void => {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), content);
  };
  const device = (provider: Provider, environment: Record<string, string> = {}) => deviceOf(provider, { platform: 'linux', environment, root });

  it('are none where Linux has no device file of a GPU', () => {
    file('dev/null');
    assert.deepEqual(device('webgpu'), { name: 'no GPU', hardware: false });
    assert.deepEqual(device('cuda'), { name: 'no GPU', hardware: false });
    assert.match(device('cpu').name, /, \d+ threads$/);
  });

  it('bear the name that NVIDIA\'s driver gives', () => {
    file('proc/driver/nvidia/gpus/0000:01:00.0/information', 'Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: 16\n');
    assert.deepEqual(device('cuda'), { name: 'NVIDIA H100 80GB HBM3', hardware: true });
  });

  it('are told by vendor and number elsewhere', () => {
    file('dev/dri/card0');
    assert.equal(device('webgpu').hardware, false, 'a screen without a renderer is no GPU');
    file('dev/dri/renderD128');
    assert.deepEqual(device('webgpu'), { name: 'a GPU', hardware: true });
    file('sys/class/drm/renderD128/device/vendor', '0x8086\n');
    file('sys/class/drm/renderD128/device/device', '0x9a49\n');
    assert.deepEqual(device('webgpu'), { name: 'Intel GPU (0x9a49)', hardware: true });
  });

  it('are no hardware where the environment names a driver in software, whatever is built in', () => {
    file('dev/dri/renderD128');
    for (const variable of ['VK_ICD_FILENAMES', 'VK_DRIVER_FILES']) {
      assert.deepEqual(device('webgpu', { [variable]: '/usr/lib/chromium/vk_swiftshader_icd.json' }), { name: 'vk_swiftshader_icd.json, a driver in software', hardware: false });
      assert.equal(device('webgpu', { [variable]: '/usr/share/vulkan/icd.d/nvidia_icd.json' }).hardware, true);
    }
    assert.equal(device('cuda', { VK_ICD_FILENAMES: 'lvp_icd.json' }).hardware, true, 'CUDA takes no Vulkan driver');
  });
});

describe('choice of a provider', () => {
  const report = (provider: Provider, millis: number | null, hardware = true, works = millis !== null): ProviderReport => ({ provider, device: { name: `device of ${provider}`, hardware }, works, reason: works ? 'slower than CPU' : 'it is broken', difference: null, millis });

  it('follows the order of the platform', () => {
    assert.deepEqual([providersOf('linux'), providersOf('win32'), providersOf('darwin')], [['cuda', 'webgpu', 'cpu'], ['dml', 'webgpu', 'cpu'], ['coreml', 'webgpu', 'cpu']]);
  });

  it('takes the first that works and beats CPU for small graphs, and offers all that work for large ones', () => {
    const reports = [report('cuda', 3), report('webgpu', 0.5), report('cpu', 1)];
    assert.equal(chooseProvider(reports), 'webgpu');
    assert.deepEqual(candidates(reports).map(({ provider }) => provider), ['cuda', 'webgpu']);
    assert.equal(chooseProvider([report('cuda', 3), report('cpu', 1)]), 'cpu');
  });

  it('never takes a driver in software, however fast, and says why each was passed over', () => {
    const reports = [report('cuda', null), report('webgpu', 0.1, false), report('cpu', 1)];
    assert.equal(chooseProvider(reports), 'cpu');
    assert.deepEqual(candidates(reports), []);
    assert.deepEqual(passedOver(reports), ['cuda is passed over: it is broken', 'webgpu is passed over: it has no hardware of its own (device of webgpu)']);
    assert.match(describeProviders(reports), /device of webgpu[^]*Small graphs run on: cpu\nLanguage models are tried on: cpu$/);
  });
});
