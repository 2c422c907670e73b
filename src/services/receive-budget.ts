/**
 * How many bytes from other nodes the links of a node may hold: incomplete frames, and batches that are not on disk
 * yet.
 *
 * Invariants:
 * - A link that holds little is never slowed down, no matter what others hold.
 * - A link that holds much is not read while it has batches to apply, nor while all links together hold too much. One
 *   such link is always exempt, so that it can complete what it holds.
 * - While all links together hold too much and nothing moves, the link with the largest stalled frame is given up, then
 *   the next one.
 */
import { limits } from '../core/limits.js';
import type { Time, Timer } from '../ports/ports.js';

/** A link, as the budget sees it. */
export interface Holder {
  /** Stops reading until `resume`. */
  pause(): void;
  resume(): void;
  /** Called when it holds room that others need, and its bytes do not move. */
  giveUp(): void;
}

export class ReceiveBudget {
  readonly #time: Time;
  readonly #accounts = new Set<ReceiveAccount>();
  #front: ReceiveAccount | undefined;
  #heldBytes = 0;
  #timer: Timer | undefined;

  constructor(time: Time) {
    this.#time = time;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  open(holder: Holder): ReceiveAccount {
    const account = new ReceiveAccount(holder, (change) => this.#changed(account, change));
    this.#accounts.add(account);
    return account;
  }

  #changed(account: ReceiveAccount, change: number): void {
    const wasFull = this.#isFull;
    this.#heldBytes += change;
    if (account.isClosed) this.#accounts.delete(account);
    if (wasFull || this.#isFull) {
      this.#judgeAll();
    } else {
      account.setPaused(this.#hasOwnShare(account));
    }
  }

  get #isFull(): boolean {
    return this.#heldBytes > limits.receiveBytesMax;
  }

  /** Batches that wait for this node's disk finish by themselves; a lone frame of any size must be able to continue. */
  #hasOwnShare({ batchBytes, heldBytes }: ReceiveAccount): boolean {
    return batchBytes > 0 && heldBytes > limits.receiveBytesPerSessionMax;
  }

  #judgeAll(): void {
    if (this.#front !== undefined && (this.#front.isClosed || !isLarge(this.#front))) this.#front = undefined;
    if (this.#isFull) this.#front ??= [...this.#accounts].find(isLarge);
    else this.#front = undefined;
    for (const account of [...this.#accounts]) {
      const isInLine = this.#isFull && isLarge(account) && account !== this.#front;
      account.setPaused(isInLine || this.#hasOwnShare(account));
    }
    if (!this.#isFull) {
      this.#timer?.cancel();
      this.#timer = undefined;
    } else {
      this.#timer ??= this.#time.after(limits.receivePatienceMs, () => this.#giveUpOne());
    }
  }

  #giveUpOne(): void {
    this.#timer = undefined;
    const still = [...this.#accounts].filter((account) => {
      const hasMoved = account.hasMoved;
      account.hasMoved = false;
      return isLarge(account) && account.partialBytes > 0 && !hasMoved;
    });
    const most = still.reduce<ReceiveAccount | undefined>(
      (found, account) => (found === undefined || account.partialBytes > found.partialBytes ? account : found),
      undefined,
    );
    most?.holder.giveUp();
    this.#judgeAll();
  }
}

/** What one link holds. */
export class ReceiveAccount {
  partialBytes = 0;
  batchBytes = 0;
  isClosed = false;
  /** Whether anything has changed since it was last read. */
  hasMoved = false;
  #isPaused = false;

  constructor(
    readonly holder: Holder,
    readonly changed: (change: number) => void,
  ) {}

  get heldBytes(): number {
    return this.partialBytes + this.batchBytes;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  hold({ partialBytes = this.partialBytes, batchBytes = this.batchBytes }): void {
    if (this.isClosed) return;
    if (partialBytes === this.partialBytes && batchBytes === this.batchBytes) return;
    const change = partialBytes + batchBytes - this.heldBytes;
    this.partialBytes = partialBytes;
    this.batchBytes = batchBytes;
    this.hasMoved = true;
    this.changed(change);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const held = this.heldBytes;
    this.partialBytes = 0;
    this.batchBytes = 0;
    this.changed(-held);
  }

  setPaused(isPaused: boolean): void {
    if (this.#isPaused === isPaused || this.isClosed) return;
    this.#isPaused = isPaused;
    if (isPaused) this.holder.pause();
    else this.holder.resume();
  }
}

function isLarge({ heldBytes }: ReceiveAccount): boolean {
  return heldBytes > limits.receiveBytesGranted;
}
