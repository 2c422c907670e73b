/** The cluster at the shown moment: its nodes and their states, the leader, and the sessions between nodes. */
import {
  Background,
  BaseEdge,
  Controls,
  type Edge,
  EdgeLabelRenderer,
  type EdgeProps,
  Handle,
  type Node,
  type NodeProps,
  Position,
  ReactFlow,
  useNodesState,
  useReactFlow,
  useStore,
} from '@xyflow/react';
import { memo, useEffect, useMemo } from 'react';
import type { Fold } from '../../../src/inspector/fold.js';
import { type Link, linksOf, type NodeSight, nodesOf } from '../model/cluster.js';
import type { Identity } from '../model/identities.js';
import { milliseconds } from '../parts/format.js';
import { cardHeight, cardWidth, type Place, placesOf } from './places.js';
import { type Way, wayBetween } from './ways.js';
import '@xyflow/react/dist/style.css';
import './cluster.css';

export interface ClusterViewProps {
  readonly fold: Fold;
  readonly identities: ReadonlyMap<string, Identity>;
  /** The state a second earlier, for the rates. */
  readonly earlier: Fold;
  readonly selected: string | undefined;
  onSelect(node: string | undefined): void;
}

type CardData = {
  readonly node: NodeSight | undefined;
  readonly name: string;
  readonly isLeader: boolean;
  readonly group: number | undefined;
  readonly isSelected: boolean;
};
type CardNode = Node<CardData, 'card'>;
type LinkData = { readonly link: Link; readonly rate: number; readonly isCut: boolean; readonly way: Way | undefined };
type LinkEdge = Edge<LinkData, 'link'>;

const nodeTypes = { card: memo(Card) };
const edgeTypes = { link: memo(LinkLine) };

export function ClusterView({ fold, identities, earlier, selected, onSelect }: ClusterViewProps) {
  const nodes = useMemo(() => nodesOf(fold, identities), [fold, fold.atMs, identities]);
  const links = useMemo(() => linksOf(nodes), [nodes]);
  const names = namesOf(nodes, links);
  const key = `${names.members.join()} ${names.clouds.join()}`;
  const upper = names.clouds.length === 0 ? [] : connectedToCloud(nodes, links);
  const [cards, setCards, onNodesChange] = useNodesState<CardNode>([]);
  // A card that the user has dragged stays where it is until then.
  // biome-ignore lint/correctness/useExhaustiveDependencies: only when nodes come or go, or others connect to the cloud
  useEffect(() => {
    const places = placesOf(names.members, names.clouds, upper);
    setCards((before) =>
      [...places].map(([name, place]) => {
        const known = before.find(({ id }) => id === name);
        return {
          id: name,
          type: 'card',
          position: place,
          data: cardOf(name),
          ...(known && { measured: known.measured }),
        } as CardNode;
      }),
    );
  }, [key, upper.join()]);
  const cardOf = (name: string): CardData => {
    const node = nodes.find((each) => each.node === name);
    const group = fold.partition.findIndex((each) => each.includes(name));
    return {
      node,
      name,
      isLeader: node?.election === 'leader',
      group: group < 0 ? undefined : group,
      isSelected: name === selected,
    };
  };
  const shown = cards.map((card) => ({ ...card, data: cardOf(card.id) }));
  const ways = useWays(cards, links);
  const edges = useMemo(
    () => edgesOf({ links, ways, fold, before: linksOf(nodesOf(earlier, identities)), beforeMs: earlier.atMs }),
    [links, ways, fold, earlier, identities],
  );
  return (
    <section className="cluster" aria-label="Cluster">
      <ReactFlow<CardNode, LinkEdge>
        key={key}
        nodes={shown}
        edges={edges}
        nodeTypes={nodeTypes}
        edgeTypes={edgeTypes}
        onNodesChange={onNodesChange}
        onNodeClick={(_, { id }) => onSelect(id)}
        onPaneClick={() => onSelect(undefined)}
        nodesConnectable={false}
        edgesFocusable={false}
        deleteKeyCode={null}
        fitView
        fitViewOptions={fitOptions}
        minZoom={0.2}
        proOptions={{ hideAttribution: true }}
        colorMode="system"
      >
        <Background gap={24} />
        <Controls showInteractive={false} />
        <Refit />
      </ReactFlow>
      {fold.partition.length > 0 && (
        <p className="cluster-partition" role="status">
          Partitioned: {fold.partition.map((group) => group.join(', ')).join('  |  ')}
        </p>
      )}
      <ul className="visually-hidden">
        {nodes.map((node) => (
          <li key={node.node}>{sentenceOn(node)}</li>
        ))}
      </ul>
      {nodes.length === 0 && <p className="empty">No node has been seen yet.</p>}
    </section>
  );
}

