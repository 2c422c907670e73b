/**
 * Which rows of a long list are drawn: the visible rows and a few around them, and never more than a maximum, whatever
 * height the layout reports. A list with unlimited height would draw every row, and hang the page.
 */
import { defaultRangeExtractor, type Range, useVirtualizer, type Virtualizer } from '@tanstack/react-virtual';
import { type RefObject, useLayoutEffect, useState } from 'react';

/** More than fit on a screen of 4,000 pixels. */
export const rowsDrawnMax = 200;

export interface RowsDrawnOptions {
  readonly count: number;
  /** The scrolling element; a state, not a ref, because a list below it is laid out before the ref is set. */
  readonly scroller: HTMLElement | null;
  /** The element that holds the rows, when the scroller holds something else above it. */
  readonly holder?: RefObject<HTMLElement | null>;
  readonly rowHeight: number;
}

export function useRowsDrawn<Row extends Element>({
  count,
  scroller,
  holder,
  rowHeight,
}: RowsDrawnOptions): Virtualizer<HTMLElement, Row> {
  const [scrollMargin, setScrollMargin] = useState(0);
  // After each render, because the content above may have grown.
  useLayoutEffect(() => {
    if (scroller === null || holder?.current == null) return;
    const above = holder.current.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
    const margin = Math.round(above + scroller.scrollTop);
    if (margin !== scrollMargin) setScrollMargin(margin);
  });
  return useVirtualizer<HTMLElement, Row>({
    count,
    getScrollElement: () => scroller,
    estimateSize: () => rowHeight,
    overscan: 12,
    scrollMargin,
    rangeExtractor: rowsIn,
  });
}

/** Pure, for the tests. */
export function rowsIn(range: Range): number[] {
  const rows = defaultRangeExtractor({ ...range, endIndex: Math.min(range.endIndex, range.startIndex + rowsDrawnMax) });
  return rows.slice(0, rowsDrawnMax);
}
