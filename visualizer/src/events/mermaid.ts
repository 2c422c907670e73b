/** A part of the sequence as Mermaid's `sequenceDiagram`. */
import type { InspectorRecord } from '../../../src/inspector/records.js';
import { arrowOf, type Lane, type Places, pathOf } from './rows.js';

export function mermaidOf(records: readonly InspectorRecord[], lanes: readonly Lane[], places: Places): string {
  const lines = ['sequenceDiagram'];
  for (const [index, { title }] of lanes.entries()) lines.push(`  participant L${index} as ${escaped(title)}`);
  if (records.some((record) => record.type === '@xstate.event' && arrowOf(record, places)?.from === undefined)) {
    lines.push('  participant outside');
  }
  const all = lanes.length > 1 ? `L0,L${lanes.length - 1}` : 'L0';
  for (const record of records) {
    if (record.type === 'statemesh.world') lines.push(`  Note over ${all}: ${escaped(record.what)}`);
    else if (record.type === 'statemesh.process') {
      const lane = places.lanes.get(record.node);
      if (lane !== undefined) lines.push(`  Note over L${lane}: ${escaped(`${record.node} ${record.what}`)}`);
    } else if (record.type === '@xstate.event') {
      const arrow = arrowOf(record, places);
      if (arrow === undefined) continue;
      const from = arrow.from === undefined ? 'outside' : `L${arrow.from}`;
      const text = `${pathOf(record.sessionId, places.directory)}: ${record.event.type}`;
      lines.push(`  ${from}${arrow.isRemote ? '-)' : '->>'}L${arrow.to}: ${escaped(text)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** `;` and `#` mean something to Mermaid. */
function escaped(text: string): string {
  return text.replaceAll('#', '#35;').replaceAll(';', '#59;').replaceAll('\n', ' ');
}
