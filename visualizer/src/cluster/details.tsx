/** A node in detail, beside the picture of the cluster. */
import type { NodeSight } from '../model/cluster.js';
import { milliseconds } from '../parts/format.js';

export interface DetailsProps {
  readonly node: NodeSight;
  onOpenActor(sessionId: string): void;
}

export function Details({ node, onOpenActor }: DetailsProps) {
  const lines: readonly (readonly [string, string | undefined])[] = [
    ['state', node.isUp ? node.state : 'down'],
    ['role', node.role],
    ['address', node.address],
    ['election', node.election],
    ['leader', node.leaderId],
    ['term', node.term?.toString()],
    ['to the cloud', node.uplink],
    ['reconfiguration', node.reconfiguration],
    ['last failure', node.lastFailure],
  ];
  const { rootId } = node;
  return (
    <section className="details" aria-label={`Node ${node.nodeId}`}>
      <h3>{node.nodeId}</h3>
      <dl>
        {lines.flatMap(([name, value]) =>
          value === undefined || value === ''
            ? []
            : [
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>{value}</dd>
                </div>,
              ],
        )}
      </dl>
      {rootId !== undefined && (
        <button type="button" onClick={() => onOpenActor(rootId)}>
          Its statecharts
        </button>
      )}
      {node.sessions.length > 0 && <h4>Sessions</h4>}
      <ul>
        {node.sessions.map((session) => (
          <li key={session.sessionId}>
            <button type="button" className="linkish" onClick={() => onOpenActor(session.sessionId)}>
              {session.peerId ?? 'not known yet'}
            </button>{' '}
            {session.memberState}
            {session.roundTripMs === undefined ? '' : `, ${milliseconds(session.roundTripMs)}`}
          </li>
        ))}
      </ul>
      {node.gateways.length > 0 && <h4>Gateways</h4>}
      <ul>
        {node.gateways.map((gateway) => (
          <li key={gateway.sessionId}>
            <button type="button" className="linkish" onClick={() => onOpenActor(gateway.sessionId)}>
              {gateway.nodeId}
            </button>{' '}
            {gateway.state}
          </li>
        ))}
      </ul>
    </section>
  );
}
