/** The commands for a demo or a simulation. Shown only when the server was started with controls. */
import { type FormEvent, useState } from 'react';
import type { Control, ControlName } from '../../../src/inspector/wire.js';
import type { NodeSight } from '../model/cluster.js';

export interface ControlsProps {
  readonly controls: readonly ControlName[];
  readonly nodes: readonly NodeSight[];
  readonly selected: string | undefined;
  run(control: Control): Promise<{ isDone: boolean; message: string }>;
}

export function ControlsPanel({ controls, nodes, selected, run }: ControlsProps) {
  const [answer, setAnswer] = useState<{ isDone: boolean; message: string }>();
  const [apart, setApart] = useState<ReadonlySet<string>>(new Set());
  const chosen = nodes.find(({ node }) => node === selected);
  const allows = (name: ControlName): boolean => controls.includes(name);
  const send = (control: Control): void => {
    setAnswer({ isDone: true, message: 'Under way …' });
    void run(control).then(setAnswer);
  };
  const put = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const document = parsed(String(fields.get('document')));
    if (document === undefined || chosen === undefined)
      setAnswer({ isDone: false, message: 'The document is not JSON.' });
    else
      send({
        name: 'put',
        node: chosen.node,
        collection: String(fields.get('collection')),
        key: String(fields.get('key')),
        document: document.value,
      });
  };
  const reconfigure = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const fields = parsed(String(new FormData(event.currentTarget).get('fields')));
    if (chosen === undefined || typeof fields?.value !== 'object' || fields.value === null) {
      setAnswer({ isDone: false, message: 'Give the fields as a JSON object.' });
    } else send({ name: 'reconfigure', node: chosen.node, fields: fields.value as Record<string, unknown> });
  };
  const members = nodes.filter(({ role }) => role !== 'cloud');
  return (
    <section className="controls" aria-label="Controls">
      <h3>{chosen === undefined ? 'Controls' : chosen.nodeId}</h3>
      {chosen === undefined && <p className="soft">Select a node to crash it, write to it or reconfigure it.</p>}
      {chosen !== undefined && (
        <div className="controls-row">
          {allows('crash') && (
            <button type="button" disabled={!chosen.isUp} onClick={() => send({ name: 'crash', node: chosen.node })}>
              Crash
            </button>
          )}
          {allows('stop') && (
            <button type="button" disabled={!chosen.isUp} onClick={() => send({ name: 'stop', node: chosen.node })}>
              Stop
            </button>
          )}
          {allows('restart') && (
            <button type="button" disabled={chosen.isUp} onClick={() => send({ name: 'restart', node: chosen.node })}>
              Start
            </button>
          )}
        </div>
      )}
      {chosen !== undefined && allows('put') && (
        <form onSubmit={put}>
          <label className="field">
            Collection <input name="collection" defaultValue="things" required />
          </label>
          <label className="field">
            Key <input name="key" defaultValue="k1" required />
          </label>
          <label className="field">
            Document <input name="document" defaultValue='{"count": 1}' required />
          </label>
          <button type="submit" disabled={!chosen.isUp}>
            Put
          </button>
        </form>
      )}
      {chosen !== undefined && allows('reconfigure') && (
        <form onSubmit={reconfigure}>
          <label className="field">
            Fields <input name="fields" defaultValue='{"eligible": false}' required />
          </label>
          <button type="submit" disabled={!chosen.isUp}>
            Reconfigure
          </button>
        </form>
      )}
      {allows('partition') && (
        <fieldset>
          <legend>Cut off</legend>
          {members.map(({ node, nodeId }) => (
            <label key={node} className="controls-check">
              <input
                type="checkbox"
                checked={apart.has(node)}
                onChange={({ target }) => {
                  const next = new Set(apart);
                  if (target.checked) next.add(node);
                  else next.delete(node);
                  setApart(next);
                }}
              />{' '}
              {nodeId}
            </label>
          ))}
          <div className="controls-row">
            <button
              type="button"
              disabled={apart.size === 0 || apart.size === members.length}
              onClick={() => send({ name: 'partition', groups: groupsOf(members, apart) })}
            >
              Partition
            </button>
            <button type="button" onClick={() => send({ name: 'heal' })}>
              Heal
            </button>
          </div>
        </fieldset>
      )}
      {allows('pace') && (
        <div className="controls-row">
          <span className="soft">Virtual time</span>
          {[0, 0.2, 1, 5, 20].map((factor) => (
            <button key={factor} type="button" onClick={() => send({ name: 'pace', factor })}>
              {factor === 0 ? 'stop' : `${factor}×`}
            </button>
          ))}
        </div>
      )}
      {answer !== undefined && (
        <p role="status" className={answer.isDone ? 'answer' : 'answer answer-failed'}>
          {answer.message}
        </p>
      )}
    </section>
  );
}

function parsed(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function groupsOf(members: readonly NodeSight[], apart: ReadonlySet<string>): string[][] {
  const names = members.map(({ node }) => node);
  return [names.filter((name) => apart.has(name)), names.filter((name) => !apart.has(name))];
}
