// Pictures as pixels: an SVG as a PNG, and an image's colours as a picture that an SVG can hold.

/** Pixels of the PNG for each of the picture's. */
const SHARPNESS = 2;

/** A PNG of an SVG document, base64. */
export async function pngOf(document: string): Promise<string> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(document)}`;
  await image.decode();
  const canvas = window.document.createElement('canvas');
  [canvas.width, canvas.height] = [image.naturalWidth * SHARPNESS, image.naturalHeight * SHARPNESS];
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return base64Of(canvas);
}

/** Red, green and blue of each pixel, base64, as a data URI. */
export function dataUriOf({ width, height, pixels }: { readonly width: number; readonly height: number; readonly pixels: string }): string {
  const canvas = window.document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d');
  if (!context) return '';
  const data = context.createImageData(width, height);
  const bytes = atob(pixels);
  for (let i = 0; i < width * height; i++) {
    for (let channel = 0; channel < 3; channel++) data.data[4 * i + channel] = bytes.charCodeAt(3 * i + channel);
    data.data[4 * i + 3] = 255;
  }
  context.putImageData(data, 0, 0);
  return canvas.toDataURL('image/png');
}

const base64Of = (canvas: HTMLCanvasElement): string => canvas.toDataURL('image/png').replace(/^data:image\/png;base64,/u, '');