const fitOptions = { padding: 0.15, maxZoom: 1.3 };

/** All nodes stay visible when the picture changes its size: the window changes, or details appear beside it. */
function Refit() {
  const { fitView } = useReactFlow();
  const width = useStore((store) => store.width);
  const height = useStore((store) => store.height);
  // biome-ignore lint/correctness/useExhaustiveDependencies: at each size
  useEffect(() => {
    void fitView(fitOptions);
  }, [fitView, width, height]);
  return null;
}

/** Cloud nodes that are not watched are known from the nodes that connect to them. */
function namesOf(nodes: readonly NodeSight[], links: readonly Link[]): { members: string[]; clouds: string[] } {
  const watched = new Map(nodes.map((node) => [node.node, node]));
  const clouds = new Set(nodes.filter(({ role }) => role === 'cloud').map(({ node }) => node));
  for (const { gateways } of nodes) {
    for (const { nodeId } of gateways) if (!nodes.some((node) => node.nodeId === nodeId)) clouds.add(nodeId);
  }
  const members = new Set(nodes.filter(({ role }) => role !== 'cloud').map(({ node }) => node));
  for (const { from, to, isOfGateway } of links) {
    for (const name of [from, to]) if (!watched.has(name)) (isOfGateway ? clouds : members).add(name);
  }
  return { members: [...members].filter((name) => !clouds.has(name)).sort(), clouds: [...clouds].sort() };
}

/** Leaders come first; they connect to the cloud next. */
function connectedToCloud(nodes: readonly NodeSight[], links: readonly Link[]): string[] {
  const ends = new Set(links.flatMap(({ from, to, isOfGateway }) => (isOfGateway ? [from, to] : [])));
  const members = nodes.filter(({ role }) => role !== 'cloud');
  const leaders = members.filter(({ election }) => election === 'leader');
  const others = members.filter((node) => ends.has(node.node) && !leaders.includes(node));
  return [...leaders, ...others].map(({ node }) => node);
}

/** By the key of the link. Computed again when a card moves or a link appears or disappears, not at each record. */
function useWays(cards: readonly CardNode[], links: readonly Link[]): ReadonlyMap<string, Way> {
  const places = cards.map(({ id, position: { x, y } }) => `${id} ${x} ${y}`).join();
  const keys = links.map(({ key }) => key).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  return useMemo(() => {
    const middles = new Map(cards.map(({ id, position }) => [id, middleOf(position)]));
    return new Map(
      links.flatMap(({ key, from, to }) => {
        const [start, end] = [middles.get(from), middles.get(to)];
        if (start === undefined || end === undefined) return [];
        const others = [...middles].flatMap(([id, middle]) => (id === from || id === to ? [] : middle));
        return [[key, wayBetween(start, end, others)] as const];
      }),
    );
  }, [places, keys]);
}

function middleOf({ x, y }: Place): Place {
  return { x: x + cardWidth / 2, y: y + cardHeight / 2 };
}

interface Linked {
  readonly links: readonly Link[];
  readonly ways: ReadonlyMap<string, Way>;
  readonly fold: Fold;
  /** For the rates. */
  readonly before: readonly Link[];
  readonly beforeMs: number;
}

function edgesOf({ links, ways, fold, before, beforeMs }: Linked): LinkEdge[] {
  const known = new Map(before.map((link) => [link.key, link]));
  const spanMs = fold.atMs - beforeMs;
  return links.map((link) => {
    const old = known.get(link.key);
    const moved = entriesOn(link) - (old === undefined ? 0 : entriesOn(old));
    const [one, other] = [groupOf(fold, link.from), groupOf(fold, link.to)];
    return {
      id: link.key,
      type: 'link',
      source: link.from,
      target: link.to,
      data: {
        link,
        rate: spanMs > 0 ? Math.max(0, (moved * 1_000) / spanMs) : 0,
        isCut: one >= 0 && other >= 0 && one !== other,
        way: ways.get(link.key),
      },
    };
  });
}

function entriesOn({ sessions }: Link): number {
  return sessions.reduce((sum, { entriesReceived }) => sum + entriesReceived, 0);
}

function groupOf({ partition }: Fold, name: string): number {
  return partition.findIndex((group) => group.includes(name));
}

