/** A summarized value, with parts that can be unfolded. */
import type { Summary } from '../../../src/inspector/summary.js';

export function ValueTree({ value, name, isFresh = false }: { value: Summary; name: string; isFresh?: boolean }) {
  const className = isFresh ? 'value value-fresh' : 'value';
  if (typeof value !== 'object' || value === null) {
    return (
      <div className={className}>
        <span className="value-name">{name}</span> <span className="value-text">{textOf(value)}</span>
      </div>
    );
  }
  const parts = Object.entries(value);
  if (parts.length === 0) {
    return (
      <div className={className}>
        <span className="value-name">{name}</span>{' '}
        <span className="value-soft">{Array.isArray(value) ? 'none' : 'empty'}</span>
      </div>
    );
  }
  return (
    <details className={className}>
      <summary>
        <span className="value-name">{name}</span> <span className="value-soft">{shortOf(value)}</span>
      </summary>
      {parts.map(([key, part]) => (
        <ValueTree key={key} name={key} value={part} />
      ))}
    </details>
  );
}

function textOf(value: Summary): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function shortOf(value: Summary): string {
  const parts = Object.entries(value as object);
  const shown = parts.slice(0, 3).map(([key, part]) => {
    const text = typeof part === 'object' && part !== null ? '…' : textOf(part as Summary);
    return Array.isArray(value) ? text : `${key}: ${text}`;
  });
  const text = `${shown.join(', ')}${parts.length > 3 ? ', …' : ''}`;
  return text.length > shortLengthMax ? `${text.slice(0, shortLengthMax)}…` : text;
}

const shortLengthMax = 60;
