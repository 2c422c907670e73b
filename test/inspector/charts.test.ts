/** Charts: the pictures in the documentation match the machines, and a machine becomes a correct chart. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { type AnyStateMachine, createMachine, setup } from 'xstate';
import { activeStates, chartOf } from '../../src/inspector/chart.js';
import { electionMachine } from '../../src/machines/election.machine.js';
import { gatewayMachine } from '../../src/machines/gateway.machine.js';
import { nodeMachine } from '../../src/machines/node.machine.js';
import { peerMachine } from '../../src/machines/peer.machine.js';
import { sessionMachine } from '../../src/machines/session.machine.js';
import { mermaidOf } from '../../visualizer/src/chart/mermaid.js';
import { definitionOf } from '../../visualizer/src/model/stately.js';

const machines = [
  nodeMachine,
  electionMachine,
  gatewayMachine,
  peerMachine,
  sessionMachine,
] as unknown as AnyStateMachine[];

const door = setup({
  types: { events: {} as { type: 'open' } | { type: 'shut'; by: string } },
  guards: { isUnlocked: () => true, isMine: (_, { name }: { name: string }) => name !== '' },
  actions: { creak: () => {} },
  delays: { draught: 50 },
}).createMachine({
  id: 'door',
  initial: 'shut',
  states: {
    shut: { on: { open: { guard: 'isUnlocked', target: 'open', actions: 'creak' } }, after: { 1000: 'rusty' } },
    open: {
      entry: 'creak',
      after: { draught: 'shut' },
      on: { shut: { guard: { type: 'isMine', params: { name: 'me' } }, target: 'shut' }, '*': {} },
      type: 'parallel',
      states: { hinge: {}, knob: { initial: 'still', states: { still: {}, turning: {} } } },
    },
    rusty: { type: 'final' },
  },
});

describe('charts', () => {
  it('docs/charts: compared with `npm run charts` -> is what it draws of the machines now', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/charts.mjs', '--check'], {
      encoding: 'utf8',
    });
    expect([status, stdout, stderr]).toEqual([0, '', '']);
  }, 60_000);

  it('a machine -> its states, and each transition with its trigger', () => {
    const { chart } = chartOf(door);
    expect(chart.root.states.map(({ key, kind, initial }) => [key, kind, initial])).toEqual([
      ['shut', 'atomic', undefined],
      ['open', 'parallel', undefined],
      ['rusty', 'final', undefined],
    ]);
    const told = chart.transitions.map(({ source, targets, kind, label, guard, actions }) =>
      [source, targets.join(), kind, label, guard ?? '', actions.join()].join('|'),
    );
    expect(told).toEqual([
      'door.shut|door.open|event|open|isUnlocked|creak',
      'door.shut|door.rusty|delay|1000 ms||',
      'door.open|door.shut|event|shut|isMine(me)|',
      'door.open||event|*||',
      'door.open|door.shut|delay|draught||',
    ]);
    const open = chart.root.states[1];
    expect([open?.entry, open?.states[1]?.initial]).toEqual([['creak'], 'still']);
  });

  it('a state value -> the active states, with all their ancestors', () => {
    const { chart } = chartOf(door);
    expect([...activeStates(chart, 'shut')]).toEqual(['door', 'door.shut']);
    expect([...activeStates(chart, { open: { hinge: {}, knob: 'still' } })]).toEqual([
      ...['door', 'door.open', 'door.open.hinge', 'door.open.knob', 'door.open.knob.still'],
    ]);
  });

  it.each(machines.map((machine) => [machine.id, machine] as const))(
    '%s: as Stately takes it -> a machine with the same states and transitions',
    (_, machine) => {
      const { chart } = chartOf(machine);
      const again = chartOf(
        createMachine(JSON.parse(JSON.stringify(definitionOf(chart)))) as unknown as AnyStateMachine,
      );
      const edges = ({ transitions }: typeof chart) =>
        transitions.map(({ source, targets, eventType }) => `${source} ${eventType} ${targets}`).sort();
      expect(edges(again.chart)).toEqual(edges(chart));
    },
  );

  it.each(machines.map((machine) => [machine.id, machine] as const))(
    '%s: as Mermaid -> whole lines of its words',
    (_, machine) => {
      const lines = mermaidOf(chartOf(machine).chart).trimEnd().split('\n');
      expect(lines.shift()).toBe('stateDiagram-v2');
      const word =
        /^\s*(state "[^"]+" as \w+( \{)?|\}|--|\[\*\] --> \w+|\w+ --> (\w+|\[\*\])(: [^:;\n]*(#\d+;[^:;\n]*)*)?)$/;
      expect(lines.filter((line) => !word.test(line))).toEqual([]);
      expect(lines.filter((line) => line.endsWith('{')).length).toBe(
        lines.filter((line) => line.trim() === '}').length,
      );
    },
  );
});
