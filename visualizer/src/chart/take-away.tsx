/** Pictures of charts as files. */
import { renderToStaticMarkup } from 'react-dom/server';
import type { ChartLayout } from './layout.js';
import { ChartPicture } from './picture.js';
import { standaloneStyle } from './style.js';

const none: ReadonlySet<string> = new Set();

export function svgOf(
  layout: ChartLayout,
  active: ReadonlySet<string> = none,
  taken: ReadonlySet<string> = none,
): string {
  return `${renderToStaticMarkup(<ChartPicture layout={layout} style={standaloneStyle} active={active} taken={taken} isAlone />)}\n`;
}

/** Twice as large as on the screen, for print. */
const pixelRatio = 2;

/** The picture that the page shows, in its present colors. */
export async function pngOf(
  layout: ChartLayout,
  active: ReadonlySet<string>,
  taken: ReadonlySet<string>,
): Promise<Blob> {
  const url = URL.createObjectURL(new Blob([svgOf(layout, active, taken)], { type: 'image/svg+xml' }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = layout.width * pixelRatio;
    canvas.height = layout.height * pixelRatio;
    canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) =>
      canvas.toBlob(
        (blob) => (blob === null ? reject(new Error('The picture is too large.')) : resolve(blob)),
        'image/png',
      ),
    );
  } finally {
    URL.revokeObjectURL(url);
  }
}
