/** One event: its content, its cause, and its effects. */
import type { EventRecord, InspectorRecord } from '../../../src/inspector/records.js';
import { stateText } from '../model/cluster.js';
import type { Timeline } from '../model/timeline.js';
import { clockText, sinceText } from '../parts/format.js';
import { ValueTree } from '../parts/value-tree.js';
import { type Causes, pathOf } from './rows.js';

export interface DetailsProps {
  readonly timeline: Timeline;
  readonly causes: Causes;
  readonly position: number;
  onJump(position: number): void;
  onSelectActor(sessionId: string): void;
  onClose(): void;
}

const effectsShown = 100;

export function Details({ timeline, causes, position, onJump, onSelectActor, onClose }: DetailsProps) {
  const record = timeline.records[position];
  if (record === undefined) return null;
  const time = [sinceText(record.atMs, timeline.firstMs), clockText(record.atMs)].filter((text) => text !== undefined);
  return (
    <aside className="event" aria-label="Event">
      <button type="button" className="event-close" onClick={onClose} aria-label="Close">
        ×
      </button>
      <h3>{titleOf(record)}</h3>
      <p className="soft">{time.join(', ')}</p>
      {record.type === '@xstate.event' && <EventBody {...{ timeline, causes, record, onJump, onSelectActor }} />}
    </aside>
  );
}

interface BodyProps extends Pick<DetailsProps, 'timeline' | 'causes' | 'onJump' | 'onSelectActor'> {
  readonly record: EventRecord;
}

function EventBody({ timeline, causes, record, onJump, onSelectActor }: BodyProps) {
  const { records, directory } = timeline;
  const { type: _, ...fields } = record.event;
  const cause = causes.causeOf(record);
  const effects = causes.effectsOf(record);
  const actor = (sessionId: string) => (
    <button type="button" className="linkish" onClick={() => onSelectActor(sessionId)}>
      {directory.get(sessionId)?.node} {pathOf(sessionId, directory)}
    </button>
  );
  return (
    <>
      <dl>
        <dt>from</dt>
        <dd>{senderOf(record, actor)}</dd>
        <dt>to</dt>
        <dd>{actor(record.sessionId)}</dd>
        <dt>because of</dt>
        <dd>
          {cause === undefined ? (
            <span className="soft">no actor's event</span>
          ) : (
            <Jump record={records[cause] as InspectorRecord} position={cause} timeline={timeline} onJump={onJump} />
          )}
        </dd>
      </dl>
      {Object.entries(fields).map(([name, value]) => (
        <ValueTree key={name} name={name} value={value} />
      ))}
      <h4>Effects</h4>
      {effects.length === 0 && <p className="soft">None yet.</p>}
      <ul>
        {effects.slice(0, effectsShown).map((effect) => (
          <li key={effect}>
            <Jump record={records[effect] as InspectorRecord} position={effect} timeline={timeline} onJump={onJump} />
          </li>
        ))}
      </ul>
      {effects.length > effectsShown && <p className="soft">… {effects.length - effectsShown} more</p>}
    </>
  );
}

function senderOf(record: EventRecord, actor: (sessionId: string) => React.ReactNode): React.ReactNode {
  if (record.sourceId === record.sessionId) return 'a timer of its own';
  return record.sourceId === undefined ? 'outside the actors' : actor(record.sourceId);
}

interface JumpProps extends Pick<DetailsProps, 'timeline' | 'onJump'> {
  readonly record: InspectorRecord;
  readonly position: number;
}

function Jump({ record, position, timeline: { directory }, onJump }: JumpProps) {
  if (record.type === '@xstate.snapshot') {
    const { snapshot, transitions = [] } = record;
    const fields = Object.keys(snapshot.context ?? {});
    return (
      <span>
        {snapshot.value === undefined ? 'no other state' : <b>{stateText(snapshot.value)}</b>}
        {snapshot.status !== undefined && snapshot.status !== 'active' && `, ${snapshot.status}`}
        {fields.length > 0 && <span className="soft">; new: {fields.join(', ')}</span>}
        {transitions.length > 0 && <span className="soft"> (by {transitions.join(', ')})</span>}
      </span>
    );
  }
  return (
    <button type="button" className="linkish" onClick={() => onJump(position)}>
      {titleOf(record)}
      {'sessionId' in record && record.type === '@xstate.event' ? ` to ${pathOf(record.sessionId, directory)}` : ''}
    </button>
  );
}

function titleOf(record: InspectorRecord): string {
  switch (record.type) {
    case '@xstate.event':
      return record.event.type;
    case '@xstate.actor':
      return `begins ${record.name}`;
    case 'statemesh.world':
      return record.what;
    case 'statemesh.process':
      return `${record.node} ${record.what}`;
    default:
      return record.type;
  }
}
