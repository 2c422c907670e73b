/** What the page shows when one of its views cannot be drawn; the other views still work. */
import { Component, type ReactNode } from 'react';

interface BoundaryProps {
  /** A change of the name resets it. */
  readonly name: string;
  readonly children: ReactNode;
}

interface BoundaryState {
  readonly name: string;
  readonly message: string | undefined;
}

export class Boundary extends Component<BoundaryProps, BoundaryState> {
  override state: BoundaryState = { name: this.props.name, message: undefined };

  static getDerivedStateFromError(error: unknown): Partial<BoundaryState> {
    return { message: error instanceof Error ? error.message : String(error) };
  }

  static getDerivedStateFromProps({ name }: BoundaryProps, state: BoundaryState): BoundaryState {
    return name === state.name ? state : { name, message: undefined };
  }

  override render(): ReactNode {
    const { message } = this.state;
    if (message === undefined) return this.props.children;
    return (
      <p className="empty" role="alert">
        This view cannot be drawn: {message} The records may be of another version, or damaged.
      </p>
    );
  }
}