function Card({ data: { node, name, isLeader, group, isSelected } }: NodeProps<CardNode>) {
  const isUp = node?.isUp ?? true;
  const className = [
    'card',
    isUp ? '' : 'card-down',
    isLeader ? 'card-leader' : '',
    isSelected ? 'card-selected' : '',
  ].join(' ');
  return (
    <div className={className} style={{ width: cardWidth, minHeight: cardHeight }}>
      <Handle type="target" position={Position.Top} className="card-handle" isConnectable={false} />
      <Handle type="source" position={Position.Top} className="card-handle" isConnectable={false} />
      <div className="card-head">
        {isLeader && <Crown />}
        <strong className="card-name">{node?.nodeId ?? name}</strong>
        {group !== undefined && <span className="card-group">group {group + 1}</span>}
      </div>
      {node !== undefined && node.nodeId !== name && <div className="card-line">process {name}</div>}
      <div className="card-line">{linesOn(node, isUp)}</div>
      {node?.address && <div className="card-line card-code">{node.address}</div>}
      {isUp && node?.uplink !== undefined && node.gateways.length > 0 && (
        <div className="card-line">cloud: {node.uplink}</div>
      )}
    </div>
  );
}

function linesOn(node: NodeSight | undefined, isUp: boolean): string {
  if (node === undefined) return 'not watched';
  if (!isUp) return 'down';
  const role = node.role === 'cloud' ? 'cloud node' : (node.election ?? node.state);
  const reconfiguration =
    node.reconfiguration === undefined || node.reconfiguration === 'settled' ? '' : `, ${node.reconfiguration}`;
  return `${role}${node.state === 'running' ? '' : `, ${node.state}`}${reconfiguration}`;
}

function Crown() {
  return (
    <svg className="crown" viewBox="0 0 24 24" width="18" height="18" role="img">
      <title>leader</title>
      <path d="M3 8l4.5 4L12 5l4.5 7L21 8l-1.8 11H4.8z" />
    </svg>
  );
}

/** Between the centers of two cards, which cover its ends. */
function LinkLine({ id, source, target, data }: EdgeProps<LinkEdge>) {
  if (data?.way === undefined) return null;
  const { link, rate, isCut, way } = data;
  const { path, label } = way;
  const state = isCut ? 'cut' : stateOf(link);
  return (
    <>
      <BaseEdge id={id} path={path} className={`link link-${state}`} />
      {rate > 0 && (
        <circle r="4" className="link-pulse">
          <animateMotion dur="1s" repeatCount="indefinite" path={path} />
        </circle>
      )}
      <EdgeLabelRenderer>
        <div
          className={`link-label link-label-${state}`}
          style={{ transform: `translate(-50%, -50%) translate(${label.x}px, ${label.y}px)` }}
          title={`${source} – ${target}: ${link.sessions.map(({ node, memberState }) => `${node} says ${memberState}`).join(', ')}`}
        >
          {labelOf(link, rate, state)}
        </div>
      </EdgeLabelRenderer>
    </>
  );
}

function stateOf({ sessions }: Link): 'well' | 'busy' | 'opening' {
  if (sessions.some(({ state }) => state === 'handshaking' || state === 'closed')) return 'opening';
  return sessions.every(({ state, isCaughtUp }) => state === 'synchronizing' && isCaughtUp) ? 'well' : 'busy';
}

function labelOf({ sessions }: Link, rate: number, state: string): string {
  const trips = sessions.flatMap(({ roundTripMs }) => (roundTripMs === undefined ? [] : [roundTripMs]));
  const backlog = sessions.map((session) => session.backlog).find((text) => text !== '' && !text.startsWith('0 '));
  const parts = [
    state === 'cut' ? 'partitioned' : '',
    sessions.find((session) => session.state !== 'synchronizing')?.state ?? '',
    trips.length === 0 ? '' : milliseconds(Math.min(...trips)),
    rate >= 0.5 ? `${Math.round(rate)}/s` : '',
    backlog ?? '',
  ];
  return parts.filter((part) => part !== '').join(' · ') || 'in sync';
}

function sentenceOn(node: NodeSight): string {
  const { nodeId, isUp, election, sessions, state } = node;
  if (!isUp) return `${nodeId} is down.`;
  const peers = sessions.flatMap(({ peerId }) => peerId ?? []);
  return `${nodeId} is ${state}${election === undefined ? '' : ` as ${election}`}, with ${
    peers.length === 0 ? 'no sessions' : `sessions with ${peers.join(', ')}`
  }.`;
}
