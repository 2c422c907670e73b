/** A statechart as Mermaid's `stateDiagram-v2`, for documents that render Mermaid. */
import type { Chart, ChartState } from '../../../src/inspector/chart.js';
import { textOf } from './layout.js';

export function mermaidOf({ root, transitions }: Chart): string {
  const lines = ['stateDiagram-v2'];
  const inside = (state: ChartState, depth: number): void => {
    const indent = '  '.repeat(depth);
    if (state.kind === 'parallel') {
      for (const [index, region] of state.states.entries()) {
        if (index > 0) lines.push(`${indent}--`);
        declare(region, depth);
      }
      return;
    }
    const first = state.states.find(({ key }) => key === state.initial);
    if (first !== undefined) lines.push(`${indent}[*] --> ${nameOf(first.id)}`);
    for (const child of state.states) declare(child, depth);
  };
  const declare = (state: ChartState, depth: number): void => {
    const indent = '  '.repeat(depth);
    if (state.states.length === 0) lines.push(`${indent}state ${quoted(state.key)} as ${nameOf(state.id)}`);
    else {
      lines.push(`${indent}state ${quoted(state.key)} as ${nameOf(state.id)} {`);
      inside(state, depth + 1);
      lines.push(`${indent}}`);
    }
    if (state.kind === 'final') lines.push(`${indent}${nameOf(state.id)} --> [*]`);
  };
  inside(root, 1);
  for (const transition of transitions) {
    const { source, targets } = transition;
    const [target] = targets;
    // Mermaid has no notation for internal transitions, or for transitions of the whole chart.
    if (target === undefined || target === source || source === root.id) continue;
    const text = escaped(textOf(transition));
    lines.push(`  ${nameOf(source)} --> ${nameOf(target)}${text === '' ? '' : `: ${text}`}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Letters, digits and underscores only. */
function nameOf(id: string): string {
  return id.replace(/[^A-Za-z0-9]/g, '_');
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', "'")}"`;
}

/** A colon or a semicolon would end the text. */
function escaped(text: string): string {
  return text.replaceAll(':', '#58;').replaceAll(';', '#59;').replaceAll('\n', ' ');
}
