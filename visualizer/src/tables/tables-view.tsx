/** Nodes, peers and remote peers as tables. */
import { useRef, useState } from 'react';
import type { Fold } from '../../../src/inspector/fold.js';
import { type NodeSight, nodesOf } from '../model/cluster.js';
import type { Identity } from '../model/identities.js';
import { count, milliseconds } from '../parts/format.js';
import { useRowsDrawn } from '../parts/rows-drawn.js';
import './tables.css';

export interface TablesViewProps {
  readonly fold: Fold;
  readonly identities: ReadonlyMap<string, Identity>;
  onSelect(sessionId: string, node: string): void;
}

export function TablesView({ fold, identities, onSelect }: TablesViewProps) {
  const nodes = nodesOf(fold, identities);
  const [scroller, setScroller] = useState<HTMLElement | null>(null);
  return (
    <section ref={setScroller} className="tables" aria-label="Tables">
      <Table
        scroller={scroller}
        caption="Nodes"
        heads={[
          'NodeId',
          'process',
          'state',
          'role',
          'election',
          'leader',
          'term',
          'address',
          'to the cloud',
          'last failure',
        ]}
        rows={nodes.map((node) => ({
          key: node.node,
          onSelect: () => node.rootId !== undefined && onSelect(node.rootId, node.node),
          cells: [
            node.nodeId,
            node.node,
            node.isUp ? node.state : 'down',
            node.role,
            node.election ?? '',
            node.leaderId ?? '',
            node.term === undefined ? '' : String(node.term),
            node.address,
            node.uplink ?? '',
            node.lastFailure ?? '',
          ],
        }))}
      />
      <Table
        scroller={scroller}
        caption="Peers"
        heads={[
          'node',
          'peer',
          'state',
          'session',
          'round trip',
          'sent',
          'received',
          'to be sent',
          'attempts',
          'last failure',
        ]}
        rows={nodes.flatMap((node) => peersOf(node, onSelect))}
      />
      <Table
        scroller={scroller}
        caption="Remote peers of the cloud"
        heads={['node', 'cloud peer', 'gateway', 'address', 'attempts', 'last failure']}
        rows={nodes.flatMap((node) =>
          node.gateways.map((gateway) => ({
            key: gateway.sessionId,
            onSelect: () => onSelect(gateway.sessionId, node.node),
            cells: [
              node.nodeId,
              gateway.nodeId,
              gateway.state,
              gateway.address,
              String(gateway.attempt),
              gateway.lastFailure ?? '',
            ],
          })),
        )}
      />
      <Table
        scroller={scroller}
        caption="Documents in quarantine"
        heads={['node', 'collection', 'key', 'what is wrong']}
        rows={nodes.flatMap((node) =>
          node.quarantined.map(({ collection, documentKey, reason }, index) => ({
            key: `${node.node} ${index}`,
            onSelect: () => node.rootId !== undefined && onSelect(node.rootId, node.node),
            cells: [node.nodeId, collection, documentKey, reason],
          })),
        )}
      />
    </section>
  );
}

interface Row {
  readonly key: string;
  readonly cells: readonly string[];
  onSelect(): void;
}

function peersOf(node: NodeSight, onSelect: (sessionId: string, node: string) => void): Row[] {
  const rows = node.peers.map((peer): Row => {
    const session = node.sessions.find(({ peerId }) => peerId === peer.nodeId);
    return {
      key: peer.sessionId,
      onSelect: () => onSelect(session?.sessionId ?? peer.sessionId, node.node),
      cells: [
        node.nodeId,
        peer.nodeId,
        peer.state,
        ...sessionCells(session),
        String(peer.attempt),
        peer.lastFailure ?? '',
      ],
    };
  });
  // A cloud node knows only the clients that are connected.
  const known = new Set(node.peers.map(({ nodeId }) => nodeId));
  const guests = node.sessions.filter(
    ({ peerId, isOfGateway }) => peerId !== undefined && !known.has(peerId) && !isOfGateway,
  );
  const others = guests.map(
    (session): Row => ({
      key: session.sessionId,
      onSelect: () => onSelect(session.sessionId, node.node),
      cells: [node.nodeId, session.peerId ?? '', 'connected', ...sessionCells(session), '', ''],
    }),
  );
  return [...rows, ...others];
}

function sessionCells(session: NodeSight['sessions'][number] | undefined): string[] {
  if (session === undefined) return ['', '', '', '', ''];
  const { memberState, roundTripMs, entriesSent, entriesReceived, isCaughtUp, backlog } = session;
  return [
    memberState,
    roundTripMs === undefined ? '' : milliseconds(roundTripMs),
    count(entriesSent),
    count(entriesReceived),
    isCaughtUp ? 'nothing' : backlog,
  ];
}

interface TableProps {
  readonly caption: string;
  readonly heads: readonly string[];
  readonly rows: readonly Row[];
  /** The element that scrolls. */
  readonly scroller: HTMLElement | null;
}

/** Used until the row is measured: a long error message takes more lines. */
const rowHeight = 29;

/** Only the visible rows: a cloud node has thousands of peers. Two empty rows stand for those above and below. */
function Table({ caption, heads, rows, scroller }: TableProps) {
  const body = useRef<HTMLTableSectionElement>(null);
  const virtual = useRowsDrawn<HTMLTableRowElement>({ count: rows.length, scroller, holder: body, rowHeight });
  const drawn = virtual.getVirtualItems();
  const margin = virtual.options.scrollMargin;
  const above = (drawn[0]?.start ?? margin) - margin;
  const below = virtual.getTotalSize() - ((drawn.at(-1)?.end ?? margin) - margin);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className="table-frame" tabIndex={0} aria-label={caption}>
      <table aria-rowcount={rows.length + 1}>
        <caption>{caption}</caption>
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          <Space height={above} />
          {drawn.map(({ index: at }) => {
            const { key, cells, onSelect } = rows[at] as Row;
            return (
              <tr key={key} ref={virtual.measureElement} data-index={at} aria-rowindex={at + 2}>
                {cells.map((cell, index) =>
                  index === 0 ? (
                    <th key={heads[index]} scope="row">
                      <button type="button" className="linkish" onClick={onSelect}>
                        {cell}
                      </button>
                    </th>
                  ) : (
                    <td key={heads[index]}>{cell}</td>
                  ),
                )}
              </tr>
            );
          })}
          <Space height={below} />
          {rows.length === 0 && (
            <tr>
              <td colSpan={heads.length} className="soft">
                none
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </section>
  );
}

function Space({ height }: { height: number }) {
  return height <= 0 ? null : <tr style={{ height }} />;
}
